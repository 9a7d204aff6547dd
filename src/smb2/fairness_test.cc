// One client's work keeps nobody else waiting: turns on the worker pool.
#include <gtest/gtest.h>

#include "smb2/common/limits.h"
#include "smb2/raw_client_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/info_class.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/file_ranges.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/query_directory.h"
#include "wire/smb2/tree_disconnect.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;

// Two shares on disks of their own, which can be made to hang; a busy user, and another.
struct FairnessTest : testing::Test {
  explicit FairnessTest(WorkerPoolLimits limits = {}) : limits_(limits) {}

  void SetUp() override {
    ASSERT_TRUE(busy.log_on(wire::Dialect::kSmb302, "files", "user"));
    ASSERT_TRUE(other.log_on(wire::Dialect::kSmb302, "files", "other"));
  }
  void TearDown() override {
    plan->let_go();
    second_plan->let_go();
    busy.close();
    other.close();
  }

  std::shared_ptr<const ShareTable> shares() const {
    std::vector<std::shared_ptr<const Share>> list;
    for (const auto& [name, disk] : {std::pair("files", plan), std::pair("second", second_plan)}) {
      auto share = std::make_shared<Share>();
      share->name = name;
      share->volume = vfs::make_fault_volume(vfs::make_memory_volume(), disk);
      list.push_back(std::move(share));
    }
    return std::make_shared<const ShareTable>(std::move(list));
  }
  static Bytes create(RawClient& client, const std::string& name) {
    return client.request(Command::kCreate, RawClient::create_body(name));
  }
  static Bytes list(RawClient& client, FileId directory, std::string_view pattern,
                    uint8_t flags = 0) {
    wire::QueryDirectoryRequest query;
    query.file_information_class = static_cast<uint8_t>(wire::FileInfoClass::kNames);
    query.file_id = directory;
    query.file_name = pattern;
    query.flags = flags;
    query.output_buffer_length = 65536;
    return client.request(Command::kQueryDirectory, query);
  }
  // A directory with so many files, opened by `client`.
  FileId fill(RawClient& client, int files) {
    auto body = RawClient::create_body("folder");
    body.create_options = wire::CreateOptions::kDirectoryFile;
    const FileId id = client.create(body);
    for (int i = 0; i < files; ++i) {
      EXPECT_EQ(client.close_file(client.create("folder\\f" + std::to_string(i))),
                NtStatus::kSuccess);
    }
    return id;
  }
  WorkerPool::Load load() { return engine.server().files.pool.load(); }
  // The server's threads get their turn with each ECHO.
  bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 100'000; ++i) {
      if (holds()) return true;
      other.status_of(other.request(Command::kEcho, wire::EchoRequest{}));
    }
    return false;
  }
  bool exists(const std::string& name) {
    auto body = RawClient::create_body(name);
    body.create_disposition = wire::CreateDisposition::kOpen;
    return other.create(body) != FileId{};
  }

  const WorkerPoolLimits limits_;
  std::shared_ptr<vfs::FaultPlan> plan = vfs::make_fault_plan();
  std::shared_ptr<vfs::FaultPlan> second_plan = vfs::make_fault_plan();
  Engine engine{Engine::lenient(), system_clock(), 1, shares(), nullptr, limits_};
  RawClient busy{engine};
  RawClient other{engine, ClientGuid{{8}}};
};

// One thread for all: what one waits for, all wait for.
TEST_F(FairnessTest, CreateOfAnotherUserGoesAheadOfWhatOneHasQueued) {
  plan->hold_operation("create");
  for (int i = 0; i < 40; ++i) busy.send(create(busy, "busy" + std::to_string(i)));
  plan->await_held(1);
  const uint64_t asked = other.next_message_id;
  other.send(create(other, "other"));
  ASSERT_TRUE(eventually([&] { return load().waiting == 40; }));
  plan->let_pass(3);  // the one that was held, the one whose turn came next, and the other's
  const auto answer = other.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(plan->calls_of("create"), 3u);
}

TEST_F(FairnessTest, ListingGivesOthersTheirTurnBetweenItsPieces) {
  const FileId folder = fill(busy, 10 * int{kNamesPerTurn});
  plan->hold_operation("next");
  const uint64_t asked = busy.next_message_id;
  busy.send(list(busy, folder, "*?*?*?nothing"));
  plan->await_held(1);
  const uint64_t others = other.next_message_id;
  other.send(create(other, "other"));
  ASSERT_TRUE(eventually([&] { return load().waiting == 1; }));
  plan->let_pass(1);
  const auto created = other.answer_to(others);
  ASSERT_TRUE(created);
  EXPECT_EQ(created->status(), NtStatus::kSuccess);
  EXPECT_EQ(plan->calls_of("next"), 1u);
  plan->let_go();
  const auto listed = busy.answer_to(asked);
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->status(), NtStatus::kNoSuchFile);
  EXPECT_EQ(plan->calls_of("next"), 11u);  // with the dots, one more
}

// Who waits to write has his turn at the file when he has one on the pool, and not before.
TEST_F(FairnessTest, WriteKeepsNobodyWaitingBehindWhatItsUserHasQueued) {
  const FileId busys = busy.create("file");
  const FileId others = other.create("file");
  const auto write = [](RawClient& client, FileId file) {
    static const Bytes data(1, 'x');
    client.send(client.request(Command::kWrite, wire::WriteRequest{.file_id = file, .data = data}));
  };
  plan->hold_operation("write");
  write(busy, busys);
  plan->await_held(1);
  for (int i = 0; i < 40; ++i) busy.send(create(busy, "busy" + std::to_string(i)));
  write(busy, busys);
  ASSERT_TRUE(eventually([&] { return load().waiting >= 40; }));
  const uint64_t asked = other.next_message_id;
  write(other, others);
  EXPECT_EQ(other.status_of(other.request(Command::kEcho, wire::EchoRequest{})),
            NtStatus::kSuccess);
  plan->hold_operation("create");  // and no longer the write
  plan->let_pass(3);
  const auto answer = other.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
}

// A file that is to be deleted is open for a client that has gone, whose user has much else to do:
// who comes for the name waits for the deletion, and for nothing of that.
TEST_F(FairnessTest, OpenThatGivesWayIsClosedAheadOfWhatItsUserHasQueued) {
  auto lost = std::make_unique<RawClient>(engine, ClientGuid{{10}});
  ASSERT_TRUE(lost->log_on(wire::Dialect::kSmb302, "files", "user"));
  auto body = RawClient::create_body("gone");
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  body.requested_oplock_level = wire::OplockLevel::kBatch;
  body.contexts.durable_handle_request_v2 = {.create_guid = CreateGuid{{1}}};
  ASSERT_NE(lost->create(body), FileId{});
  lost->close();
  lost.reset();
  ASSERT_TRUE(eventually([&] { return engine.server().files.open_table.disconnected() == 1; }));

  plan->hold_operation("create");
  for (int i = 0; i < 40; ++i) busy.send(create(busy, "busy" + std::to_string(i)));
  plan->await_held(1);
  ASSERT_TRUE(eventually([&] { return load().waiting == 39; }));
  const uint64_t asked = other.next_message_id;
  other.send(create(other, "gone"));
  ASSERT_TRUE(eventually([&] { return load().waiting == 40; }));
  plan->let_pass(8);
  const auto answer = other.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
}

// Each name costs more then.
TEST_F(FairnessTest, ListingByALongPatternGivesOthersTheirTurnMoreOften) {
  const FileId folder = fill(busy, 3 * int{kNamesPerTurn});
  const auto turns_of = [&](std::string_view pattern) {
    const uint64_t before = plan->calls_of("next");
    EXPECT_EQ(busy.status_of(list(busy, folder, pattern, wire::QueryDirectoryFlags::kReopen)),
              NtStatus::kNoSuchFile)
        << pattern;
    return plan->calls_of("next") - before;
  };
  EXPECT_EQ(turns_of("*nothing"), 4u);  // with the dots, one more
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "<?";
  EXPECT_GE(turns_of(pattern + "nothing"), 12u);
}

TEST_F(FairnessTest, ZeroingGivesOthersTheirTurnBetweenItsPieces) {
  const FileId file = busy.create("large");
  Bytes data(1, 'x');
  ASSERT_EQ(busy.status_of(busy.request(
                Command::kWrite,
                wire::WriteRequest{.offset = 4 * kBytesPerTurn, .file_id = file, .data = data})),
            NtStatus::kSuccess);
  Bytes input;
  wire::Writer writer(input);
  wire::FileZeroDataInformation{0, INT64_MAX}.encode(writer);
  plan->hold_operation("zero_range");
  const uint64_t asked = busy.next_message_id;
  busy.send(
      busy.request(Command::kIoctl, wire::IoctlRequest{.ctl_code = wire::Fsctl::kSetZeroData,
                                                       .file_id = file,
                                                       .input = input,
                                                       .flags = wire::IoctlRequest::kFlagIsFsctl}));
  plan->await_held(1);
  const uint64_t others = other.next_message_id;
  other.send(create(other, "other"));
  ASSERT_TRUE(eventually([&] { return load().waiting == 1; }));
  plan->let_pass(1);
  const auto created = other.answer_to(others);
  ASSERT_TRUE(created);
  EXPECT_EQ(created->status(), NtStatus::kSuccess);
  EXPECT_EQ(plan->calls_of("zero_range"), 1u);
  plan->let_go();
  const auto zeroed = busy.answer_to(asked);
  ASSERT_TRUE(zeroed);
  EXPECT_EQ(zeroed->status(), NtStatus::kSuccess);
  // Only as much as there is.
  EXPECT_LE(plan->calls_of("zero_range"), 5u);
  EXPECT_GE(plan->calls_of("zero_range"), 3u);
}

TEST_F(FairnessTest, LogonIsJudgedWhileAllFileThreadsHang) {
  plan->hold_operation("create");
  busy.send(create(busy, "busy"));
  plan->await_held(1);
  RawClient newcomer(engine, ClientGuid{{9}});
  EXPECT_EQ(newcomer.negotiate(), NtStatus::kSuccess);
  EXPECT_EQ(newcomer.session_setup("user"), NtStatus::kSuccess);
  plan->let_go();
  newcomer.close();
}

TEST_F(FairnessTest, ListingsOfALostConnectionStop) {
  const FileId folder = fill(busy, 3 * int{kNamesPerTurn});
  plan->hold_operation("next");
  for (int i = 0; i < 20; ++i) busy.send(list(busy, folder, "nothing*"));
  plan->await_held(1);
  ASSERT_TRUE(eventually([&] { return load().waiting == 19; }));
  busy.close();
  // Those that wait leave the queue although the disk does not answer.
  ASSERT_TRUE(eventually([&] { return load().withdrawn == 19; }));
  plan->let_go();
  ASSERT_TRUE(eventually([&] { return load().running == 0; }));
  // The one under way stops between two pieces.
  EXPECT_EQ(plan->calls_of("next"), 1u);
}

TEST_F(FairnessTest, ChangesOfASessionThatHasEndedAreNotBegun) {
  plan->hold_operation("create");
  busy.send(create(busy, "begun"));
  plan->await_held(1);
  busy.send(create(busy, "queued"));
  ASSERT_TRUE(eventually([&] { return load().waiting == 1; }));
  busy.close();
  ASSERT_TRUE(eventually([&] { return load().withdrawn == 1; }));
  plan->let_go();
  ASSERT_TRUE(eventually([&] { return load().running == 0 && load().waiting == 0; }));
  EXPECT_EQ(plan->calls_of("create"), 1u);
  // Its open came too late, so nothing was made.
  EXPECT_FALSE(exists("begun"));
  EXPECT_FALSE(exists("queued"));
}

// What an open was let in for is carried out, also when its tree has gone meanwhile.
TEST_F(FairnessTest, OpenOfATreeThatIsGoneDeletesWhatItWasToDelete) {
  auto body = RawClient::create_body("gone");
  body.create_options |= wire::CreateOptions::kDeleteOnClose;
  body.desired_access |= wire::Access::kDelete;
  plan->hold_operation("create");
  busy.send(busy.request(Command::kCreate, body));
  plan->await_held(1);
  busy.send(busy.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{}));
  const auto disconnected = busy.receive();
  ASSERT_TRUE(disconnected && disconnected->header.command == Command::kTreeDisconnect);
  plan->let_go();
  const auto answer = busy.receive();
  ASSERT_TRUE(answer && answer->header.command == Command::kCreate);
  EXPECT_EQ(answer->status(), NtStatus::kInsufficientResources);
  auto look = RawClient::create_body("gone");
  look.create_disposition = wire::CreateDisposition::kOpen;
  EXPECT_TRUE(eventually([&] {
    return other.status_of(other.request(Command::kCreate, look)) == NtStatus::kObjectNameNotFound;
  }));
}

TEST_F(FairnessTest, ChangesOfALostChannelAreCarriedOutWhileAnotherLives) {
  // Not those of the client of SetUp, who speaks another dialect.
  RawClient second(engine, ClientGuid{{9}}), first(engine, ClientGuid{{9}});
  ASSERT_TRUE(first.log_on(wire::Dialect::kSmb311));
  ASSERT_EQ(second.negotiate(wire::Dialect::kSmb311), NtStatus::kSuccess);
  ASSERT_EQ(second.bind(first), NtStatus::kSuccess);
  plan->hold_operation("create");
  first.send(first.signed_request(Command::kCreate, RawClient::create_body("begun")));
  plan->await_held(1);
  first.send(first.signed_request(Command::kCreate, RawClient::create_body("queued")));
  ASSERT_TRUE(eventually([&] { return load().waiting == 1; }));
  const auto session = engine.server().logons.session_table.find(second.session_id);
  first.close();
  ASSERT_TRUE(eventually([&] { return session->channels().size() == 1; }));
  EXPECT_EQ(load().withdrawn, 0u);
  plan->let_go();
  ASSERT_TRUE(eventually([&] { return load().running == 0 && load().waiting == 0; }));
  EXPECT_TRUE(exists("queued"));
  second.close();
}

// As of other commands: what an FSCTL changes is in its own row.
TEST_F(FairnessTest, FsctlsOfALostChannelThatOnlyReadStop) {
  RawClient second(engine, ClientGuid{{9}}), first(engine, ClientGuid{{9}});
  ASSERT_TRUE(first.log_on(wire::Dialect::kSmb302));
  ASSERT_EQ(second.negotiate(wire::Dialect::kSmb302), NtStatus::kSuccess);
  ASSERT_EQ(second.bind(first), NtStatus::kSuccess);
  const FileId file = first.create("file");
  const auto ask = [&](wire::Fsctl code) {
    first.send(first.signed_request(Command::kIoctl,
                                    wire::IoctlRequest{.ctl_code = code,
                                                       .file_id = file,
                                                       .max_output_response = 4096,
                                                       .flags = wire::IoctlRequest::kFlagIsFsctl}));
  };
  plan->hold_operation("create");
  first.send(first.signed_request(Command::kCreate, RawClient::create_body("begun")));
  plan->await_held(1);
  const uint64_t spaces = plan->calls_of("space"), changes = plan->calls_of("change");
  ask(wire::Fsctl::kGetNtfsVolumeData);
  ask(wire::Fsctl::kSetSparse);
  ASSERT_TRUE(eventually([&] { return load().waiting == 2; }));
  first.close();
  ASSERT_TRUE(eventually([&] { return load().withdrawn == 1; }));
  plan->let_go();
  ASSERT_TRUE(eventually([&] { return load().running == 0 && load().waiting == 0; }));
  EXPECT_EQ(plan->calls_of("space"), spaces);
  EXPECT_EQ(plan->calls_of("change"), changes + 1);
  second.close();
}

// What is said to a pipe may be a question for a name service.
TEST_F(FairnessTest, CallsOfAPipeRunOnThePool) {
  ASSERT_EQ(busy.tree_connect("IPC$"), NtStatus::kSuccess);
  const FileId pipe = busy.create("lsarpc");
  ASSERT_NE(pipe, FileId{});
  const size_t before = load().turns_taken;
  const Bytes data(4, 'x');
  busy.status_of(busy.request(Command::kWrite, wire::WriteRequest{.file_id = pipe, .data = data}));
  EXPECT_EQ(load().turns_taken, before + 1);
}

// As many threads as a small server has.
struct SeveralThreads : FairnessTest {
  SeveralThreads() : FairnessTest({.threads = 4, .per_user = 2, .per_share = 2, .spare = 1}) {}
};

TEST_F(SeveralThreads, DiskThatHangsHoldsOnlyItsOwnThreads) {
  plan->hold_operation("create");
  for (int i = 0; i < 10; ++i) busy.send(create(busy, "busy" + std::to_string(i)));
  plan->await_held(2);
  ASSERT_TRUE(eventually([&] { return load().waiting == 8; }));
  EXPECT_EQ(load().running, 2u);
  ASSERT_EQ(other.tree_connect("second"), NtStatus::kSuccess);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(other.close_file(other.create("other" + std::to_string(i))), NtStatus::kSuccess);
  }
  EXPECT_EQ(plan->calls_of("create"), 0u);
}

TEST_F(SeveralThreads, ManyListingsOfOneHandleHoldOneThread) {
  const FileId folder = fill(busy, 3);
  const size_t before = load().turns_taken;
  plan->hold_operation("next");
  for (int i = 0; i < 30; ++i) busy.send(list(busy, folder, "*"));
  plan->await_held(1);
  // Each had its turn, and waits without a thread.
  ASSERT_TRUE(eventually([&] { return load().turns_taken == before + 30; }));
  ASSERT_TRUE(eventually([&] { return load().running == 1; }));
  EXPECT_EQ(load().waiting, 0u);
  EXPECT_NE(busy.create("busy"), FileId{});
}

}  // namespace
}  // namespace braid::smb2
