// The gates that every request passes, and what is reserved for its answer: [MS-SMB2] 3.3.5.2.
#include <cerrno>

#include "smb2/commands/file_requests_testing.h"
#include "smb2/common/limits.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/query_directory.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/tree_disconnect.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Header;
using enum NtStatus;

struct Gates : FileRequests {
  explicit Gates(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : FileRequests(vfs::make_fault_volume(vfs::make_memory_volume(), disk)),
        plan(std::move(disk)) {}
  Bytes echo() { return client.request(Command::kEcho, wire::EchoRequest{}); }
  Bytes flush(FileId id) {
    return client.request(Command::kFlush, wire::FlushRequest{.file_id = id});
  }
  std::shared_ptr<vfs::FaultPlan> plan;
};

// One request of each command, of which the first field of its body is one too large or too small.
TEST_F(Gates, StructureSizeIsThatOfTheCommand) {
  const FileId id = open("f");
  const Bytes byte(1);
  std::vector<Bytes> all;
  const auto add = [&](Command command, const auto& body) {
    all.push_back(client.request(command, body));
    --client.next_message_id;
  };
  add(Command::kTreeConnect, wire::TreeConnectRequest{.path = "\\\\engine\\files"});
  add(Command::kTreeDisconnect, wire::TreeDisconnectRequest{});
  add(Command::kCreate, RawClient::create_body("f"));
  add(Command::kClose, wire::CloseRequest{.file_id = id});
  add(Command::kFlush, wire::FlushRequest{.file_id = id});
  add(Command::kRead, wire::ReadRequest{.length = 1, .file_id = id});
  add(Command::kWrite, wire::WriteRequest{.file_id = id, .data = byte});
  add(Command::kLock, wire::LockRequest{.file_id = id, .locks = {{0, 1, 2}}});
  add(Command::kIoctl, wire::IoctlRequest{.ctl_code = wire::Fsctl::kSrvRequestResumeKey,
                                          .file_id = id,
                                          .max_output_response = 64,
                                          .flags = 1});
  add(Command::kQueryDirectory, wire::QueryDirectoryRequest{.file_id = id, .file_name = "*"});
  add(Command::kChangeNotify, wire::ChangeNotifyRequest{.file_id = id});
  add(Command::kQueryInfo, wire::QueryInfoRequest{.file_info_class = 5, .file_id = id});
  add(Command::kSetInfo,
      wire::SetInfoRequest{.file_info_class = 14, .file_id = id, .buffer = byte});
  add(Command::kLogoff, wire::LogoffRequest{});
  add(Command::kEcho, wire::EchoRequest{});
  for (const Bytes& message : all) {
    for (const int change : {-1, 1}) {
      Bytes spoiled = message;
      spoiled[Header::kSize] = static_cast<uint8_t>(spoiled[Header::kSize] + change);
      const uint64_t number = client.next_message_id++;
      std::memcpy(spoiled.data() + Header::kMessageIdOffset, &number, sizeof number);
      wire::Reader reader(spoiled);
      const auto command = Header::decode(reader).value().command;
      EXPECT_EQ(client.status_of(std::move(spoiled)), kInvalidParameter)
          << name_of(command) << " " << change;
    }
  }
  EXPECT_EQ(client.close_file(id), kSuccess);
}

// Held while a request is under way; file data once, what is copied once more twice.
TEST_F(Gates, RoomForTheLargestAnswerIsReserved) {
  const FileId id = open("f");
  ASSERT_EQ(write(id, "content"), kSuccess);
  auto body = RawClient::create_body("d");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId directory = client.create(body);
  constexpr uint32_t kRoom = kBytesPerCredit;
  const auto reserved = [&](std::string_view operation, const Bytes& message) {
    engine.settle();
    const uint64_t before = engine.server().memory->used();
    plan->hold_operation(operation);
    const uint64_t asked = client.next_message_id - 1;
    client.send(message);
    plan->await_held(1);
    const uint64_t during = engine.server().memory->used();
    plan->let_go();
    EXPECT_TRUE(client.answer_to(asked));
    engine.settle();
    return during - before;
  };
  const auto is_about = [](uint64_t bytes, uint64_t copies) {
    return bytes >= copies * kRoom && bytes < copies * kRoom + kRoom / 2;
  };
  uint64_t got = reserved(
      "read", client.request(Command::kRead, wire::ReadRequest{.length = kRoom, .file_id = id}));
  EXPECT_TRUE(is_about(got, 1)) << got;
  got = reserved("stat", client.request(Command::kQueryInfo,
                                        wire::QueryInfoRequest{.file_info_class = 4,
                                                               .output_buffer_length = kRoom,
                                                               .file_id = id}));
  EXPECT_TRUE(is_about(got, 2)) << got;
  got =
      reserved("next", client.request(Command::kQueryDirectory,
                                      wire::QueryDirectoryRequest{.file_information_class = 12,
                                                                  .file_id = directory,
                                                                  .file_name = "*",
                                                                  .output_buffer_length = kRoom}));
  // And the names that a listing reads ahead, from the first on.
  EXPECT_TRUE(is_about(got - kEnumerationSize, 2)) << got;
  got = reserved("space",
                 client.request(Command::kIoctl,
                                wire::IoctlRequest{.ctl_code = wire::Fsctl::kGetNtfsVolumeData,
                                                   .file_id = id,
                                                   .max_output_response = kRoom,
                                                   .flags = 1}));
  EXPECT_TRUE(is_about(got, 2)) << got;
  got = reserved("flush", flush(id));
  EXPECT_TRUE(is_about(got, 0)) << got;
}

// 3.3.5.2.7.2: what is related goes on with what the one before it had.
struct RelatedGates : Gates {
  std::vector<NtStatus> statuses(std::vector<Bytes> messages, size_t count) {
    client.send(RawClient::compound(std::move(messages)));
    std::vector<NtStatus> all;
    for (size_t i = 0; i < count; ++i) {
      const auto answer = client.receive();
      all.push_back(answer ? answer->status() : kConnectionDisconnected);
    }
    return all;
  }
};

TEST_F(RelatedGates, SessionAndTreeAreThoseOfTheRequestBefore) {
  const auto nobodys = [](Header& header) {
    header.session_id = {~uint64_t{0}};
    header.tree_id = {~uint32_t{0}};
  };
  const Bytes create = client.request(Command::kCreate, RawClient::create_body("f"));
  const Bytes flushes =
      client.request(Command::kFlush, wire::FlushRequest{.file_id = FileId::all_ones()}, nobodys);
  const Bytes closes =
      client.request(Command::kClose, wire::CloseRequest{.file_id = FileId::all_ones()}, nobodys);
  EXPECT_EQ(statuses({create, flushes, closes}, 3), (std::vector{kSuccess, kSuccess, kSuccess}));
}

TEST_F(RelatedGates, TreeThatWasConnectedBeforeIsTheOne) {
  const Bytes connect = client.tree_request();
  client.tree_id = {~uint32_t{0}};
  const Bytes create = client.request(Command::kCreate, RawClient::create_body("f"));
  const Bytes close =
      client.request(Command::kClose, wire::CloseRequest{.file_id = FileId::all_ones()});
  EXPECT_EQ(statuses({connect, create, close}, 3), (std::vector{kSuccess, kSuccess, kSuccess}));
}

TEST_F(RelatedGates, WithoutASessionOrTreeBeforeThereIsNone) {
  const auto anonymous = [](Header& header) { header.session_id = {}; };
  const auto echo_of_nobody = [&] {
    return client.request(Command::kEcho, wire::EchoRequest{}, anonymous);
  };
  const Bytes first = echo_of_nobody();
  const Bytes connect = client.tree_request();
  EXPECT_EQ(statuses({first, connect}, 2), (std::vector{kSuccess, kInvalidParameter}));
  // A session, and no tree.
  const Bytes own = echo();
  const Bytes create = client.request(Command::kCreate, RawClient::create_body("f"));
  EXPECT_EQ(statuses({own, create}, 2), (std::vector{kSuccess, kInvalidParameter}));
  // What needs neither goes on.
  const Bytes again = echo_of_nobody();
  EXPECT_EQ(statuses({again, echo_of_nobody()}, 2), (std::vector{kSuccess, kSuccess}));
}

// [MS-SMB2] 3.3.5.2.10: whatever is asked of the open, its CREATE is not replayed any more.
TEST_F(Gates, CreateThatWasUsedIsNotReplayed) {
  const auto created = [&](uint8_t guid, uint32_t flags) {
    auto body = RawClient::create_body("f" + std::to_string(guid));
    body.requested_oplock_level = wire::OplockLevel::kBatch;
    body.create_disposition = wire::CreateDisposition::kCreate;
    body.contexts.durable_handle_request_v2 = {.create_guid = CreateGuid{{guid}}};
    const auto answer = client.exchange(
        client.request(Command::kCreate, body, [flags](Header& header) { header.flags |= flags; }));
    return answer.value();
  };
  const uint32_t replay = wire::HeaderFlags::kReplayOperation;
  const FileId unused = created(1, 0).as<wire::CreateResponse>().file_id;
  EXPECT_EQ(created(1, replay).as<wire::CreateResponse>().file_id, unused);
  const FileId used = created(2, 0).as<wire::CreateResponse>().file_id;
  EXPECT_EQ(client.status_of(flush(used)), kSuccess);
  EXPECT_EQ(created(2, replay).status(), kObjectNameCollision);
}

// 3.3.5.2.6 would end the connection; a session's key signs what it is answered with.
TEST_F(Gates, UnknownCommandOfASessionIsAnsweredSigned) {
  RawClient strict{engine, ClientGuid{{9}}};
  ASSERT_EQ(strict.negotiate(wire::Dialect::kSmb302, wire::SecurityMode::kSigningRequired),
            kSuccess);
  ASSERT_EQ(strict.session_setup(), kSuccess);
  const auto answer = strict.exchange(strict.signed_request(
      Command::kEcho, wire::EchoRequest{},
      [](Header& header) { header.command = static_cast<Command>(wire::kCommandCount); }));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), kInvalidParameter);
  EXPECT_TRUE(RawClient::is_signed_with(*answer, *strict.signing_key));
}

// Nobody who cannot sign takes a wait of somebody else's away.
TEST_F(Gates, ForgedCancelDoesNothing) {
  RawClient strict{engine, ClientGuid{{9}}};
  ASSERT_EQ(strict.negotiate(wire::Dialect::kSmb302, wire::SecurityMode::kSigningRequired),
            kSuccess);
  ASSERT_EQ(strict.session_setup(), kSuccess);
  Bytes connect = strict.tree_request();
  strict.sign(connect, *strict.signing_key);
  strict.tree_id = strict.exchange(std::move(connect))->header.tree_id;
  auto body = RawClient::create_body("d");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId id = strict.exchange(strict.signed_request(Command::kCreate, body))
                        ->as<wire::CreateResponse>()
                        .file_id;
  const wire::ChangeNotifyRequest watch{
      .output_buffer_length = 1000, .file_id = id, .completion_filter = 1};
  const uint64_t asked = strict.next_message_id;
  strict.send(strict.signed_request(Command::kChangeNotify, watch));
  ASSERT_EQ(strict.receive()->status(), kPending);
  const auto cancel = [&](bool is_signed) {
    const auto names_it = [asked](Header& header) { header.message_id = {asked}; };
    strict.send(is_signed ? strict.signed_request(Command::kCancel, wire::EchoRequest{}, names_it)
                          : strict.request(Command::kCancel, wire::EchoRequest{}, names_it));
  };
  cancel(false);
  const auto after = strict.exchange(strict.signed_request(Command::kEcho, wire::EchoRequest{}));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->header.command, Command::kEcho);
  cancel(true);
  EXPECT_EQ(strict.answer_to(asked)->status(), kCancelled);
}

// For administrators: docs/json.md and the metrics say what they are.
TEST_F(Gates, WhatAShareCarriedAndRefusedIsCounted) {
  const FileId id = open("f");
  const ShareCounters& counters = *share().counters;
  const auto times_of = [&](Command command) {
    return engine.server().files.command_times[static_cast<size_t>(command)].counts().count();
  };
  const uint64_t asked = counters.times.counts().count();
  const uint64_t writes = times_of(Command::kWrite), reads = times_of(Command::kRead);
  EXPECT_EQ(write(id, "seven.."), kSuccess);
  EXPECT_EQ(content(id), "seven..");
  EXPECT_EQ(counters.bytes_written, 7u);
  EXPECT_EQ(counters.bytes_read, 7u);
  EXPECT_EQ(counters.refused, 0u);
  EXPECT_EQ(counters.times.counts().count(), asked + 2);
  EXPECT_EQ(times_of(Command::kWrite), writes + 1);
  EXPECT_EQ(times_of(Command::kRead), reads + 1);
  const FileId read_only = open("f", wire::Access::kFileReadData);
  EXPECT_EQ(write(read_only, "x"), kAccessDenied);
  EXPECT_EQ(counters.refused, 1u);
  EXPECT_EQ(client.status_of(client.request(
                Command::kRead, wire::ReadRequest{.length = 1, .offset = 100, .file_id = id})),
            kEndOfFile);
  EXPECT_EQ(counters.refused, 1u) << "not for want of rights";
  EXPECT_EQ(counters.bytes_written, 7u);
  EXPECT_EQ(counters.bytes_read, 7u);
  EXPECT_EQ(client.status_of(echo()), kSuccess);
  EXPECT_EQ(times_of(Command::kEcho), 1u) << "of no share";
  EXPECT_EQ(counters.times.counts().count(), asked + 5);
}

}  // namespace
}  // namespace braid::smb2
