// Disconnected opens that a client of another worker comes back for, and sessions that it would
// bind.
#include "smb2/files/open_claims.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include "smb2/raw_client_testing.h"
#include "smb2/workers/no_descriptors_testing.h"
#include "store/worker_group_testing.h"
#include "vfs/posix/posix_volume.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/network_resiliency.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using namespace std::chrono_literals;
using wire::Command;
using wire::OplockLevel;

constexpr CreateGuid kClaimed{{1, 2, 3}};

wire::CreateRequest claimed_durable(std::string_view name = "file") {
  auto body = RawClient::create_body(name);
  body.requested_oplock_level = OplockLevel::kBatch;
  body.contexts.durable_handle_request_v2 = {.create_guid = kClaimed};
  return body;
}

wire::CreateRequest reconnecting(FileId id) {
  auto body = RawClient::create_body("whatever");
  body.contexts.durable_handle_reconnect_v2 = {.file_id = id, .create_guid = kClaimed};
  return body;
}

// Two workers on one folder. A client of worker N has a ClientGuid that begins with N.
struct OpenClaims : testing::Test {
  OpenClaims() {
    char name[] = "/tmp/braid-claims-XXXXXX";
    folder = ::mkdtemp(name);
    for (size_t i = 0; i < 2; ++i) start(i);
  }
  ~OpenClaims() override {
    for (auto& engine : engines) engine.reset();
    std::filesystem::remove_all(folder);
  }
  void start(size_t worker) {
    auto share = std::make_shared<Share>();
    share->name = "files";
    share->real_path = folder;
    share->volume = *vfs::open_posix_volume(folder);
    engines[worker] = std::make_unique<Engine>(
        Engine::lenient(), system_clock(), 2,
        std::make_shared<const ShareTable>(std::vector<std::shared_ptr<const Share>>{share}),
        workers.groups[worker].get());
  }
  std::unique_ptr<RawClient> client(size_t worker, std::string_view who = "user") {
    auto made = std::make_unique<RawClient>(*engines[worker],
                                            ClientGuid{{static_cast<uint8_t>(worker), 1}});
    EXPECT_EQ(made->negotiate(), NtStatus::kSuccess);
    EXPECT_EQ(made->session_setup(who), NtStatus::kSuccess);
    EXPECT_EQ(made->tree_connect(), NtStatus::kSuccess);
    return made;
  }
  size_t kept_by(size_t worker) {
    return engines[worker]->server().files.open_table.disconnected();
  }
  void until(const std::function<bool()>& done) {
    for (int i = 0; i < 5000 && !done(); ++i) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(done());
  }
  // Its one open is kept.
  void lose(std::unique_ptr<RawClient> of, size_t worker) {
    of.reset();
    until([&] { return kept_by(worker) == 1; });
  }
  NtStatus create_status(RawClient& by, const wire::CreateRequest& body) {
    return by.status_of(by.request(Command::kCreate, body));
  }
  NtStatus write(RawClient& by, FileId id) {
    return by.status_of(
        by.request(Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("x")}));
  }
  NtStatus lock(RawClient& by, FileId id, uint32_t flags) {
    return by.status_of(
        by.request(Command::kLock, wire::LockRequest{.file_id = id, .locks = {{0, 1, flags}}}));
  }

  std::string folder;
  store::TestGroup workers{2};
  std::array<std::unique_ptr<Engine>, 2> engines;
};

// Its own worker, as all connections of a client have; the file is known to both.
TEST_F(OpenClaims, ReplayOnANewSessionGetsTheOpenThatWaits) {
  auto first = client(0);
  const FileId id = first->create(claimed_durable());
  ASSERT_NE(id, FileId{});
  lose(std::move(first), 0);
  auto again = client(0);
  const auto answer =
      again->exchange(again->request(Command::kCreate, claimed_durable(), [](wire::Header& header) {
        header.flags |= wire::HeaderFlags::kReplayOperation;
      }));
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->as<wire::CreateResponse>().file_id, id);
  EXPECT_EQ(kept_by(0), 0u);
  EXPECT_EQ(write(*again, id), NtStatus::kSuccess);
}

TEST_F(OpenClaims, ComesBackInAnotherWorkerWithItsLocksAndItsOplock) {
  auto first = client(0);
  const FileId id = first->create(claimed_durable());
  ASSERT_NE(id, FileId{});
  EXPECT_EQ(lock(*first, id, wire::LockFlags::kExclusiveLock), NtStatus::kSuccess);
  lose(std::move(first), 0);

  auto second = client(1);
  const FileId back = second->create(reconnecting(id));
  EXPECT_EQ(back.persistent, id.persistent);
  EXPECT_NE(back.volatile_id, id.volatile_id);
  until([&] { return kept_by(0) == 0; });
  EXPECT_EQ(create_status(*second, reconnecting(id)), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(write(*second, back), NtStatus::kSuccess) << "its own lock stops it";

  // Its oplock is broken where it is now, by its whole FileId.
  auto newcomer = client(0);
  const uint64_t waiting = newcomer->next_message_id;
  newcomer->send(newcomer->request(Command::kCreate, RawClient::create_body("file")));
  const auto notification = second->receive();
  ASSERT_TRUE(notification && notification->header.command == Command::kOplockBreak);
  EXPECT_EQ(notification->as<wire::OplockBreakNotification>().file_id, back);
  wire::OplockBreakAcknowledgment acknowledgment;
  acknowledgment.oplock_level = OplockLevel::kLevelIi;
  acknowledgment.file_id = back;
  EXPECT_EQ(second->status_of(second->request(Command::kOplockBreak, acknowledgment)),
            NtStatus::kSuccess);
  const auto opened = newcomer->answer_to(waiting);
  ASSERT_EQ(opened->status(), NtStatus::kSuccess);
  const FileId other = opened->as<wire::CreateResponse>().file_id;
  EXPECT_EQ(write(*newcomer, other), NtStatus::kFileLockConflict);
  EXPECT_EQ(lock(*second, back, wire::LockFlags::kUnlock), NtStatus::kSuccess);
  EXPECT_EQ(write(*newcomer, other), NtStatus::kSuccess);
  EXPECT_EQ(second->close_file(back), NtStatus::kSuccess);
}

TEST_F(OpenClaims, GoesToAndFroUnderOnePersistentId) {
  auto holder = client(0);
  FileId id = holder->create(claimed_durable());
  lose(std::move(holder), 0);
  for (const size_t worker : {1, 0, 0, 1}) {
    holder = client(worker);
    const FileId back = holder->create(reconnecting({id.persistent, 0}));
    ASSERT_EQ(back.persistent, id.persistent) << worker;
    EXPECT_EQ(write(*holder, back), NtStatus::kSuccess);
    lose(std::move(holder), worker);
  }
  EXPECT_EQ(kept_by(0), 0u);
  // Who is in its way in the other worker ends it.
  auto newcomer = client(0);
  EXPECT_NE(newcomer->create("file"), FileId{});
  until([&] { return kept_by(1) == 0; });
}

TEST_F(OpenClaims, StreamComesBack) {
  auto first = client(0);
  const FileId id = first->create(claimed_durable("file:stream"));
  EXPECT_EQ(write(*first, id), NtStatus::kSuccess);
  lose(std::move(first), 0);
  auto second = client(1);
  const FileId back = second->create(reconnecting(id));
  EXPECT_EQ(back.persistent, id.persistent);
  EXPECT_EQ(write(*second, back), NtStatus::kSuccess);
}

TEST_F(OpenClaims, WhoIsRefusedLeavesItWhereItWas) {
  auto first = client(0);
  const FileId id = first->create(claimed_durable());
  lose(std::move(first), 0);
  auto stranger = client(1, "other");
  EXPECT_EQ(create_status(*stranger, reconnecting(id)), NtStatus::kAccessDenied);
  auto wrong = reconnecting(id);
  wrong.contexts.durable_handle_reconnect_v2->create_guid = {{9}};
  EXPECT_EQ(create_status(*client(1), wrong), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(create_status(*client(1), reconnecting({id.persistent + 1, 0})),
            NtStatus::kObjectNameNotFound);
  auto again = client(0);
  EXPECT_EQ(again->create(reconnecting(id)), id);
}

TEST_F(OpenClaims, WorkerWithoutDescriptorsSaysSoAndItStaysWhereItWas) {
  auto first = client(0);
  const FileId id = first->create(claimed_durable());
  lose(std::move(first), 0);
  auto second = client(1);
  {
    const NoDescriptors none;
    EXPECT_EQ(create_status(*second, reconnecting(id)), NtStatus::kInsufficientResources);
  }
  EXPECT_EQ(second->create(reconnecting(id)).persistent, id.persistent);
}

TEST_F(OpenClaims, MovesOnlyWhereItsUserMayOpenFiles) {
  auto first = client(0);
  const FileId id = first->create(claimed_durable());
  lose(std::move(first), 0);
  const auto owner = engines[0]->server().files.open_table.parked().at(0).owner;
  auto second = client(1);
  std::vector<FdBudget::Files> others;
  while (auto taken = engines[1]->server().files.fds.take_files(*owner)) {
    others.push_back(std::move(*taken));
  }
  EXPECT_EQ(create_status(*second, reconnecting(id)), NtStatus::kInsufficientResources);
  // The keeper hears of it after the client does.
  until([&] { return kept_by(0) == 1; });
  others.clear();
  EXPECT_EQ(second->create(reconnecting(id)).persistent, id.persistent);
}

TEST_F(OpenClaims, ChangedFileIsClosedAndItsDeletionMade) {
  auto first = client(0);
  auto body = claimed_durable();
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  const FileId id = first->create(body);
  lose(std::move(first), 0);
  std::filesystem::resize_file(folder + "/file", 100);
  EXPECT_EQ(create_status(*client(1), reconnecting(id)), NtStatus::kObjectNameNotFound);
  until([&] { return !std::filesystem::exists(folder + "/file"); });
  EXPECT_EQ(kept_by(0), 0u);
}

TEST_F(OpenClaims, DeleteOnCloseGoesWithIt) {
  auto first = client(0);
  auto body = claimed_durable();
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  const FileId id = first->create(body);
  lose(std::move(first), 0);
  auto second = client(1);
  const FileId back = second->create(reconnecting(id));
  until([&] { return kept_by(0) == 0; });
  EXPECT_TRUE(std::filesystem::exists(folder + "/file"));
  EXPECT_EQ(second->close_file(back), NtStatus::kSuccess);
  EXPECT_FALSE(std::filesystem::exists(folder + "/file"));
}

TEST_F(OpenClaims, NewcomerOfAnotherWorkerWaitsForTheDeletionItCauses) {
  auto first = client(0);
  auto body = claimed_durable();
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  EXPECT_EQ(write(*first, first->create(body)), NtStatus::kSuccess);
  lose(std::move(first), 0);
  auto newcomer = client(1);
  EXPECT_NE(newcomer->create("file"), FileId{});
  EXPECT_EQ(std::filesystem::file_size(folder + "/file"), 0u);
  EXPECT_EQ(kept_by(0), 0u);
}

TEST_F(OpenClaims, OneOfTheRacingClientsOfBothWorkersWins) {
  auto first = client(0);
  const FileId id = first->create(claimed_durable());
  lose(std::move(first), 0);
  std::vector<std::unique_ptr<RawClient>> racers;
  std::vector<uint64_t> messages;
  for (size_t i = 0; i < 8; ++i) racers.push_back(client(i % 2));
  for (auto& racer : racers) {
    messages.push_back(racer->next_message_id);
    racer->send(racer->request(Command::kCreate, reconnecting(id)));
  }
  size_t winners = 0;
  for (size_t i = 0; i < racers.size(); ++i) {
    const auto answer = racers[i]->answer_to(messages[i]);
    ASSERT_TRUE(answer);
    if (answer->status() != NtStatus::kSuccess) {
      EXPECT_EQ(answer->status(), NtStatus::kObjectNameNotFound);
      continue;
    }
    ++winners;
    EXPECT_EQ(write(*racers[i], answer->as<wire::CreateResponse>().file_id), NtStatus::kSuccess);
  }
  EXPECT_EQ(winners, 1u);
}

// A worker of which only the messages are there: it asks, or is asked, and then dies.
struct DyingWorker : OpenClaims {
  // Stands in for worker 1.
  DyingWorker() {
    engines[1].reset();
    workers.join(1);
  }
  // What the client of the open that worker 0 keeps would ask.
  ClaimQuestion owners_question() {
    const auto kept = engines[0]->server().files.open_table.parked().at(0);
    return {.persistent_id = kept.ref.token.value,
            .why = ClaimQuestion::Why::kReconnectV2,
            .user = *kept.owner,
            .user_id = kept.user,
            .client = kept.client_guid,
            .create_guid = kClaimed,
            .name = {}};
  }
  void ask(const ClaimQuestion& asked) {
    Bytes question;
    wire::Writer w(question);
    w.u32(workers.groups[0]->own_tag().value);
    w.u64(0);
    w.u64(1);
    asked.encode(w);
    ASSERT_TRUE(workers.groups[1]->bus().send(0, store::Topic::kClaims, question));
  }
  void die() {
    workers.kill(1);
    workers.groups[0]->ended(0);  // no process: whoever hears of an end looks who lives
  }
};

TEST_F(DyingWorker, ClaimantThatDiesBeforeItTakesTheOpenLeavesItToOthers) {
  auto first = client(0);
  const FileId id = first->create(claimed_durable());
  lose(std::move(first), 0);
  std::promise<void> offered;
  workers.groups[1]->bus().handle(store::Topic::kClaims,
                                  [&](store::BusMessage& message) {
                                    if (message.fd) offered.set_value();
                                  },
                                  {});
  workers.groups[1]->start();
  ask(owners_question());
  offered.get_future().wait();

  auto second = client(0);
  const uint64_t waiting = second->next_message_id;
  second->send(second->request(Command::kCreate, reconnecting(id)));
  die();
  EXPECT_EQ(second->answer_to(waiting)->status(), NtStatus::kSuccess);
  workers.groups[1]->stop();
}

// Whoever is offered an open and says nothing keeps it from its owner.
TEST_F(DyingWorker, WhoAsksForAnothersOpenIsRefusedAndKeepsNobodyWaiting) {
  auto first = client(0);
  const FileId id = first->create(claimed_durable());
  lose(std::move(first), 0);
  std::mutex mutex;
  std::condition_variable answered;
  std::vector<ClaimAnswer> answers;
  workers.groups[1]->bus().handle(
      store::Topic::kClaims,
      [&](store::BusMessage& message) {
        wire::Reader r(message.payload);
        (void)r.bytes(20);  // what Questions has before it
        const std::lock_guard lock(mutex);
        answers.push_back(ClaimAnswer::decode(r).value_or(ClaimAnswer{}));
        answered.notify_all();
      },
      {});
  workers.groups[1]->start();
  ClaimQuestion wrong_guid = owners_question(), wrong_user = owners_question(),
                leases = owners_question();
  wrong_guid.create_guid = {{9}};
  wrong_user.user_id = {wrong_user.user_id.value + 1};
  leases.lease_key = LeaseKey{{1}};
  for (const auto& each : {wrong_guid, wrong_user, leases}) ask(each);
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(answered.wait_for(lock, 20s, [&] { return answers.size() == 3; }));
    size_t denied = 0, not_found = 0;
    for (const ClaimAnswer& each : answers) {
      EXPECT_EQ(each.kind, ClaimAnswer::Kind::kRefused);
      denied += each.refusal == NtStatus::kAccessDenied;
      not_found += each.refusal == NtStatus::kObjectNameNotFound;
    }
    EXPECT_EQ(denied, 1u);
    EXPECT_EQ(not_found, 2u);
  }
  EXPECT_EQ(client(0)->create(reconnecting(id)), id);
  workers.groups[1]->stop();
}

TEST_F(DyingWorker, KeeperThatDiesDoesNotKeepTheClaimantWaiting) {
  std::promise<void> asked;
  workers.groups[1]->bus().handle(store::Topic::kClaims,
                                  [&](store::BusMessage&) { asked.set_value(); }, {});
  workers.groups[1]->start();
  auto claimant = client(0);
  const uint64_t waiting = claimant->next_message_id;
  const uint64_t persistent = workers.groups[1]->own_tag().tagged(1);
  claimant->send(claimant->request(Command::kCreate, reconnecting({persistent, persistent})));
  asked.get_future().wait();
  die();
  EXPECT_EQ(claimant->answer_to(waiting)->status(), NtStatus::kObjectNameNotFound);
  workers.groups[1]->stop();
}

TEST_F(OpenClaims, BindToASessionOfAnotherWorkerIsJudgedThere) {
  auto first = client(0);
  // Signed with `key`, or not.
  const auto bind = [&](const crypto::SigningKey* key) {
    RawClient second(*engines[1], ClientGuid{{1, 1}});
    EXPECT_EQ(second.negotiate(), NtStatus::kSuccess);
    Bytes message =
        second.setup_request("user", wire::SessionSetupRequest::kFlagBinding,
                             [&](wire::Header& header) { header.session_id = first->session_id; });
    if (key) second.sign(message, *key);
    return *second.exchange(std::move(message));
  };
  const Answer answer = bind(first->signing_key.get());
  EXPECT_EQ(answer.status(), NtStatus::kUserSessionDeleted);
  EXPECT_TRUE(RawClient::is_signed_with(answer, *first->signing_key));
  EXPECT_EQ(bind(nullptr).status(), NtStatus::kInvalidParameter);
  const crypto::SigningKey forged(crypto::SigningAlgorithm::kAesCmac,
                                  crypto::Secret(Bytes(16, 0x11)));
  const Answer refused = bind(&forged);
  EXPECT_EQ(refused.status(), NtStatus::kAccessDenied);
  EXPECT_FALSE(refused.header.is_signed());
  EXPECT_NE(first->create("still here"), FileId{});
}

}  // namespace
}  // namespace braid::smb2
