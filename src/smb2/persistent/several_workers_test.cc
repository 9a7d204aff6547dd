// Persistent opens of several workers' clients: what one takes from another's is written down, and
// after the end of all of them each has its clients' again.
#include <stdlib.h>

#include <filesystem>

#include "smb2/files/durable_testing.h"
#include "smb2/persistent/persistent_handles.h"
#include "store/fault_disk_testing.h"
#include "store/worker_group_testing.h"
#include "vfs/posix/posix_volume.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

// A client of worker N has a ClientGuid that begins with N, whatever number of workers there is
// but for more than that.
struct PersistentHandlesOfWorkers : testing::Test {
  VirtualClock clock;
  std::string folder;
  store::FaultDisk disk{1};
  struct Life {
    std::unique_ptr<store::TestGroup> group;
    std::vector<std::shared_ptr<const ShareTable>> shares;
    std::vector<std::unique_ptr<Engine>> workers;
  };
  // What ended stays until the end of the test, as it would close what the next one has.
  std::vector<std::unique_ptr<Life>> lives;
  std::vector<Answer> answers;  // what decoded responses point into

  void SetUp() override {
    char name[] = "/tmp/braid-workers-XXXXXX";
    folder = ::mkdtemp(name);
    begin(2);
  }
  void TearDown() override {
    while (!lives.empty()) {
      lives.back()->workers.clear();
      lives.pop_back();
    }
    std::filesystem::remove_all(folder);
  }
  void begin(size_t workers) {
    auto life = std::make_unique<Life>();
    life->group = std::make_unique<store::TestGroup>(workers);
    for (size_t i = 0; i < workers; ++i) {
      auto share = std::make_shared<Share>();
      share->name = "files";
      share->real_path = folder;
      share->volume = *vfs::open_posix_volume(folder);
      life->shares.push_back(std::make_shared<const ShareTable>(
          std::vector<std::shared_ptr<const Share>>{std::move(share)}));
      life->workers.push_back(std::make_unique<Engine>(
          Engine::lenient(), clock, 1, life->shares.back(), life->group->groups[i].get()));
    }
    lives.push_back(std::move(life));
    // The last first: who comes first is not always the first.
    for (size_t i = workers; i-- > 0;) recover(i);
  }
  void recover(size_t worker) {
    Life& life = *lives.back();
    PersistentHandles::Server server{.worker = static_cast<uint32_t>(worker)};
    server.worker_of = [workers = life.workers.size()](const ClientGuid& client) {
      return client.bytes[0] % workers;
    };
    const auto share = life.shares[worker]->entry("files")->connect({}).value();
    auto& persistent = *life.workers[worker]->server().files.persistent;
    const auto begun = persistent.begin(share, disk.folder_until_restart(), server);
    EXPECT_TRUE(begun) << begun.error();
    persistent.end_recovery(true);
  }
  // The power goes, with everything that was not synced.
  void crash(size_t workers = 2) {
    disk.restart(store::FaultDisk::Survives::kNothing);
    begin(workers);
  }
  std::unique_ptr<RawClient> client(uint8_t number) {
    auto& workers = lives.back()->workers;
    auto made =
        std::make_unique<RawClient>(*workers[number % workers.size()], ClientGuid{{number, 1}});
    EXPECT_EQ(made->negotiate(), NtStatus::kSuccess);
    EXPECT_EQ(made->session_setup("user"), NtStatus::kSuccess);
    EXPECT_EQ(made->tree_connect(), NtStatus::kSuccess);
    return made;
  }
  static wire::CreateRequest persistent(std::string_view name = "file") {
    auto body = durable(kGuid, name);
    body.contexts.durable_handle_request_v2->flags = wire::DurableHandleFlags::kPersistent;
    return body;
  }
  static wire::CreateRequest returning(FileId id, std::string_view name = "file") {
    auto body = reconnecting(id, kGuid);
    body.name = name;
    body.contexts.durable_handle_reconnect_v2->flags = wire::DurableHandleFlags::kPersistent;
    return body;
  }
  static wire::CreateRequest with_read_lease(wire::CreateRequest body) {
    body = with_lease(std::move(body), 2);
    body.contexts.request_lease->lease_state = wire::LeaseState::kReadCaching;
    return body;
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
  static uint32_t lease_of(const wire::CreateResponse& response) {
    return response.contexts.response_lease.value().lease_state;
  }
};

TEST_F(PersistentHandlesOfWorkers, WhatAnotherWorkerHasTakenIsTakenForGood) {
  const auto first = client(0);
  const auto before = created(*first, with_read_lease(persistent()));
  EXPECT_EQ(before.contexts.durable_handle_response_v2.value().flags,
            wire::DurableHandleFlags::kPersistent);
  EXPECT_EQ(lease_of(before), wire::LeaseState::kReadCaching);
  const auto other = client(1);
  const FileId id = other->create(RawClient::create_body("file"));
  EXPECT_EQ(other->status_of(other->request(
                Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("x")})),
            NtStatus::kSuccess);
  crash();
  const auto again = client(0);
  const auto back = created(*again, with_read_lease(returning(before.file_id)));
  EXPECT_EQ(back.file_id.persistent, before.file_id.persistent);
  EXPECT_EQ(lease_of(back), 0u);
}

TEST_F(PersistentHandlesOfWorkers, NewNameByAnotherWorkerIsKept) {
  const auto first = client(0);
  const auto before = created(*first, with_read_lease(persistent()));
  const auto other = client(1);
  const FileId id = other->create(RawClient::create_body("file"));
  Bytes buffer;
  wire::Writer writer(buffer);
  wire::FileRenameInformation{.file_name = "moved"}.encode(writer);
  wire::SetInfoRequest set;
  set.info_type = wire::InfoType::kFile;
  set.file_info_class = static_cast<uint8_t>(wire::FileInfoClass::kRename);
  set.file_id = id;
  set.buffer = buffer;
  ASSERT_EQ(other->status_of(other->request(Command::kSetInfo, set)), NtStatus::kSuccess);
  crash();
  const auto again = client(0);
  const auto back = created(*again, with_read_lease(returning(before.file_id, "moved")));
  EXPECT_EQ(back.file_id.persistent, before.file_id.persistent);
}

// Whoever comes first holds those of the others, and they are had again in any number of workers.
TEST_F(PersistentHandlesOfWorkers, AllOfThemEndAndOthersCome) {
  const auto body_of = [](uint8_t number) {
    auto body = persistent("file" + std::to_string(number));
    body.share_access = 0;
    return body;
  };
  std::vector<FileId> ids;
  for (uint8_t number = 0; number < 6; ++number) {
    const auto at = client(number);
    ids.push_back(created(*at, with_lease(body_of(number), 2)).file_id);
  }
  for (const size_t workers : {3, 1, 2}) {
    crash(workers);
    const auto stranger = client(0);
    for (uint8_t number = 1; number < 6; ++number) {
      const std::string name = "file" + std::to_string(number);
      auto body = RawClient::create_body(name);
      stranger->send(stranger->request(Command::kCreate, body));
      const auto answer = stranger->receive();
      EXPECT_TRUE(answer && answer->status() == NtStatus::kPending) << workers << " " << name;
    }
  }
  crash(3);
  for (uint8_t number = 0; number < 6; ++number) {
    const auto at = client(number);
    const std::string name = "file" + std::to_string(number);
    const auto back = created(*at, with_lease(returning(ids[number], name), 2));
    EXPECT_EQ(back.file_id.persistent, ids[number].persistent);
    EXPECT_EQ(lease_of(back), wire::LeaseState::kAll);
  }
}

// [MS-SMB2] 3.3.5.9.12: docs/protocol.md, 520.
TEST_F(PersistentHandlesOfWorkers, AnotherWorkersClientDoesNotHaveThem) {
  auto first = client(0);
  const auto before = created(*first, persistent());
  crash();
  const auto other = client(1);
  EXPECT_EQ(create_status(*other, returning(before.file_id)), NtStatus::kObjectNameNotFound);
  const auto again = client(0);
  EXPECT_EQ(created(*again, returning(before.file_id)).file_id.persistent,
            before.file_id.persistent);
}

}  // namespace
}  // namespace braid::smb2
