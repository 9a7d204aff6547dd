// What CHANGE_NOTIFY is refused for, and what ends it: [MS-SMB2] 3.3.5.19.
#include "wire/smb2/change_notify.h"

#include "smb2/commands/file_requests_testing.h"
#include "smb2/common/limits.h"
#include "smb2/pending_testing.h"
#include "smb2/spread_group_testing.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/lock.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::ChangeNotifyRequest;
using wire::Command;
using enum NtStatus;

struct ChangeNotifies : FileRequests {
  void SetUp() override {
    FileRequests::SetUp();
    ASSERT_TRUE(watcher.log_on());
    client.close_file(directory());
  }
  static FileId directory(RawClient& by, uint32_t access = Access::kFileAllAccess) {
    auto body = RawClient::create_body("d");
    body.desired_access = access;
    body.create_options = wire::CreateOptions::kDirectoryFile;
    return by.create(body);
  }
  FileId directory(uint32_t access = Access::kFileAllAccess) { return directory(client, access); }
  static Bytes request(RawClient& by, FileId id, uint32_t room = 1000) {
    return by.request(Command::kChangeNotify,
                      ChangeNotifyRequest{.output_buffer_length = room,
                                          .file_id = id,
                                          .completion_filter = wire::CompletionFilter::kFileName});
  }
  NtStatus status(FileId id, uint32_t room = 1000) {
    return client.status_of(request(client, id, room));
  }
  RawClient watcher{engine, ClientGuid{{8}}};
};

TEST_F(ChangeNotifies, HandlesAndLengthsThatAreRefused) {
  EXPECT_EQ(status(open("f")), kInvalidParameter);
  EXPECT_EQ(status(directory(Access::kFileReadAttributes)), kAccessDenied);
  const FileId id = directory();
  EXPECT_EQ(status(id, kBytesPerCredit + 1), kInvalidParameter);
  RawClient old{engine, ClientGuid{{9}}};
  ASSERT_TRUE(old.log_on(wire::Dialect::kSmb202));
  EXPECT_EQ(old.status_of(request(old, directory(old), kMaxTransferSizeSingleCredit + 1)),
            kInvalidParameter);
  share().change_notify = false;
  EXPECT_EQ(status(id), kNotImplemented);
}

TEST_F(ChangeNotifies, LargestBufferWaits) {
  const FileId id = directory(watcher);
  const uint64_t asked = send_pending(watcher, request(watcher, id, kBytesPerCredit));
  make("d\\f", "");
  const auto answer = watcher.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), kSuccess);
  // [MS-FSCC] 2.7.1: added, by its name of one character.
  const Bytes expected{0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 'f', 0};
  const ByteView told = answer->as<wire::ChangeNotifyResponse>().output_buffer;
  EXPECT_EQ(Bytes(told.begin(), told.end()), expected);
}

TEST_F(ChangeNotifies, EndOfTheHandleOrItsDirectoryEndsIt) {
  FileId id = directory();
  uint64_t asked = send_pending(client, request(client, id));
  EXPECT_EQ(client.close_file(id), kSuccess);
  // The answer of the watch may come before that of the CLOSE: ask anew.
  id = directory();
  const FileId other = directory();
  asked = send_pending(client, request(client, id));
  const uint64_t second = send_pending(client, request(client, id));
  client.send(set_info_request(client, other, wire::FileInfoClass::kDisposition, Bytes{1}));
  size_t ended = 0;
  while (ended < 2) {
    const auto answer = client.receive();
    ASSERT_TRUE(answer);
    const uint64_t of = answer->header.message_id.value;
    if (of == asked || of == second) {
      EXPECT_EQ(answer->status(), kDeletePending);
      ++ended;
    }
  }
  EXPECT_EQ(status(id), kDeletePending);
  EXPECT_EQ(status(id), kDeletePending);
}

TEST_F(ChangeNotifies, OneBeforeOthersOfACompoundIsNotWaitedFor) {
  const FileId id = directory(watcher);
  watcher.send(RawClient::compound(
      {request(watcher, id), watcher.request(Command::kEcho, wire::EchoRequest{})}, false));
  const auto first = watcher.receive();
  const auto second = watcher.receive();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->status(), kInternalError);
  EXPECT_EQ(second->status(), kSuccess);
  // Nor does it leave a watch that nobody has placed.
  const uint64_t asked = send_pending(watcher, request(watcher, id));
  make("d\\f", "");
  EXPECT_EQ(watcher.answer_to(asked)->status(), kSuccess);
}

// Which of the twelve filters hear of what a command does to a file: [MS-FSA] 2.1.5.11, and what
// each command's own section notifies of. The client changes, and another watches.
struct ToldChanges : ChangeNotifies {
  using Filter = wire::CompletionFilter;

  // Of "d\\f", which is there and open, with a stream "s".
  template <class Change>
  uint32_t filters_that_hear(const Change& change) {
    uint32_t hear = 0;
    for (uint32_t filter = 1; filter <= Filter::kStreamWrite; filter <<= 1) {
      make("d\\f", "content");
      make("d\\f:s", "stream");
      const FileId file = open("d\\f");
      const FileId watched = directory(watcher, Access::kFileListDirectory);
      const uint64_t asked =
          send_pending(watcher, watcher.request(Command::kChangeNotify,
                                                ChangeNotifyRequest{.output_buffer_length = 1000,
                                                                    .file_id = watched,
                                                                    .completion_filter = filter}));
      EXPECT_EQ(change(file), kSuccess) << filter;
      engine.settle();
      watcher.send(watcher.request(Command::kCancel, wire::EchoRequest{},
                                   [asked](auto& header) { header.message_id = {asked}; }));
      const auto answer = watcher.answer_to(asked);
      EXPECT_TRUE(answer);
      if (answer && answer->status() == kSuccess) hear |= filter;
      watcher.close_file(watched);
      client.close_file(file);
      for (const char* name : {"d\\f", "d\\g"}) {
        auto body = RawClient::create_body(name);
        body.create_options = wire::CreateOptions::kDeleteOnClose;
        client.close_file(client.create(body));
      }
    }
    return hear;
  }
  Bytes basic(size_t offset, uint64_t value) {
    Bytes buffer;
    wire::Writer(buffer).u64(value);
    buffer.insert(buffer.begin(), offset, 0);
    buffer.resize(40);
    return buffer;
  }
  NtStatus status_of_new_directory(std::string_view name) {
    auto body = RawClient::create_body(name);
    body.create_options = wire::CreateOptions::kDirectoryFile;
    const FileId id = client.create(body);
    return client.close_file(id);
  }
};

TEST_F(ToldChanges, OfBasicInformationThoseOfItsParts) {
  const auto put = [&](size_t offset, uint64_t value) {
    return filters_that_hear(
        [&](FileId id) { return set(id, wire::FileInfoClass::kBasic, basic(offset, value)); });
  };
  const uint64_t time = kUnixEpochTicks;
  EXPECT_EQ(put(0, time), Filter::kCreation);
  EXPECT_EQ(put(8, time), Filter::kLastAccess);
  EXPECT_EQ(put(16, time), Filter::kLastWrite);
  EXPECT_EQ(put(24, time), 0u);
  EXPECT_EQ(put(32, vfs::dos::kHidden), Filter::kAttributes);
  EXPECT_EQ(put(0, 0), 0u);
}

TEST_F(ToldChanges, OfSizesEasAndDescriptorsTheirOwn) {
  constexpr uint32_t kResized = Filter::kSize | Filter::kLastWrite | Filter::kAttributes;
  const Bytes ten{10, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(
      filters_that_hear([&](FileId id) { return set(id, wire::FileInfoClass::kEndOfFile, ten); }),
      kResized);
  EXPECT_EQ(
      filters_that_hear([&](FileId id) { return set(id, wire::FileInfoClass::kAllocation, ten); }),
      kResized);
  const Bytes eas{0, 0, 0, 0, 0, 1, 1, 0, 'A', 0, 'x'};
  EXPECT_EQ(
      filters_that_hear([&](FileId id) { return set(id, wire::FileInfoClass::kFullEa, eas); }),
      Filter::kEa);
  wire::SetInfoRequest body;
  body.info_type = wire::InfoType::kSecurity;
  body.additional_information = wire::SecurityInformation::kDacl;
  const Bytes null_list{1, 0, 4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  body.buffer = null_list;
  EXPECT_EQ(filters_that_hear([&](FileId id) {
              body.file_id = id;
              return client.status_of(client.request(Command::kSetInfo, body));
            }),
            Filter::kSecurity);
  EXPECT_EQ(
      filters_that_hear([&](FileId id) { return set(id, wire::FileInfoClass::kPosition, ten); }),
      0u);
}

TEST_F(ToldChanges, OfNamesThoseOfNames) {
  EXPECT_EQ(filters_that_hear([&](FileId id) { return rename(id, "d\\g"); }), Filter::kFileName);
  EXPECT_EQ(filters_that_hear([&](FileId id) { return link(id, "d\\g", false); }),
            Filter::kFileName);
  EXPECT_EQ(filters_that_hear([&](FileId) {
              make("d\\g", "");
              return kSuccess;
            }) & Filter::kFileName,
            Filter::kFileName);
  EXPECT_EQ(filters_that_hear([&](FileId) { return status_of_new_directory("d\\g"); }),
            Filter::kDirName);
  EXPECT_EQ(filters_that_hear([&](FileId) {
              const FileId stream = open("d\\f:s");
              const NtStatus status = rename(stream, ":t");
              client.close_file(stream);
              return status;
            }),
            Filter::kStreamName);
}

TEST_F(ToldChanges, OfAnOverwriteThoseOfItsSize) {
  constexpr uint32_t kOverwritten = Filter::kSize | Filter::kLastWrite | Filter::kAttributes;
  EXPECT_EQ(filters_that_hear([&](FileId) {
              return status_of_open("d\\f", Access::kFileWriteData,
                                    wire::CreateDisposition::kOverwrite);
            }) & kOverwritten,
            kOverwritten);
}

// What is known of the directory, or of a file, is on another node of the cluster, for which what
// the client asks for next does not wait.
struct FetchedMeanwhile : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(client.log_on());
    directory = ChangeNotifies::directory(client);
  }
  void TearDown() override { group.spread().let_come(); }
  uint64_t send(Bytes message) {
    const uint64_t id = client.next_message_id - 1;
    client.send(std::move(message));
    return id;
  }
  uint64_t ask() { return send(ChangeNotifies::request(client, directory)); }
  // Everything before it has begun.
  void pass() {
    const uint64_t echo = send(client.request(Command::kEcho, wire::EchoRequest{}));
    ASSERT_TRUE(client.answer_to(echo));
  }
  void cancel(uint64_t id) {
    client.send(client.request(Command::kCancel, wire::EchoRequest{},
                               [id](auto& header) { header.message_id = {id}; }));
  }
  // As another node tells it.
  void add(std::string_view path) {
    const auto share = engine.server().settings.shares()->find("files");
    engine.server().files.notify.changed(*share, path, wire::FileAction::kAdded,
                                         wire::CompletionFilter::kFileName);
  }
  NtStatus status_of(uint64_t id) {
    const auto answer = client.answer_to(id);
    return answer ? answer->status() : kConnectionDisconnected;
  }

  SpreadGroup group;
  Engine engine{Engine::lenient(), system_clock(), 1, Engine::shares_on(vfs::make_memory_volume()),
                &group};
  RawClient client{engine};
  FileId directory;
};

TEST_F(FetchedMeanwhile, ChangeNotifyTellsAtOnceWhatWasKept) {
  const uint64_t first = send_pending(client, ChangeNotifies::request(client, directory));
  add("d\\f");
  ASSERT_EQ(status_of(first), kSuccess);
  add("d\\g");
  group.spread().send_away(key_of(engine, "d"));
  const auto answer = client.answer_to(ask());
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status(), kSuccess);
  const Bytes expected{0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 'g', 0};
  const ByteView told = answer->as<wire::ChangeNotifyResponse>().output_buffer;
  EXPECT_EQ(Bytes(told.begin(), told.end()), expected);
}

TEST_F(FetchedMeanwhile, ChangeNotifyHearsOfItsCancel) {
  for (const bool is_first : {true, false}) {
    group.spread().send_away(key_of(engine, "d"));
    const uint64_t cancelled = ask();
    ASSERT_TRUE(group.spread().is_asked_for()) << is_first;
    cancel(cancelled);
    const uint64_t told = ask();
    pass();
    group.spread().let_come();
    EXPECT_EQ(status_of(cancelled), kCancelled) << is_first;
    pass();
    add("d\\f");
    EXPECT_EQ(status_of(told), kSuccess) << is_first;
  }
}

// It is not to wait, or to lock, when the record has come.
TEST_F(FetchedMeanwhile, LockHearsOfItsCancel) {
  RawClient other{engine, ClientGuid{{8}}};
  ASSERT_TRUE(other.log_on());
  const auto locking = [](RawClient& by, FileId file) {
    return by.request(
        Command::kLock,
        wire::LockRequest{.file_id = file, .locks = {{1, 1, wire::LockFlags::kExclusiveLock}}});
  };
  const FileId theirs = other.create("f");
  const FileId mine = client.create("f");
  ASSERT_EQ(other.status_of(locking(other, theirs)), kSuccess);
  group.spread().send_away(key_of(engine, "f"));
  const uint64_t waits = send(locking(client, mine));
  ASSERT_TRUE(group.spread().is_asked_for());
  cancel(waits);
  pass();
  group.spread().let_come();
  EXPECT_EQ(status_of(waits), kCancelled);
}

}  // namespace
}  // namespace braid::smb2
