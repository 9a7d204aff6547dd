// Opens that outlive their connection. [MS-SMB2] 3.3.7.1, 3.3.5.9.7, 3.3.5.9.12 and 3.3.6.2.
#include "smb2/files/durable.h"

#include "smb2/files/durable_testing.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/network_resiliency.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/read.h"
#include "wire/smb2/tree_disconnect.h"

namespace braid::smb2 {
namespace {

TEST_F(DurableTest, ComesBackWithTheSameFileIdAndPosition) {
  const FileId id = created(*client, durable()).file_id;
  EXPECT_TRUE(is_alive(*client, id));
  lose_connection();

  client = log_on();
  const auto back = created(*client, reconnecting(id));
  EXPECT_EQ(back.file_id, id);
  EXPECT_EQ(back.oplock_level, OplockLevel::kBatch);
  EXPECT_EQ(back.create_action, wire::CreateAction::kOpened);
  EXPECT_EQ(back.end_of_file, 1u);
  EXPECT_FALSE(back.contexts.durable_handle_response_v2);
  EXPECT_TRUE(is_alive(*client, id));
  EXPECT_EQ(create_status(*client, reconnecting(id)), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(client->close_file(id), NtStatus::kSuccess);
}

TEST_F(DurableTest, CountsWithItsLocksWhileNobodyHasIt) {
  const uint64_t before = engine.server().memory->used();
  const FileId id = created(*client, durable()).file_id;
  constexpr size_t kLocks = 2000;
  wire::LockRequest lock;
  lock.file_id = id;
  for (size_t i = 0; i < kLocks; ++i) {
    constexpr uint32_t kFlags = wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately;
    lock.locks.push_back({.offset = i, .length = 1, .flags = kFlags});
  }
  ASSERT_EQ(client->status_of(client->request(Command::kLock, lock)), NtStatus::kSuccess);
  lose_connection();
  EXPECT_GE(engine.server().memory->used(), before + kLocks * kLockSize);
  client = log_on();
  EXPECT_EQ(created(*client, reconnecting(id)).file_id, id);
  EXPECT_GE(engine.server().memory->used(), before + kLocks * kLockSize);
  EXPECT_EQ(client->close_file(id), NtStatus::kSuccess);
  until([&] { return engine.server().memory->used() < before + kLocks * kLockSize; });
}

// 3.3.5.9.12: by the same client, with the same lease, for the file that it is of.
TEST_F(DurableTest, ComesBackWithItsLease) {
  const FileId id = created(*client, with_lease(durable(), 2)).file_id;
  lose_connection();
  client = log_on();
  auto back = reconnecting(id);
  EXPECT_EQ(create_status(*client, back), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(create_status(*client, with_lease(back, 1)), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(create_status(*client, with_lease(back, 2, 9)), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(create_status(*client, with_lease(back, 2)), NtStatus::kInvalidParameter);
  back.name = "file";
  auto stranger = log_on("user", ClientGuid{{8}});
  EXPECT_EQ(create_status(*stranger, with_lease(back, 2)), NtStatus::kObjectNameNotFound);
  const auto again = created(*client, with_lease(back, 2));
  EXPECT_EQ(again.file_id, id);
  EXPECT_EQ(again.contexts.response_lease.value().lease_state, wire::LeaseState::kAll);
  EXPECT_TRUE(is_alive(*client, id));
}

// 3.3.5.9.7.
TEST_F(DurableTest, VersionOneComesBackWithItsLease) {
  auto body = with_lease(RawClient::create_body("file"), 1);
  body.contexts.durable_handle_request = true;
  const FileId id = created(*client, body).file_id;
  lose_connection();
  client = log_on();
  auto back = RawClient::create_body("file");
  back.contexts.durable_handle_reconnect = id;
  EXPECT_EQ(create_status(*client, back), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(create_status(*client, with_lease(back, 2)), NtStatus::kObjectNameNotFound);
  const auto again = created(*client, with_lease(back, 1));
  EXPECT_EQ(again.file_id, id);
  EXPECT_EQ(again.contexts.response_lease.value().lease_state, wire::LeaseState::kAll);
}

// 3.3.5.9.7 compares no CreateGuid.
TEST_F(DurableTest, OldReconnectFindsAnOpenOfTheNewKind) {
  const FileId id = created(*client, durable()).file_id;
  lose_connection();
  client = log_on();
  auto back = RawClient::create_body("file");
  back.contexts.durable_handle_reconnect = id;
  EXPECT_EQ(created(*client, back).file_id, id);
}

// 3.3.5.22.2: of every open of the lease, whichever session of the client answers.
TEST_F(DurableTest, AcknowledgedLeaseBreakEndsReplay) {
  created(*client, with_lease(durable(), 2));
  auto same_client = log_on();
  auto other = log_on("user", ClientGuid{{8}});
  const uint64_t waiting = other->next_message_id;
  other->send(other->request(Command::kCreate, RawClient::create_body("file")));
  const auto told = client->receive();
  ASSERT_TRUE(told && told->header.command == Command::kOplockBreak);
  wire::LeaseBreakAcknowledgment ack;
  ack.lease_key = LeaseKey{{1}};
  ack.lease_state = wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching;
  EXPECT_EQ(same_client->status_of(same_client->request(Command::kOplockBreak, ack)),
            NtStatus::kSuccess);
  EXPECT_EQ(other->answer_to(waiting)->status(), NtStatus::kSuccess);
  EXPECT_EQ(create_status(*client, making_anew(with_lease(durable(), 2)), kReplay),
            NtStatus::kObjectNameCollision);
}

TEST_F(DurableTest, TimeoutIsWhatWasAskedUpToFiveMinutes) {
  auto body = durable();
  EXPECT_EQ(created(*client, body).contexts.durable_handle_response_v2->timeout_ms, 60'000u);
  body = durable({{2}}, "second");
  body.contexts.durable_handle_request_v2->timeout_ms = 1234;
  EXPECT_EQ(created(*client, body).contexts.durable_handle_response_v2->timeout_ms, 1234u);
  body = durable({{3}}, "third");
  body.contexts.durable_handle_request_v2->timeout_ms = ~0u;
  EXPECT_EQ(created(*client, body).contexts.durable_handle_response_v2->timeout_ms, 300'000u);
}

TEST_F(DurableTest, ExpiresAndIsNotClosedBefore) {
  auto body = durable();
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  const FileId id = created(*client, body).file_id;
  lose_connection();
  clock.advance(59s);
  engine.server().files.scavenge_opens();
  EXPECT_EQ(engine.server().files.open_table.disconnected(), 1u);
  clock.advance(2s);
  engine.server().files.scavenge_opens();
  until([&] { return !engine.server().files.file_table.any_open_below(""); });

  client = log_on();
  EXPECT_EQ(create_status(*client, reconnecting(id)), NtStatus::kObjectNameNotFound);
  auto look = RawClient::create_body("file");
  look.create_disposition = wire::CreateDisposition::kOpen;
  EXPECT_EQ(create_status(*client, look), NtStatus::kObjectNameNotFound);
}

TEST_F(DurableTest, OnlyItsOwnerGetsItBackAndNobodyLosesIt) {
  const FileId id = created(*client, durable()).file_id;
  lose_connection();
  client = log_on("other");
  EXPECT_EQ(create_status(*client, reconnecting(id)), NtStatus::kAccessDenied);
  EXPECT_EQ(create_status(*client, reconnecting(id, {{9}})), NtStatus::kObjectNameNotFound);
  auto with_lease = reconnecting(id);
  with_lease.contexts.request_lease = wire::LeaseContext{};
  EXPECT_EQ(create_status(*client, with_lease), NtStatus::kObjectNameNotFound);
  auto persistent = reconnecting(id);
  persistent.contexts.durable_handle_reconnect_v2->flags = wire::DurableHandleFlags::kPersistent;
  EXPECT_EQ(create_status(*client, persistent), NtStatus::kInvalidParameter);
  client = log_on();
  EXPECT_EQ(created(*client, reconnecting(id)).file_id, id);
}

TEST_F(DurableTest, OneOfManyRacingReconnectsWins) {
  const FileId id = created(*client, durable()).file_id;
  lose_connection();
  std::vector<std::unique_ptr<RawClient>> racers;
  for (int i = 0; i < 8; ++i) racers.push_back(log_on());
  std::vector<uint64_t> messages;
  for (auto& racer : racers) {
    messages.push_back(racer->next_message_id);
    racer->send(racer->request(Command::kCreate, reconnecting(id)));
  }
  size_t winners = 0;
  for (size_t i = 0; i < racers.size(); ++i) {
    const auto answer = racers[i]->answer_to(messages[i]);
    ASSERT_TRUE(answer);
    const bool won = answer->status() == NtStatus::kSuccess;
    winners += won;
    if (!won) EXPECT_EQ(answer->status(), NtStatus::kObjectNameNotFound);
    EXPECT_EQ(is_alive(*racers[i], id), won);
  }
  EXPECT_EQ(winners, 1u);
  client = std::move(racers[0]);
}

TEST_F(DurableTest, LogoffKeepsItAndTreeDisconnectDoesNot) {
  const FileId kept = created(*client, durable()).file_id;
  EXPECT_EQ(client->status_of(client->request(Command::kLogoff, wire::LogoffRequest{})),
            NtStatus::kSuccess);
  client = log_on();
  EXPECT_EQ(created(*client, reconnecting(kept)).file_id, kept);
  EXPECT_EQ(
      client->status_of(client->request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{})),
      NtStatus::kSuccess);
  EXPECT_EQ(client->tree_connect(), NtStatus::kSuccess);
  EXPECT_EQ(create_status(*client, reconnecting(kept)), NtStatus::kObjectNameNotFound);
}

TEST_F(DurableTest, GivesWayToANewcomerThatWaitsForItsDeletion) {
  auto body = durable();
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  const FileId id = created(*client, body).file_id;
  lose_connection();
  client = log_on();
  const auto fresh = created(*client, durable({{4}}));
  EXPECT_EQ(fresh.create_action, wire::CreateAction::kCreated);
  EXPECT_EQ(create_status(*client, reconnecting(id)), NtStatus::kObjectNameNotFound);
}

TEST_F(DurableTest, ChangedFileIsNotGivenBack) {
  const FileId id = created(*client, durable()).file_id;
  lose_connection();
  vfs::Volume& volume = *engine.server().settings.shares()->find("files")->volume;
  const auto path = vfs::parse_path("file")->path;
  const auto found = volume.find(server_credentials(), path);
  auto file = volume.open(server_credentials(), *found, {.access = {.write = true}});
  ASSERT_TRUE(file && (*file)->truncate(100));
  client = log_on();
  EXPECT_EQ(create_status(*client, reconnecting(id)), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(engine.server().files.open_table.disconnected(), 0u);
}

TEST_F(DurableTest, AppInstanceVersionMustGrow) {
  const auto newest = [&](ClientGuid guid) {
    auto made = std::make_unique<RawClient>(engine, guid);
    EXPECT_TRUE(made->log_on(wire::Dialect::kSmb311));
    return made;
  };
  client->close();
  client = newest(kClient);
  const FileId first = created(*client, instance(5, {{1}})).file_id;
  auto second = newest(ClientGuid{{8}});
  EXPECT_EQ(create_status(*second, instance(5, {{2}})), NtStatus::kFileForcedClosed);
  EXPECT_EQ(create_status(*second, instance(0, {{2}})), NtStatus::kFileForcedClosed);
  EXPECT_TRUE(is_alive(*client, first));
  EXPECT_EQ(create_status(*second, instance(6, {{2}})), NtStatus::kSuccess);
  EXPECT_FALSE(is_alive(*client, first));
}

// [MS-SMB2] 2.2.13.2: a context of SMB 3.x means nothing before.
TEST_F(DurableTest, AppInstanceOfAnOlderDialectEndsNothing) {
  auto body = instance(0, {{1}});
  body.requested_oplock_level = OplockLevel::kNone;
  const FileId first = created(*client, body).file_id;
  RawClient second(engine, ClientGuid{{8}});
  ASSERT_TRUE(second.log_on(wire::Dialect::kSmb210));
  EXPECT_EQ(create_status(second, body), NtStatus::kSharingViolation);
  EXPECT_TRUE(is_alive(*client, first));
  RawClient third(engine, ClientGuid{{9}});
  ASSERT_TRUE(third.log_on(wire::Dialect::kSmb300));
  EXPECT_EQ(create_status(third, body), NtStatus::kSuccess);
  EXPECT_FALSE(is_alive(*client, first));
}

TEST_F(DurableTest, LostWithItsOplockItIsClosed) {
  created(*client, durable());
  auto other = log_on("user", ClientGuid{{8}});
  const uint64_t waiting = other->next_message_id;
  other->send(other->request(Command::kCreate, RawClient::create_body("file")));
  EXPECT_EQ(other->receive()->status(), NtStatus::kPending);
  client->close();
  EXPECT_EQ(other->answer_to(waiting)->status(), NtStatus::kSuccess);
  EXPECT_EQ(engine.server().files.open_table.disconnected(), 0u);
}

NtStatus ask_resiliency(RawClient& by, FileId id, uint32_t timeout_ms, size_t input = 8) {
  Bytes payload;
  wire::Writer writer(payload);
  wire::NetworkResiliencyRequest{.timeout_ms = timeout_ms}.encode(writer);
  payload.resize(input);
  return by.status_of(
      by.request(Command::kIoctl, wire::IoctlRequest{.ctl_code = wire::Fsctl::kLmrRequestResiliency,
                                                     .file_id = id,
                                                     .input = payload,
                                                     .flags = wire::IoctlRequest::kFlagIsFsctl}));
}

TEST_F(DurableTest, ResilientNeedsNoOplockAndStaysAgainstNewcomers) {
  auto body = RawClient::create_body("file");
  body.share_access = 0;
  const FileId id = client->create(body);
  EXPECT_EQ(ask_resiliency(*client, id, 300'001), NtStatus::kInvalidParameter);
  EXPECT_EQ(ask_resiliency(*client, id, 1000, 7), NtStatus::kInvalidParameter);
  EXPECT_EQ(ask_resiliency(*client, id, 0), NtStatus::kSuccess);
  const wire::LockRequest lock{.file_id = id, .locks = {{0, 1, wire::LockFlags::kExclusiveLock}}};
  EXPECT_EQ(client->status_of(client->request(Command::kLock, lock)), NtStatus::kSuccess);
  lose_connection();

  client = log_on();
  EXPECT_EQ(create_status(*client, RawClient::create_body("file")), NtStatus::kSharingViolation);
  auto reconnect = RawClient::create_body("file");
  reconnect.contexts.durable_handle_reconnect = id;
  EXPECT_EQ(created(*client, reconnect).file_id, id);
  wire::LockRequest unlock = lock;
  unlock.locks[0].flags = wire::LockFlags::kUnlock;
  EXPECT_EQ(client->status_of(client->request(Command::kLock, unlock)), NtStatus::kSuccess);
  lose_connection();
  clock.advance(121s);
  engine.server().files.scavenge_opens();
  client = log_on();
  until([&] { return !engine.server().files.file_table.any_open_below(""); });
}

// It caches nothing, so others may write meanwhile, as they might beside one that is connected.
TEST_F(DurableTest, ResilientComesBackToAFileThatOthersHaveChanged) {
  const FileId id = client->create(RawClient::create_body("file"));
  ASSERT_EQ(ask_resiliency(*client, id, 0), NtStatus::kSuccess);
  lose_connection();
  auto other = log_on("user", ClientGuid{{8}});
  EXPECT_TRUE(is_alive(*other, other->create(RawClient::create_body("file"))));
  client = log_on();
  auto reconnect = RawClient::create_body("file");
  reconnect.contexts.durable_handle_reconnect = id;
  EXPECT_EQ(created(*client, reconnect).file_id, id);
  EXPECT_TRUE(is_alive(*client, id));
}

TEST_F(DurableTest, AppInstanceOnAnotherClientTakesTheFileOverConnectedOrNot) {
  const FileId first = created(*client, instance(0, {{1}})).file_id;
  auto second = log_on("user", ClientGuid{{8}});
  const FileId taken = created(*second, instance(0, {{2}})).file_id;
  EXPECT_FALSE(is_alive(*client, first));
  EXPECT_TRUE(is_alive(*second, taken));

  client = std::move(second);
  client->close();
  until_disconnected(1);
  client = log_on("user", ClientGuid{{9}});
  created(*client, instance(0, {{3}}));
  EXPECT_EQ(engine.server().files.open_table.disconnected(), 0u);
}

}  // namespace
}  // namespace braid::smb2
