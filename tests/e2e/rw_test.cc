// READ, WRITE, FLUSH, CLOSE.
#include "e2e.h"
#include "wire/smb2/srv_copychunk.h"

namespace braid::e2e {
namespace {

using wire::Access;
using wire::CreateDisposition;

BRAID_E2E(Rw, WhatWasWrittenIsRead) {
  E2E_TRY(const auto tree, co_await env.mount());
  for (const size_t size : {0, 1, 4095, 65'536, 65'537, 1'000'000}) {
    E2E_OK(co_await tree->write_file(name_of_test(), pattern(size)));
    E2E_TRY(const Bytes back, co_await tree->read_file(name_of_test()));
    EXPECT_TRUE(back == pattern(size)) << size;
  }
}

BRAID_E2E(Rw, LargestReadAndWriteInOneRequest) {
  for (const auto dialect :
       {wire::Dialect::kSmb202, wire::Dialect::kSmb210, wire::Dialect::kSmb311}) {
    client::ConnectionOptions options;
    options.dialects = {dialect};
    E2E_TRY(const auto tree, co_await env.mount("share", options));
    const client::Connection& connection = tree->session().connection();
    E2E_TRY(const auto file,
            co_await tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOverwriteIf));
    const Bytes data = pattern(connection.max_write_size());
    E2E_TRY(const uint32_t count, co_await file->write(0, data));
    EXPECT_EQ(count, data.size());
    const uint32_t length =
        std::min<uint32_t>(connection.max_read_size(), static_cast<uint32_t>(data.size()));
    E2E_TRY(const auto reply, co_await file->read(0, length));
    EXPECT_TRUE(std::ranges::equal(reply->data, ByteView(data).first(length)));
    E2E_OK(co_await file->close());
  }
}

BRAID_E2E(Rw, ReadAndWriteBeyondTheLimitsAreInvalid) {
  E2E_TRY(const auto tree, co_await env.mount());
  const client::Connection& connection = tree->session().connection();
  E2E_TRY(const auto file,
          co_await tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOverwriteIf));
  E2E_FAILS(NtStatus::kInvalidParameter, co_await file->read(0, connection.max_read_size() + 1));
  E2E_FAILS(NtStatus::kInvalidParameter,
            co_await file->write(0, Bytes(connection.max_write_size() + 1)));
  E2E_OK(co_await file->write(0, as_bytes("x")));
}

BRAID_E2E(Rw, ReadAtTheEndAndBeyond) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file,
          co_await tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOverwriteIf));
  E2E_FAILS(NtStatus::kEndOfFile, co_await file->read(0, 10));
  E2E_OK(co_await file->write(0, as_bytes("0123456789")));
  E2E_TRY(const auto part, co_await file->read(6, 100));
  EXPECT_EQ(as_text(part->data), "6789");
  E2E_FAILS(NtStatus::kEndOfFile, co_await file->read(10, 1));
  E2E_FAILS(NtStatus::kEndOfFile, co_await file->read(6, 100, 5));  // MinimumCount
  E2E_OK(co_await file->write(20, as_bytes("end")));
  E2E_TRY(const auto hole, co_await file->read(8, 15));
  EXPECT_EQ(as_text(hole->data), std::string_view("89\0\0\0\0\0\0\0\0\0\0end", 15));
}

BRAID_E2E(Rw, OffsetsBeyond32Bits) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file,
          co_await tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOverwriteIf));
  const uint64_t far = 5'000'000'000;
  E2E_OK(co_await file->write(far, as_bytes("far")));
  E2E_TRY(const auto reply, co_await file->read(far, 3));
  EXPECT_EQ(as_text(reply->data), "far");
  E2E_FAILS(NtStatus::kInvalidParameter, co_await file->read(uint64_t{1} << 63, 1));
  E2E_OK(co_await file->set_delete_pending());
  E2E_OK(co_await file->close());
}

BRAID_E2E(Rw, AccessDecidesWhatIsAllowed) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->write_file(name_of_test(), to_bytes("hello")));
  E2E_TRY(const auto reader, co_await tree->open(name_of_test(), Access::kFileReadData));
  E2E_FAILS(NtStatus::kAccessDenied, co_await reader->write(0, as_bytes("x")));
  E2E_FAILS(NtStatus::kAccessDenied, co_await reader->flush());
  E2E_TRY(const auto writer, co_await tree->open(name_of_test(), Access::kFileWriteData));
  E2E_FAILS(NtStatus::kAccessDenied, co_await writer->read(0, 1));
  E2E_OK(co_await writer->flush());
}

BRAID_E2E(Rw, ClosedFileIsClosed) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file,
          co_await tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOverwriteIf));
  E2E_OK(co_await file->write(0, as_bytes("0123456789")));
  E2E_TRY(const auto closed, co_await file->close(wire::CloseFlags::kPostqueryAttrib));
  EXPECT_EQ(closed.flags, wire::CloseFlags::kPostqueryAttrib);
  EXPECT_EQ(closed.end_of_file, 10u);
  EXPECT_GT(closed.last_write_time.ticks, kUnixEpochTicks);
  E2E_FAILS(NtStatus::kFileClosed, co_await file->read(0, 1));
  E2E_FAILS(NtStatus::kFileClosed, co_await file->write(0, as_bytes("x")));
  E2E_FAILS(NtStatus::kFileClosed, co_await file->flush());
  E2E_FAILS(NtStatus::kFileClosed, co_await file->close());
}

// One request must not wait for another.
BRAID_E2E(Rw, ManyInFlight) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file,
          co_await tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOverwriteIf));
  constexpr size_t kStep = 40'000;
  const Bytes data = pattern(kStep * 64);
  struct Body {
    static Task<void> write(client::FilePtr file, uint64_t offset, ByteView part) {
      E2E_TRY(const uint32_t count, co_await file->write(offset, part));
      EXPECT_EQ(count, part.size());
    }
    static Task<void> read(client::FilePtr file, uint64_t offset, ByteView part) {
      E2E_TRY(const auto reply, co_await file->read(offset, static_cast<uint32_t>(part.size())));
      EXPECT_TRUE(std::ranges::equal(reply->data, part));
    }
  };
  TaskScope scope;
  for (size_t at = 0; at < data.size(); at += kStep) {
    scope.spawn(Body::write(file, at, ByteView(data).subspan(at, kStep)));
  }
  co_await scope.join();
  for (size_t at = 0; at < data.size(); at += kStep) {
    scope.spawn(Body::read(file, at, ByteView(data).subspan(at, kStep)));
  }
  co_await scope.join();
  E2E_OK(co_await file->close());
}

// As Windows has it over SMB2: FILE_APPEND_DATA alone writes where it is told, and no offset stands
// for the end. So a WRITE that is sent again after a lost connection writes the same bytes again.
BRAID_E2E(Rw, NothingIsAppendedTwice) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->write_file(name_of_test(), to_bytes("log:")));
  E2E_TRY(const auto file, co_await tree->open(name_of_test(), Access::kFileAppendData |
                                                                   Access::kFileReadAttributes));
  for (int times = 0; times < 2; ++times) E2E_OK(co_await file->write(4, as_bytes("one,")));
  E2E_OK(co_await file->write(0, as_bytes("L")));
  E2E_FAILS(NtStatus::kInvalidParameter, co_await file->write(~uint64_t{0}, as_bytes("two,")));
  E2E_FAILS(NtStatus::kInvalidParameter, co_await file->write(uint64_t{1} << 63, as_bytes("x")));
  E2E_OK(co_await file->close());
  E2E_TRY(const Bytes content, co_await tree->read_file(name_of_test()));
  EXPECT_EQ(as_text(content), "Log:one,");
}

// The same for the chunks of a server-side copy.
BRAID_E2E(Rw, NoChunkIsCopiedToTheEndByItself) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file,
          co_await tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOverwriteIf));
  E2E_OK(co_await file->write(0, as_bytes("abcdef")));
  E2E_TRY(const Bytes key, co_await file->ioctl(wire::Fsctl::kSrvRequestResumeKey));
  wire::SrvCopychunkCopy copy;
  std::ranges::copy(ByteView(key).first(copy.source_key.size()), copy.source_key.begin());
  copy.chunks = {{0, ~uint64_t{0}, 3}};
  Bytes input;
  wire::Writer writer(input);
  copy.encode(writer);
  E2E_FAILS(NtStatus::kInvalidParameter, co_await file->ioctl(wire::Fsctl::kSrvCopychunk, input));
  E2E_OK(co_await file->close());
}

}  // namespace
}  // namespace braid::e2e
