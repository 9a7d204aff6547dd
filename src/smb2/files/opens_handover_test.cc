// Opens that wait for their clients, given by one server and taken by the next on the same files.
#include "smb2/files/opens_handover.h"

#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "smb2/files/durable_testing.h"
#include "vfs/posix/posix_volume.h"
#include "wire/smb2/lock.h"

namespace braid::smb2 {
namespace {

struct OpensHandoverTest : testing::Test {
  OpensHandoverTest() {
    char name[] = "/tmp/braid-handover-XXXXXX";
    folder = ::mkdtemp(name);
    auto share = std::make_shared<Share>();
    share->name = "files";
    share->real_path = folder;
    share->volume = *vfs::open_posix_volume(folder);
    shares = std::make_shared<const ShareTable>(std::vector<std::shared_ptr<const Share>>{share});
    before.emplace(Engine::lenient(), clock, 1, shares);
    after.emplace(Engine::lenient(), clock, 1, shares);
  }
  ~OpensHandoverTest() override {
    clients.clear();
    after->stop();
    EXPECT_EQ(after->server().files.open_table.disconnected(), 0u);
    EXPECT_FALSE(after->server().files.file_table.any_open_below(""));
    after.reset();
    before.reset();
    std::filesystem::remove_all(folder);
  }
  RawClient& log_on(Engine& engine, ClientGuid guid = kClient) {
    auto& made = *clients.emplace_back(std::make_unique<RawClient>(engine, guid));
    EXPECT_EQ(made.negotiate(), NtStatus::kSuccess);
    EXPECT_EQ(made.session_setup("user"), NtStatus::kSuccess);
    EXPECT_EQ(made.tree_connect(), NtStatus::kSuccess);
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
  static NtStatus lock(RawClient& by, FileId id, uint64_t offset, size_t count = 1) {
    constexpr uint32_t kFlags = wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately;
    wire::LockRequest request{.file_id = id};
    for (size_t i = 0; i < count; ++i) {
      request.locks.push_back({.offset = offset + 2 * i, .length = 1, .flags = kFlags});
    }
    return by.status_of(by.request(Command::kLock, request));
  }
  static NtStatus write(RawClient& by, FileId id) {
    return by.status_of(
        by.request(Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("here")}));
  }
  static wire::CreateRequest returning(FileId id, CreateGuid guid = kGuid,
                                       std::string_view name = "file") {
    auto body = with_lease(smb2::reconnecting(id, guid), 2);
    body.name = name;
    return body;
  }
  std::vector<OpensHandover::Part> give(size_t workers = 1) {
    EXPECT_TRUE(before->server().suspend(std::chrono::steady_clock::now() + 60s));
    return before->server().opens_handover().give(
        workers, [](const ClientGuid& guid) { return size_t{guid.bytes[0]}; });
  }
  Result<size_t> take(const OpensHandover::Part& part) {
    std::vector<UniqueFd> descriptors;
    for (const int each : part.descriptors) {
      descriptors.emplace_back(::fcntl(each, F_DUPFD_CLOEXEC, 0));
    }
    return after->server().opens_handover().take(part.state, std::move(descriptors));
  }

  VirtualClock clock;
  std::string folder;
  std::shared_ptr<const ShareTable> shares;
  std::optional<Engine> before;
  std::optional<Engine> after;
  std::vector<std::unique_ptr<RawClient>> clients;
  std::vector<Answer> answers;  // what decoded responses point into
};

TEST_F(OpensHandoverTest, GoWithTheirDescriptorsLeasesAndLocks) {
  RawClient& client = log_on(*before);
  const FileId id = created(client, with_lease(durable(), 2)).file_id;
  EXPECT_EQ(lock(client, id, 5), NtStatus::kSuccess);
  const auto parts = give();
  EXPECT_EQ(parts.at(0).descriptors.size(), 1u);
  EXPECT_EQ(take(parts[0]), size_t{1});

  RawClient& again = log_on(*after);
  const auto back = created(again, returning(id));
  EXPECT_EQ(back.file_id.persistent, id.persistent);
  EXPECT_EQ(back.contexts.response_lease.value().lease_state, wire::LeaseState::kAll);
  EXPECT_EQ(lock(again, back.file_id, 5), NtStatus::kLockNotGranted);
  EXPECT_EQ(lock(again, back.file_id, 6), NtStatus::kSuccess);
  EXPECT_EQ(write(again, back.file_id), NtStatus::kSuccess);
  EXPECT_EQ(again.close_file(back.file_id), NtStatus::kSuccess);
  EXPECT_EQ(std::filesystem::file_size(folder + "/file"), 4u);
}

// What moved meanwhile is not what the client has by that name, as where nothing was handed over.
TEST_F(OpensHandoverTest, OneWhoseNameWasTakenByOthersIsGone) {
  RawClient& client = log_on(*before);
  const FileId id = created(client, with_lease(durable(), 2)).file_id;
  const auto parts = give();
  std::filesystem::rename(folder + "/file", folder + "/moved");
  std::ofstream(folder + "/file") << "another";
  EXPECT_EQ(take(parts.at(0)), size_t{1});
  RawClient& again = log_on(*after);
  EXPECT_EQ(create_status(again, returning(id)), NtStatus::kObjectNameNotFound);
}

TEST_F(OpensHandoverTest, NothingThatCameOfItChangesNothing) {
  RawClient& client = log_on(*before);
  const FileId id = created(client, with_lease(durable(), 2)).file_id;
  EXPECT_EQ(lock(client, id, 5), NtStatus::kSuccess);
  (void)give();
  clock.advance(std::chrono::hours(1));
  before->server().files.scavenge_opens();  // given, it is nobody's to close
  clock.advance(std::chrono::hours(-1));
  before->server().resume();
  RawClient& again = log_on(*before);
  const auto back = created(again, returning(id));
  EXPECT_EQ(lock(again, back.file_id, 5), NtStatus::kLockNotGranted);
  EXPECT_EQ(again.close_file(back.file_id), NtStatus::kSuccess);
}

TEST_F(OpensHandoverTest, TheirTimeGoesOn) {
  RawClient& client = log_on(*before);
  auto body = with_lease(durable(), 2);
  body.contexts.durable_handle_request_v2->timeout_ms = 10'000;
  const FileId id = created(client, body).file_id;
  client.close();
  for (int i = 0; i < 5000 && before->server().files.open_table.disconnected() == 0; ++i) {
    std::this_thread::sleep_for(1ms);
  }
  clock.advance(std::chrono::seconds(6));
  EXPECT_EQ(take(give().at(0)), size_t{1});
  FileServices& files = after->server().files;
  clock.advance(std::chrono::seconds(3));
  files.scavenge_opens();
  EXPECT_EQ(files.open_table.disconnected(), 1u);
  clock.advance(std::chrono::seconds(2));
  files.scavenge_opens();
  EXPECT_EQ(create_status(log_on(*after), returning(id)), NtStatus::kObjectNameNotFound);
}

TEST_F(OpensHandoverTest, EachGoesWhereItsClientComes) {
  constexpr ClientGuid kEven{{2}};
  constexpr ClientGuid kOdd{{3}};
  const FileId even = created(log_on(*before, kEven), with_lease(durable(), 2)).file_id;
  const FileId odd =
      created(log_on(*before, kOdd), with_lease(durable(CreateGuid{{9}}, "other"), 2)).file_id;
  const auto parts = give(2);
  EXPECT_EQ(take(parts.at(1)), size_t{1});
  EXPECT_EQ(create_status(log_on(*after, kEven), returning(even)), NtStatus::kObjectNameNotFound);
  RawClient& client = log_on(*after, kOdd);
  const auto back = created(client, returning(odd, CreateGuid{{9}}, "other"));
  EXPECT_EQ(client.close_file(back.file_id), NtStatus::kSuccess);
}

TEST_F(OpensHandoverTest, WithMoreLocksThanARecordOfTheLogHas) {
  RawClient& client = log_on(*before);
  const FileId id = created(client, with_lease(durable(), 2)).file_id;
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_EQ(lock(client, id, 1000 * i, 450), NtStatus::kSuccess);
  }
  EXPECT_EQ(take(give().at(0)), size_t{1});
  RawClient& again = log_on(*after);
  const auto back = created(again, returning(id));
  EXPECT_EQ(lock(again, back.file_id, 1000 * 9 + 2 * 449), NtStatus::kLockNotGranted);
  EXPECT_EQ(again.close_file(back.file_id), NtStatus::kSuccess);
}

TEST_F(OpensHandoverTest, WhatIsDamagedOrNewerIsNotTakenAtAll) {
  (void)created(log_on(*before), with_lease(durable(), 2));
  (void)created(log_on(*before, ClientGuid{{8}}), with_lease(durable(CreateGuid{{9}}, "other"), 2));
  const auto part = give().at(0);
  OpensHandover::Part newer = part;
  newer.state[4] = 2;
  EXPECT_EQ(take(newer).error(), Error::unsupported());
  for (size_t cut = 0; cut < part.state.size(); ++cut) {
    OpensHandover::Part shorter = part;
    shorter.state.resize(cut);
    EXPECT_FALSE(take(shorter)) << cut;
  }
  EXPECT_EQ(after->server().files.open_table.disconnected(), 0u);
}

// One by one, and those that are there are.
TEST_F(OpensHandoverTest, DescriptorOfAnotherFileCostsItsOpen) {
  (void)created(log_on(*before), with_lease(durable(), 2));
  (void)created(log_on(*before, ClientGuid{{8}}), with_lease(durable(CreateGuid{{9}}, "other"), 2));
  auto part = give().at(0);
  std::swap(part.descriptors.at(0), part.descriptors.at(1));
  EXPECT_EQ(take(part), size_t{0});
  part.descriptors[0] = part.descriptors[1];
  EXPECT_EQ(take(part), size_t{1});
}

}  // namespace
}  // namespace braid::smb2
