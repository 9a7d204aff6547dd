// What a client was told is in the log, whatever the disk forgets; and a server that begins anew
// has it again. [MS-SMB2] 3.3.5.9.10 and 3.3.5.9.12.
#include "smb2/persistent/persistent_handles.h"

#include "runtime/virtual_timers.h"
#include "smb2/common/limits.h"
#include "smb2/files/durable_testing.h"
#include "smb2/pending_testing.h"
#include "store/fault_disk_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/set_info.h"

namespace braid::smb2 {
namespace {

constexpr uint64_t kNever = ~uint64_t{0};

struct PersistentHandlesTest : testing::Test {
  VirtualClock clock;
  std::shared_ptr<const ShareTable> shares = Engine::shares_on(vfs::make_memory_volume());
  std::shared_ptr<const Share> share = shares->entry("files")->connect({}).value();
  store::FaultDisk disk{1};
  // Each life of the server. What ended stays until the end of the test, as it would close what
  // the next one has.
  std::vector<std::unique_ptr<Engine>> lives;
  std::unique_ptr<RawClient> client;
  std::vector<Answer> answers;  // what decoded responses point into

  void SetUp() override { begin(); }
  void TearDown() override {
    client.reset();
    while (!lives.empty()) lives.pop_back();
  }
  Engine& engine() { return *lives.back(); }
  void begin() {
    lives.push_back(std::make_unique<Engine>(Engine::lenient(), clock, 1, shares));
    const auto begun =
        engine().server().files.persistent->begin(share, disk.folder_until_restart(), {});
    EXPECT_TRUE(begun) << begun.error();
    client = log_on();
  }
  // The power goes, with everything that was not synced.
  void crash() {
    client.reset();
    disk.restart(store::FaultDisk::Survives::kNothing);
    begin();
  }
  std::unique_ptr<RawClient> log_on(std::string_view who = "user", ClientGuid guid = kClient) {
    auto made = std::make_unique<RawClient>(engine(), guid);
    EXPECT_EQ(made->negotiate(), NtStatus::kSuccess);
    EXPECT_EQ(made->session_setup(who), NtStatus::kSuccess);
    EXPECT_EQ(made->tree_connect(), NtStatus::kSuccess);
    return made;
  }
  static wire::CreateRequest persistent(CreateGuid guid = kGuid, std::string_view name = "file") {
    auto body = durable(guid, name);
    body.contexts.durable_handle_request_v2->flags = wire::DurableHandleFlags::kPersistent;
    return body;
  }
  static wire::CreateRequest returning(FileId id, CreateGuid guid = kGuid) {
    auto body = reconnecting(id, guid);
    body.name = "file";
    body.contexts.durable_handle_reconnect_v2->flags = wire::DurableHandleFlags::kPersistent;
    return body;
  }
  wire::CreateResponse created(const wire::CreateRequest& body) {
    auto answer = client->exchange(client->request(Command::kCreate, body));
    EXPECT_TRUE(answer && answer->status() == NtStatus::kSuccess);
    answers.push_back(std::move(*answer));
    return answers.back().as<wire::CreateResponse>();
  }
  static uint32_t flags_of(const wire::CreateResponse& response) {
    return response.contexts.durable_handle_response_v2.value().flags;
  }
  NtStatus create_status(RawClient& by, const wire::CreateRequest& body) {
    return by.status_of(by.request(Command::kCreate, body));
  }
  Bytes lock_request(FileId id, uint64_t offset, uint32_t flags) {
    wire::LockRequest request{.file_id = id};
    request.locks.push_back({.offset = offset, .length = 1, .flags = flags});
    return client->request(Command::kLock, request);
  }
  Bytes replay_request(const wire::CreateRequest& body) {
    return client->request(Command::kCreate, body,
                           [](wire::Header& header) { header.flags |= kReplay; });
  }
  NtStatus replay_status(const wire::CreateRequest& body) {
    return client->status_of(replay_request(body));
  }
  NtStatus lock(FileId id, uint64_t offset) {
    return client->status_of(lock_request(
        id, offset, wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately));
  }
  size_t asleep() { return engine().server().files.persistent->asleep(); }
  size_t opens_in_metrics() { return engine().server().files.persistent->metrics().at(0).opens; }
  // As a program on the server does it.
  void change_locally(std::string_view name) {
    vfs::Volume& volume = *share->volume;
    const auto& who = server_credentials();
    const auto found = volume.find(who, vfs::parse_path(name)->path).value();
    const auto file = volume.open(who, found, {.access = {.read = true, .write = true}}).value();
    const ByteView data = as_bytes("changed by somebody else");
    EXPECT_EQ(file->write(0, data).done(), data.size());
  }
  store::HandleLogMetrics metrics() {
    return engine().server().files.persistent->metrics().at(0).metrics;
  }
};

TEST_F(PersistentHandlesTest, WhatWasToldSurvivesThePower) {
  const auto before = created(with_lease(persistent(), 2));
  EXPECT_EQ(flags_of(before), wire::DurableHandleFlags::kPersistent);
  EXPECT_EQ(lock(before.file_id, 5), NtStatus::kSuccess);
  EXPECT_EQ(lock(before.file_id, 7), NtStatus::kSuccess);
  EXPECT_EQ(client->status_of(lock_request(before.file_id, 7, wire::LockFlags::kUnlock)),
            NtStatus::kSuccess);
  for (int life = 0; life < 2; ++life) {
    crash();
    const auto again = created(with_lease(returning(before.file_id), 2));
    EXPECT_EQ(again.file_id.persistent, before.file_id.persistent);
    EXPECT_EQ(again.contexts.response_lease.value().lease_state, wire::LeaseState::kAll);
    EXPECT_EQ(lock(again.file_id, 5), NtStatus::kLockNotGranted);
  }
}

TEST_F(PersistentHandlesTest, WhatWasClosedStaysClosed) {
  const auto before = created(with_lease(persistent(), 2));
  EXPECT_EQ(client->close_file(before.file_id), NtStatus::kSuccess);
  crash();
  EXPECT_EQ(create_status(*client, with_lease(returning(before.file_id), 2)),
            NtStatus::kObjectNameNotFound);
  EXPECT_EQ(metrics().records, 0u);
}

// Also of an open that has no client at the time.
TEST_F(PersistentHandlesTest, ServerThatIsStoppedKeepsThem) {
  const auto before = created(with_lease(persistent(), 2));
  client->close();
  client.reset();
  engine().stop();
  crash();
  EXPECT_EQ(created(with_lease(returning(before.file_id), 2)).file_id.persistent,
            before.file_id.persistent);
}

// [MS-SMB2] 3.3.5.9: what was made for another request is not the answer to this one.
TEST_F(PersistentHandlesTest, ReplayAfterACrashAsksForTheSame) {
  const auto body = with_lease(persistent(), 2);
  created(body);
  crash();
  auto other = body;
  other.desired_access = wire::Access::kFileReadAttributes;
  EXPECT_EQ(replay_status(other), NtStatus::kContextMismatch);
  other = body;
  other.desired_access = wire::Access::kMaximumAllowed | wire::Access::kAccessSystemSecurity;
  EXPECT_EQ(replay_status(other), NtStatus::kContextMismatch);
  other = body;
  other.share_access ^= wire::ShareAccess::kRead;
  EXPECT_EQ(replay_status(other), NtStatus::kContextMismatch);
  other = body;
  other.create_options |= wire::CreateOptions::kSequentialOnly;
  EXPECT_EQ(replay_status(other), NtStatus::kContextMismatch);
  EXPECT_EQ(replay_status(body), NtStatus::kSuccess);
  EXPECT_EQ(metrics().records, 2u) << "none of them has made an open";
}

// [MS-SMB2] 3.3.5.9.10: whatever its access.
TEST_F(PersistentHandlesTest, EveryPersistentOpenMayBeReplayed) {
  auto body = with_lease(persistent(), 2);
  created(body);
  body.contexts.durable_handle_request_v2->create_guid = CreateGuid{{9}};
  body.desired_access = wire::Access::kFileReadAttributes;
  const auto before = created(body);
  EXPECT_EQ(flags_of(before), wire::DurableHandleFlags::kPersistent);
  const auto replayed = [&] {
    auto answer = client->exchange(replay_request(body));
    return answer.value().as<wire::CreateResponse>().file_id.persistent;
  };
  EXPECT_EQ(replayed(), before.file_id.persistent);
  crash();
  EXPECT_EQ(replayed(), before.file_id.persistent);
}

TEST_F(PersistentHandlesTest, ExpiresForGood) {
  const auto before = created(with_lease(persistent(), 2));
  crash();
  clock.advance(std::chrono::seconds(61));
  engine().server().files.scavenge_opens();
  EXPECT_EQ(create_status(*client, with_lease(returning(before.file_id), 2)),
            NtStatus::kObjectNameNotFound);
  crash();
  EXPECT_EQ(metrics().records, 0u);
}

// What nobody asked to be persistent is not, and costs the log nothing.
TEST_F(PersistentHandlesTest, OthersAreNotWritten) {
  EXPECT_EQ(flags_of(created(with_lease(durable(), 2))), 0u);
  EXPECT_EQ(metrics().appends, 0u);
}

// Of two opens that nothing has changed one change is written.
TEST_F(PersistentHandlesTest, OnlyWhatHasChangedIsWritten) {
  const auto first = created(with_lease(persistent(), 2));
  auto body = with_lease(persistent(CreateGuid{{9}}), 2);
  created(body);
  const uint64_t appends = metrics().appends;
  EXPECT_EQ(lock(first.file_id, 5), NtStatus::kSuccess);
  EXPECT_EQ(metrics().appends, appends + 1);
  const auto write = [&] {
    return client->status_of(client->request(
        Command::kWrite, wire::WriteRequest{.file_id = first.file_id, .data = as_bytes("x")}));
  };
  EXPECT_EQ(write(), NtStatus::kSuccess);
  EXPECT_EQ(metrics().appends, appends + 3) << "both have another file from now on";
  EXPECT_EQ(write(), NtStatus::kSuccess);
  EXPECT_EQ(metrics().appends, appends + 3);
}

// The record of an open has all of its locks.
TEST_F(PersistentHandlesTest, LocksAreLimited) {
  const FileId id = created(with_lease(persistent(), 2)).file_id;
  wire::LockRequest request{.file_id = id};
  constexpr uint32_t kFlags = wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately;
  for (uint64_t i = 0; i < kPersistentLocksMax; ++i) {
    request.locks.push_back({.offset = 2 * i, .length = 1, .flags = kFlags});
  }
  EXPECT_EQ(client->status_of(client->request(Command::kLock, request)), NtStatus::kSuccess);
  EXPECT_EQ(lock(id, 1), NtStatus::kInsufficientResources);
  crash();
  const auto again = created(with_lease(returning(id), 2));
  EXPECT_EQ(lock(again.file_id, 0), NtStatus::kInsufficientResources);
  EXPECT_EQ(client->status_of(lock_request(again.file_id, 0, wire::LockFlags::kUnlock)),
            NtStatus::kSuccess);
  EXPECT_EQ(lock(again.file_id, 2), NtStatus::kLockNotGranted);
}

// Its new name is in the records of all its opens while it is renamed.
TEST_F(PersistentHandlesTest, RenameThatWouldFillTheLogIsRefused) {
  std::string folder;
  for (int depth = 0; depth < 100; ++depth) {
    folder += (depth == 0 ? "" : "\\") + std::string(250, 'd');
    auto body = RawClient::create_body(folder);
    body.create_options = wire::CreateOptions::kDirectoryFile;
    ASSERT_EQ(client->close_file(client->create(body)), NtStatus::kSuccess) << depth;
  }
  std::vector<FileId> opens;
  for (uint8_t number = 1; number <= 45; ++number) {
    opens.push_back(created(with_lease(persistent({{number}}), 2)).file_id);
  }
  const auto rename = [&] {
    Bytes buffer;
    wire::Writer writer(buffer);
    wire::FileRenameInformation{.file_name = folder + "\\moved"}.encode(writer);
    wire::SetInfoRequest set;
    set.info_type = wire::InfoType::kFile;
    set.file_info_class = static_cast<uint8_t>(wire::FileInfoClass::kRename);
    set.file_id = opens.front();
    set.buffer = buffer;
    return client->status_of(client->request(Command::kSetInfo, set));
  };
  EXPECT_EQ(rename(), NtStatus::kInsufficientResources);
  EXPECT_EQ(lock(opens.front(), 1), NtStatus::kSuccess);
  while (opens.size() > 1) {
    EXPECT_EQ(client->close_file(opens.back()), NtStatus::kSuccess);
    opens.pop_back();
  }
  EXPECT_EQ(rename(), NtStatus::kSuccess);
}

TEST_F(PersistentHandlesTest, WhatCannotBeWrittenIsDurable) {
  disk.fail_steps(disk.steps(), kNever, EIO);
  const auto opened = created(with_lease(persistent(), 2));
  EXPECT_EQ(flags_of(opened), 0u);
  EXPECT_EQ(client->close_file(opened.file_id), NtStatus::kSuccess);
}

// What is not promised may be lost: nobody has to wait for the disk to have room for it.
TEST_F(PersistentHandlesTest, ChangeOfNoPromiseIsAnsweredOnAFullDisk) {
  const FileId id = created(with_lease(persistent(), 2)).file_id;
  EXPECT_EQ(lock(id, 5), NtStatus::kSuccess);
  disk.fail_steps(disk.steps(), kNever, ENOSPC);
  const auto write = [&] {
    return client->status_of(
        client->request(Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("x")}));
  };
  const uint64_t refused = metrics().appends_refused;
  EXPECT_EQ(write(), NtStatus::kSuccess);
  EXPECT_GT(metrics().appends_refused, refused) << "that it is no more as it was";
  EXPECT_EQ(write(), NtStatus::kSuccess);
  EXPECT_FALSE(client->exchange(
      lock_request(id, 7, wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately)));
  EXPECT_TRUE(client->is_dropped());
  disk.fail_steps(0, 0, 0);
  crash();
  const auto again = created(with_lease(returning(id), 2));
  EXPECT_EQ(lock(again.file_id, 5), NtStatus::kLockNotGranted);
}

// [MS-SMB2] 3.3.5.9.12 gives a lease back as it was, which would be wrong here: what its client has
// cached is not the file any more.
TEST_F(PersistentHandlesTest, LocalChangeMeanwhileTakesWhatIsCached) {
  const FileId id = created(with_lease(persistent(), 2)).file_id;
  const FileId other = created(with_lease(persistent({{9}}, "other"), 2, 2)).file_id;
  EXPECT_EQ(lock(id, 5), NtStatus::kSuccess);
  client.reset();
  disk.restart(store::FaultDisk::Survives::kNothing);
  change_locally("file");
  begin();
  const auto again = created(with_lease(returning(id), 2));
  EXPECT_EQ(again.file_id.persistent, id.persistent);
  EXPECT_EQ(again.contexts.response_lease.value().lease_state, wire::LeaseState::kNone);
  EXPECT_EQ(lock(again.file_id, 5), NtStatus::kLockNotGranted);
  auto back = with_lease(returning(other, {{9}}), 2, 2);
  back.name = "other";
  EXPECT_EQ(created(back).contexts.response_lease.value().lease_state, wire::LeaseState::kAll);
}

// What its client has written itself is no local change, also before the server heard of its loss.
TEST_F(PersistentHandlesTest, OwnWritesTakeNothing) {
  const FileId id = created(with_lease(persistent(), 2)).file_id;
  EXPECT_EQ(client->status_of(client->request(
                Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("own")})),
            NtStatus::kSuccess);
  crash();
  EXPECT_EQ(created(with_lease(returning(id), 2)).contexts.response_lease.value().lease_state,
            wire::LeaseState::kAll);
}

// From when its client is away it is known again what the file is like.
TEST_F(PersistentHandlesTest, LocalChangeIsSeenThoughItsClientWrote) {
  const FileId id = created(with_lease(persistent(), 2)).file_id;
  EXPECT_EQ(client->status_of(client->request(
                Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("own")})),
            NtStatus::kSuccess);
  client->close();
  client.reset();
  engine().stop();
  disk.restart(store::FaultDisk::Survives::kNothing);
  change_locally("file");
  begin();
  EXPECT_EQ(created(with_lease(returning(id), 2)).contexts.response_lease.value().lease_state,
            wire::LeaseState::kNone);
}

// No answer would stay true.
TEST_F(PersistentHandlesTest, ChangeThatCannotBeWrittenIsNotAnswered) {
  const auto before = created(with_lease(persistent(), 2));
  disk.fail_steps(disk.steps(), kNever, EIO);
  EXPECT_FALSE(client->exchange(lock_request(
      before.file_id, 5, wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately)));
  EXPECT_TRUE(client->is_dropped());
}

// What cannot be written down of one open holds up who asks about that, and nobody else.
TEST_F(PersistentHandlesTest, OpenThatIsBehindHoldsUpItsFileOnly) {
  auto without_caching = persistent();
  without_caching.requested_oplock_level = OplockLevel::kNone;
  const FileId lagging = created(without_caching).file_id;
  const auto lock_it = [&] {
    return lock_request(lagging, 5,
                        wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately);
  };
  auto neighbour = log_on("other", ClientGuid{{8}});
  auto same_file = log_on("other", ClientGuid{{9}});
  const auto opens = [](RawClient& by, std::string_view name) {
    auto answer = by.exchange(by.request(Command::kCreate, RawClient::create_body(name)));
    return answer && answer->status() == NtStatus::kSuccess
               ? answer->as<wire::CreateResponse>().file_id
               : FileId{};
  };
  const auto write = [](RawClient& by, FileId id) {
    auto answer = by.exchange(
        by.request(Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("x")}));
    return answer ? answer->status() : NtStatus::kConnectionDisconnected;
  };
  auto persistent_too = with_lease(persistent(CreateGuid{{9}}, "neighbour"), 2);
  const FileId own = [&] {
    auto answer = neighbour->exchange(neighbour->request(Command::kCreate, persistent_too));
    return answer.value().as<wire::CreateResponse>().file_id;
  }();
  const FileId beside = opens(*same_file, "file");

  disk.fail_steps(disk.steps(), kNever, EIO);
  EXPECT_FALSE(client->exchange(lock_it()));
  EXPECT_TRUE(client->is_dropped());
  EXPECT_EQ(write(*neighbour, own), NtStatus::kSuccess);
  const FileId third = opens(*neighbour, "third");
  EXPECT_EQ(neighbour->close_file(third), NtStatus::kSuccess);
  EXPECT_EQ(write(*same_file, beside), NtStatus::kConnectionDisconnected);

  // And when the disk works again it is written by who asks next.
  disk.fail_steps(0, 0, 0);
  client = log_on();
  clock.advance(std::chrono::seconds(6));
  auto back = returning(lagging);
  back.requested_oplock_level = OplockLevel::kNone;
  EXPECT_EQ(lock(created(back).file_id, 5), NtStatus::kLockNotGranted);
  crash();
  const auto after = created(back);
  EXPECT_EQ(lock(after.file_id, 5), NtStatus::kLockNotGranted);
}

// 100,000 of them would take as much memory as 100,000 that have a client.
TEST_F(PersistentHandlesTest, SleepsUntilItsClientComes) {
  const auto first = created(with_lease(persistent(), 2));
  EXPECT_EQ(lock(first.file_id, 5), NtStatus::kSuccess);
  const auto beside = created(with_lease(persistent({{9}}), 2));
  const auto other = created(with_lease(persistent({{8}}, "other"), 2, 2));
  crash();
  const OpenTable& table = engine().server().files.open_table;
  EXPECT_EQ(asleep(), 3u);
  EXPECT_EQ(table.disconnected(), 3u);
  EXPECT_EQ(opens_in_metrics(), 3u);
  // All of one file at once.
  EXPECT_EQ(lock(created(with_lease(returning(beside.file_id, {{9}}), 2)).file_id, 5),
            NtStatus::kLockNotGranted);
  EXPECT_EQ(asleep(), 1u);
  EXPECT_EQ(table.disconnected(), 2u);
  EXPECT_EQ(opens_in_metrics(), 3u);
  EXPECT_EQ(created(with_lease(returning(first.file_id), 2)).file_id.persistent,
            first.file_id.persistent);
  auto back = with_lease(returning(other.file_id, {{8}}), 2, 2);
  back.name = "other";
  EXPECT_EQ(created(back).file_id.persistent, other.file_id.persistent);
  EXPECT_EQ(asleep(), 0u);
}

// [MS-SMB2] 3.3.5.9, note <301>: whoever opens the file meets it.
TEST_F(PersistentHandlesTest, NobodyGetsByOneThatSleeps) {
  auto exclusive = with_lease(persistent(), 2);
  exclusive.share_access = 0;
  const auto before = created(exclusive);
  crash();
  const auto newcomer = log_on("other", ClientGuid{{8}});
  send_pending(*newcomer, newcomer->request(Command::kCreate, RawClient::create_body("file")));
  EXPECT_EQ(asleep(), 0u);
  const auto again = created(with_lease(returning(before.file_id), 2));
  EXPECT_EQ(client->close_file(again.file_id), NtStatus::kSuccess);
  EXPECT_EQ(newcomer->receive().value().status(), NtStatus::kSuccess);
}

// [MS-SMB2] 3.3.5.9.8: a lease has one file.
TEST_F(PersistentHandlesTest, LeaseOfOneThatSleepsHasItsFile) {
  const auto before = created(with_lease(persistent(), 2));
  crash();
  EXPECT_EQ(create_status(*client, with_lease(persistent({{9}}, "another"), 2)),
            NtStatus::kInvalidParameter);
  EXPECT_EQ(asleep(), 1u);
  EXPECT_EQ(created(with_lease(returning(before.file_id), 2)).file_id.persistent,
            before.file_id.persistent);
}

// Names do not change above a file that is open.
TEST_F(PersistentHandlesTest, FolderOfOneThatSleepsStays) {
  for (const char* name : {"folder", "free"}) {
    auto body = RawClient::create_body(name);
    body.create_options = wire::CreateOptions::kDirectoryFile;
    ASSERT_EQ(client->close_file(client->create(body)), NtStatus::kSuccess);
  }
  auto without_caching = persistent(kGuid, "folder\\file");
  without_caching.requested_oplock_level = OplockLevel::kNone;
  created(without_caching);
  created(with_lease(persistent({{9}}, "beside"), 2));
  crash();
  const auto rename = [&](std::string_view name, std::string_view to) {
    auto body = RawClient::create_body(name);
    body.create_disposition = wire::CreateDisposition::kOpen;
    const FileId id = client->create(body);
    Bytes buffer;
    wire::Writer writer(buffer);
    wire::FileRenameInformation{.replace_if_exists = true, .file_name = std::string(to)}.encode(
        writer);
    wire::SetInfoRequest set;
    set.info_type = wire::InfoType::kFile;
    set.file_info_class = static_cast<uint8_t>(wire::FileInfoClass::kRename);
    set.file_id = id;
    set.buffer = buffer;
    const auto status = client->status_of(client->request(Command::kSetInfo, set));
    EXPECT_EQ(client->close_file(id), NtStatus::kSuccess);
    return status;
  };
  EXPECT_EQ(rename("free", "moved"), NtStatus::kSuccess);
  EXPECT_EQ(asleep(), 2u) << "nobody has asked about these";
  EXPECT_EQ(rename("folder", "gone"), NtStatus::kAccessDenied);
  EXPECT_EQ(asleep(), 1u);
}

// What is to be deleted, and what else opens of the file may hear of, is known at once.
TEST_F(PersistentHandlesTest, NotAllOfThemSleep) {
  auto body = with_lease(persistent(), 2);
  body.create_options |= wire::CreateOptions::kDeleteOnClose;
  body.desired_access |= wire::Access::kDelete;
  created(body);
  created(with_lease(persistent({{9}}, "stream:a"), 2, 2));
  created(with_lease(persistent({{7}}, "stream"), 2, 3));
  body = with_lease(persistent({{8}}, "instance"), 2, 4);
  body.contexts.app_instance_id = AppInstanceId{{5}};
  created(body);
  created(with_lease(persistent({{6}}, "ordinary"), 2, 5));
  crash();
  EXPECT_EQ(asleep(), 1u);
  EXPECT_EQ(engine().server().files.open_table.disconnected(), 5u);
}

// Their log has them for who takes this process's place.
TEST_F(PersistentHandlesTest, NoneIsWokenByAnUpgrade) {
  created(with_lease(persistent(), 2));
  crash();
  created(with_lease(durable({{9}}, "other"), 2, 9));
  client.reset();
  Server& server = engine().server();
  EXPECT_TRUE(server.suspend(std::chrono::steady_clock::now() + 60s));
  const auto parts = server.opens_handover().give(1, [](const ClientGuid&) { return size_t{0}; });
  EXPECT_EQ(parts.size(), 1u);
  EXPECT_EQ(asleep(), 1u);
  server.opens_handover().take_back();
  EXPECT_EQ(asleep(), 1u);
  EXPECT_EQ(server.files.open_table.disconnected(), 2u);
}

// An administrator sees them like all others.
TEST_F(PersistentHandlesTest, NoneSleepsThatIsShown) {
  created(with_lease(persistent(), 2));
  crash();
  const auto shown = engine().server().files.open_table.parked();
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0].path, "file");
  EXPECT_EQ(engine().server().files.file_table.caching_of(shown[0].ref),
            filestate::Caching::kReadWriteHandle);
  EXPECT_EQ(asleep(), 0u);
}

// [MS-SMB2] 3.3.4.7, note <247>: it may be on its way back.
TEST(PersistentBreak, ClientHasMoreTimeToAnswer) {
  VirtualClock clock;
  VirtualTimers timers(clock);
  const auto shares = Engine::shares_on(vfs::make_memory_volume());
  store::FaultDisk disk(1);
  Engine engine(Engine::lenient(), clock, 1, shares, nullptr, std::nullopt, &timers);
  ASSERT_TRUE(engine.server().files.persistent->begin(shares->entry("files")->connect({}).value(),
                                                      disk.folder(), {}));
  const std::pair<OplockLevel, std::chrono::seconds> kinds[] = {
      {OplockLevel::kLease, kPersistentLeaseBreakTimeout},
      {OplockLevel::kBatch, kPersistentOplockBreakTimeout}};
  for (const auto& [level, time] : kinds) {
    RawClient holder(engine, kClient);
    RawClient opener(engine, ClientGuid{{8}});
    ASSERT_TRUE(holder.log_on());
    ASSERT_TRUE(opener.log_on());
    auto body = durable();
    body.contexts.durable_handle_request_v2->flags = wire::DurableHandleFlags::kPersistent;
    if (level == OplockLevel::kLease) body = with_lease(body, 2);
    const FileId id = holder.create(body);
    ASSERT_NE(id, FileId{});
    opener.send(opener.request(Command::kCreate, RawClient::create_body("file")));
    const auto interim = opener.receive();
    ASSERT_TRUE(interim && interim->status() == NtStatus::kPending);
    engine.settle();  // other timers may have as long to go
    ASSERT_TRUE(timers.await(time));
    timers.advance(time);
    const auto answer = opener.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), NtStatus::kSuccess);
    EXPECT_EQ(opener.close_file(answer->as<wire::CreateResponse>().file_id), NtStatus::kSuccess);
    holder.close_file(id);
  }
}

TEST(ContinuouslyAvailableShare, WritesThroughAndIsNeverServedWithoutItsHandles) {
  const auto plan = vfs::make_fault_plan();
  auto share = std::make_shared<Share>();
  share->name = "files";
  share->continuous_availability = true;
  share->volume = vfs::make_fault_volume(vfs::make_memory_volume(), plan);
  Engine engine(
      Engine::lenient(), system_clock(), 1,
      std::make_shared<const ShareTable>(std::vector<std::shared_ptr<const Share>>{share}));
  store::FaultDisk disk(1);
  RawClient client(engine);
  EXPECT_EQ(client.negotiate(), NtStatus::kSuccess);
  EXPECT_EQ(client.session_setup("user"), NtStatus::kSuccess);
  EXPECT_EQ(client.tree_connect(), NtStatus::kBadNetworkName);
  ASSERT_TRUE(engine.server().files.persistent->begin(share, disk.folder_until_restart(), {}));
  EXPECT_EQ(client.tree_connect(), NtStatus::kSuccess);
  const FileId id = client.create("file");
  EXPECT_EQ(plan->calls_of("flush"), 2u) << "the file and its directory";
  EXPECT_EQ(client.status_of(client.request(
                Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("x")})),
            NtStatus::kSuccess);
  EXPECT_EQ(plan->calls_of("flush"), 3u);
}

}  // namespace
}  // namespace braid::smb2
