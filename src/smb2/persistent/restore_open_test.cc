// Opens that are written down, and had again by another server on the same files. [MS-SMB2]
// 3.3.5.9.12.
#include "smb2/persistent/restore_open.h"

#include "smb2/files/durable_testing.h"
#include "smb2/pending_testing.h"
#include "smb2/shares/tree_path.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/lock.h"

namespace braid::smb2 {
namespace {

struct RestoreOpenTest : testing::Test {
  VirtualClock clock;
  std::shared_ptr<vfs::FaultPlan> plan = vfs::make_fault_plan();
  std::shared_ptr<const ShareTable> shares =
      Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(), plan));
  // Stays until the end of the test, so that it does not close what the other one has.
  Engine before{Engine::lenient(), clock, 1, shares};
  Engine after{Engine::lenient(), clock, 1, shares};
  std::unique_ptr<RawClient> client;
  std::vector<Answer> answers;  // what decoded responses point into

  void SetUp() override { client = log_on(before); }
  void TearDown() override {
    client.reset();
    after.stop();
    EXPECT_EQ(after.server().files.open_table.disconnected(), 0u);
    EXPECT_FALSE(after.server().files.file_table.any_open_below(""));
  }
  static std::unique_ptr<RawClient> log_on(Engine& engine, std::string_view who = "user",
                                           ClientGuid guid = kClient) {
    auto made = std::make_unique<RawClient>(engine, guid);
    EXPECT_EQ(made->negotiate(), NtStatus::kSuccess);
    EXPECT_EQ(made->session_setup(who), NtStatus::kSuccess);
    EXPECT_EQ(made->tree_connect(), NtStatus::kSuccess);
    return made;
  }
  wire::CreateResponse created(RawClient& by, const wire::CreateRequest& body) {
    auto answer = by.exchange(by.request(Command::kCreate, body));
    EXPECT_TRUE(answer && answer->status() == NtStatus::kSuccess);
    answers.push_back(std::move(*answer));
    return answers.back().as<wire::CreateResponse>();
  }
  static NtStatus create_status(RawClient& by, const wire::CreateRequest& body) {
    return by.status_of(by.request(Command::kCreate, body));
  }
  static wire::CreateRequest returning(FileId id, std::string_view name = "file") {
    auto body = reconnecting(id);
    body.name = name;
    body.contexts.durable_handle_reconnect_v2->flags = wire::DurableHandleFlags::kPersistent;
    return body;
  }
  std::shared_ptr<Open> open_of(FileId id) {
    const auto session = before.server().logons.session_table.find(client->session_id);
    auto open = session->find_open(id);
    *open->durable_terms.lock() = {filestate::Durability::kPersistent, std::chrono::seconds(60)};
    EXPECT_TRUE(before.server().files.file_table.set_durability(
        open->ref(), filestate::Durability::kPersistent));
    before.server().files.open_table.add(open);
    return open;
  }
  // By way of the bytes of its records.
  PersistentOpen written(const Open& open) {
    const auto persistent = persistent_open_of(before.server().files.file_table, open).value();
    PersistentOpen read = read_open_record(open_record_of(persistent)).value();
    if (persistent.state.lease) {
      read.state.lease = read_lease_record(lease_record_of(*persistent.state.lease)).value();
      read.state.lease->key = persistent.state.lease->key;
    }
    return read;
  }
  Result<filestate::OpenRef> restore(PersistentOpen open) {
    FileServices& files = after.server().files;
    return restore_open({.clock = clock,
                         .file_table = files.file_table,
                         .open_table = files.open_table,
                         .file_ids = files.file_ids,
                         .fds = files.fds},
                        shares->entry("files")->connect({}).value(), std::move(open));
  }
  // The server that has it from now on.
  void move(FileId id) {
    EXPECT_TRUE(restore(written(*open_of(id))));
    client = log_on(after);
  }
  NtStatus lock(RawClient& by, FileId id, uint64_t offset) {
    constexpr uint32_t kFlags = wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately;
    wire::LockRequest request{.file_id = id};
    request.locks.push_back({.offset = offset, .length = 1, .flags = kFlags});
    return by.status_of(by.request(Command::kLock, request));
  }
};

TEST_F(RestoreOpenTest, ComesBackWithItsFileIdLeaseAndLocks) {
  const FileId id = created(*client, with_lease(durable(), 2)).file_id;
  EXPECT_EQ(lock(*client, id, 5), NtStatus::kSuccess);
  move(id);
  auto back = with_lease(returning(id), 2);
  const auto again = created(*client, back);
  EXPECT_EQ(again.file_id.persistent, id.persistent);
  EXPECT_EQ(again.contexts.response_lease.value().lease_state, wire::LeaseState::kAll);
  EXPECT_EQ(again.create_action, wire::CreateAction::kOpened);
  EXPECT_EQ(lock(*client, again.file_id, 5), NtStatus::kLockNotGranted);
  EXPECT_EQ(lock(*client, again.file_id, 6), NtStatus::kSuccess);
  EXPECT_EQ(
      client->status_of(client->request(
          Command::kWrite, wire::WriteRequest{.file_id = again.file_id, .data = as_bytes("x")})),
      NtStatus::kSuccess);
  EXPECT_EQ(create_status(*client, back), NtStatus::kObjectNameNotFound) << "it has a session";
  EXPECT_EQ(client->close_file(again.file_id), NtStatus::kSuccess);
}

TEST_F(RestoreOpenTest, IsHadByItsOwnClientOnly) {
  const FileId id = created(*client, with_lease(durable(), 2)).file_id;
  move(id);
  const auto back = with_lease(returning(id), 2);
  const auto other_client = log_on(after, "user", ClientGuid{{8}});
  EXPECT_EQ(create_status(*other_client, back), NtStatus::kObjectNameNotFound);
  const auto other_user = log_on(after, "other");
  EXPECT_EQ(create_status(*other_user, back), NtStatus::kAccessDenied);
  EXPECT_EQ(create_status(*client, with_lease(returning(id), 2, 9)), NtStatus::kObjectNameNotFound);
  auto wrong = back;
  wrong.contexts.durable_handle_reconnect_v2->create_guid = CreateGuid{{9}};
  EXPECT_EQ(create_status(*client, wrong), NtStatus::kObjectNameNotFound);
  wrong = back;
  wrong.contexts.durable_handle_reconnect_v2->flags = 0;
  EXPECT_EQ(create_status(*client, wrong), NtStatus::kObjectNameNotFound);
  wrong = back;
  wrong.name = "another";
  EXPECT_EQ(create_status(*client, wrong), NtStatus::kInvalidParameter);
  EXPECT_EQ(created(*client, back).file_id.persistent, id.persistent);
}

// [MS-SMB2] 3.3.5.9, note <301>.
TEST_F(RestoreOpenTest, NobodyElseGetsInMeanwhile) {
  auto body = durable();
  body.share_access = 0;
  const FileId id = created(*client, body).file_id;
  move(id);
  const auto other = log_on(after, "other", ClientGuid{{8}});
  send_pending(*other, other->request(Command::kCreate, RawClient::create_body("file")));
  const auto again = created(*client, returning(id));
  EXPECT_EQ(again.oplock_level, OplockLevel::kBatch);
  EXPECT_EQ(client->close_file(again.file_id), NtStatus::kSuccess);
  EXPECT_EQ(other->receive().value().status(), NtStatus::kSuccess);
}

// [MS-SMB2] 3.3.6.2, and what was to be deleted is.
TEST_F(RestoreOpenTest, ExpiresWhenItsTimeIsOver) {
  auto body = durable();
  body.create_options |= wire::CreateOptions::kDeleteOnClose;
  body.desired_access |= wire::Access::kDelete;
  const FileId id = created(*client, body).file_id;
  move(id);
  FileServices& files = after.server().files;
  clock.advance(std::chrono::seconds(59));
  files.scavenge_opens();
  EXPECT_EQ(files.open_table.disconnected(), 1u);
  clock.advance(std::chrono::seconds(2));
  files.scavenge_opens();
  EXPECT_EQ(create_status(*client, returning(id)), NtStatus::kObjectNameNotFound);
  auto existing = RawClient::create_body("file");
  existing.create_disposition = wire::CreateDisposition::kOpen;
  EXPECT_EQ(create_status(*client, existing), NtStatus::kObjectNameNotFound);
}

TEST_F(RestoreOpenTest, IsTheFileItWasOrNothing) {
  const FileId id = created(*client, durable()).file_id;
  const PersistentOpen open = written(*open_of(id));
  PersistentOpen elsewhere = open;
  elsewhere.changes.path = vfs::parse_path("nothing")->path;
  EXPECT_EQ(restore(elsewhere).error(), Error::os(ENOENT));
  PersistentOpen another = open;
  another.attributes.file_key.inode++;
  EXPECT_EQ(restore(another).error(), Error::os(ESTALE));
  PersistentOpen directory = open;
  directory.attributes.is_directory = true;
  EXPECT_EQ(restore(directory).error(), Error::os(ESTALE));
  EXPECT_TRUE(restore(open));
  PersistentOpen twice = open;
  twice.state.share = 0;
  EXPECT_EQ(restore(twice).error(), Error(NtStatus::kSharingViolation));
  client = log_on(after);
  EXPECT_EQ(client->close_file(created(*client, returning(id)).file_id), NtStatus::kSuccess);
}

// A server may have more of them than descriptors.
TEST_F(RestoreOpenTest, FileIsOpenedWhenItsClientComes) {
  const FileId id = created(*client, with_lease(durable(), 2)).file_id;
  const PersistentOpen open = written(*open_of(id));
  const uint64_t opened = plan->calls_of("open");
  EXPECT_TRUE(restore(open));
  EXPECT_EQ(plan->calls_of("open"), opened);
  client = log_on(after);
  const auto again = created(*client, with_lease(returning(id), 2));
  EXPECT_EQ(plan->calls_of("open"), opened + 1);
  EXPECT_EQ(client->close_file(again.file_id), NtStatus::kSuccess);
}

// And so a local program may have been faster.
TEST_F(RestoreOpenTest, WhatWasRemovedMeanwhileIsLost) {
  const FileId id = created(*client, with_lease(durable(), 2)).file_id;
  move(id);
  const auto share = shares->entry("files")->connect({}).value();
  const auto who = server_credentials();
  const auto there =
      share->volume->find(who, vfs::parse_path("file")->path, {.pin_parent = true}).value();
  ASSERT_TRUE(share->volume->remove(who, there.place, there.attributes.key));
  EXPECT_EQ(create_status(*client, with_lease(returning(id), 2)), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(after.server().files.open_table.disconnected(), 0u);
}

// What keeps the disk from being asked is no end of it.
TEST_F(RestoreOpenTest, WhatCannotBeOpenedNowWaitsOn) {
  const FileId id = created(*client, with_lease(durable(), 2)).file_id;
  move(id);
  plan->fail_operation("open", EIO);
  EXPECT_EQ(create_status(*client, with_lease(returning(id), 2)), NtStatus::kIoDeviceError);
  plan->clear();
  EXPECT_EQ(created(*client, with_lease(returning(id), 2)).file_id.persistent, id.persistent);
}

// By its name as a rename through another open has left it.
TEST_F(RestoreOpenTest, IsFoundWhereARenameHasPutIt) {
  const FileId id = created(*client, durable()).file_id;
  const auto open = open_of(id);
  const Share& share = *open->tree_connect->share;
  const vfs::Path there = vfs::parse_path("there")->path;
  const auto who = server_credentials();
  const vfs::Path before_it = *open->path.lock();
  const auto from = share.volume->find(who, before_it, {.pin_parent = true});
  const auto to = share.volume->lookup(who, there, {.pin_parent = true});
  ASSERT_TRUE(share.volume->rename(who, from->place, from->attributes.key,
                                   std::get<vfs::Missing>(*to).place, false));
  before.server().files.file_table.renamed(
      open->ref(), std::make_shared<const std::string>(in_all_shares(share, "there")));
  const PersistentOpen record = written(*open);
  EXPECT_EQ(record.changes.path, there);
  EXPECT_TRUE(restore(record));
  client = log_on(after);
  EXPECT_EQ(client->close_file(created(*client, returning(id)).file_id), NtStatus::kSuccess);
}

TEST_F(RestoreOpenTest, StreamComesBackWithItsFile) {
  const FileId id = created(*client, durable(kGuid, "file:stream")).file_id;
  EXPECT_EQ(client->status_of(client->request(
                Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("text")})),
            NtStatus::kSuccess);
  move(id);
  const auto again = created(*client, returning(id, "file:stream"));
  EXPECT_EQ(again.end_of_file, 4u);
  EXPECT_EQ(client->close_file(again.file_id), NtStatus::kSuccess);
}

TEST_F(RestoreOpenTest, DirectoryComesBack) {
  auto body = durable(kGuid, "directory");
  body.create_options |= wire::CreateOptions::kDirectoryFile;
  const FileId id = created(*client, body).file_id;
  move(id);
  auto back = returning(id);
  const auto again = created(*client, back);
  EXPECT_EQ(again.file_id.persistent, id.persistent);
  EXPECT_TRUE(again.file_attributes & vfs::dos::kDirectory);
}

}  // namespace
}  // namespace braid::smb2
