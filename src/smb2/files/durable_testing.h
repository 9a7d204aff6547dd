// Clients that lose their connections, and what of their opens waits for them.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
using namespace std::chrono_literals;
using wire::Command;
using wire::OplockLevel;

inline constexpr CreateGuid kGuid{{1, 2, 3}};
inline constexpr ClientGuid kClient{{7}};
inline constexpr uint32_t kReplay = wire::HeaderFlags::kReplayOperation;

inline wire::CreateRequest durable(CreateGuid guid = kGuid, std::string_view name = "file") {
  auto body = RawClient::create_body(name);
  body.create_disposition = wire::CreateDisposition::kOpenIf;
  body.requested_oplock_level = OplockLevel::kBatch;
  body.contexts.durable_handle_request_v2 = {.create_guid = guid};
  return body;
}
inline wire::CreateRequest reconnecting(FileId id, CreateGuid guid = kGuid) {
  auto body = RawClient::create_body("whatever");
  body.contexts.durable_handle_reconnect_v2 = {.file_id = id, .create_guid = guid};
  return body;
}

inline wire::CreateRequest with_lease(wire::CreateRequest body, uint8_t version, uint8_t key = 1) {
  body.requested_oplock_level = OplockLevel::kLease;
  body.contexts.request_lease = wire::LeaseContext{
      .version = version, .lease_key = LeaseKey{{key}}, .lease_state = wire::LeaseState::kAll};
  return body;
}

inline wire::CreateRequest making_anew(wire::CreateRequest body) {
  body.create_disposition = wire::CreateDisposition::kCreate;
  return body;
}
inline wire::CreateRequest instance(uint64_t version, CreateGuid guid) {
  auto body = durable(guid);
  body.share_access = 0;
  body.contexts.app_instance_id = AppInstanceId{{5}};
  if (version) {
    body.contexts.app_instance_version = wire::AppInstanceVersion{0, version};
  }
  return body;
}

struct DurableTest : testing::Test {
  explicit DurableTest(std::unique_ptr<vfs::Volume> volume = vfs::make_memory_volume(),
                       size_t threads = 1)
      : engine(Engine::lenient(), clock, threads, Engine::shares_on(std::move(volume))) {}

  VirtualClock clock;
  Engine engine;
  std::unique_ptr<RawClient> client;

  void SetUp() override { client = log_on(); }
  void TearDown() override {
    client.reset();
    engine.stop();
    EXPECT_EQ(engine.server().files.open_table.disconnected(), 0u);
    EXPECT_FALSE(engine.server().files.file_table.any_open_below(""));
  }
  std::unique_ptr<RawClient> log_on(std::string_view who = "user", ClientGuid guid = kClient) {
    auto made = std::make_unique<RawClient>(engine, guid);
    EXPECT_EQ(made->negotiate(), NtStatus::kSuccess);
    EXPECT_EQ(made->session_setup(who), NtStatus::kSuccess);
    EXPECT_EQ(made->tree_connect(), NtStatus::kSuccess);
    return made;
  }
  // The client has one open that is kept.
  void lose_connection() {
    client->close();
    client.reset();
    until_disconnected(1);
  }
  // What ends on other threads.
  void until(const std::function<bool()>& done) {
    for (int i = 0; i < 5000 && !done(); ++i) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(done());
  }
  void until_disconnected(size_t count) {
    until([&] { return engine.server().files.open_table.disconnected() == count; });
  }
  NtStatus create_status(RawClient& by, const wire::CreateRequest& body, uint32_t flags = 0) {
    return by.status_of(
        by.request(Command::kCreate, body, [&](wire::Header& header) { header.flags |= flags; }));
  }
  wire::CreateResponse created(RawClient& by, const wire::CreateRequest& body, uint32_t flags = 0) {
    auto answer = by.exchange(
        by.request(Command::kCreate, body, [&](wire::Header& header) { header.flags |= flags; }));
    EXPECT_TRUE(answer && answer->status() == NtStatus::kSuccess);
    answers.push_back(std::move(*answer));
    return answers.back().as<wire::CreateResponse>();
  }
  bool is_alive(RawClient& by, FileId id) {
    return by.status_of(by.request(Command::kWrite,
                                   wire::WriteRequest{.file_id = id, .data = as_bytes("x")})) ==
           NtStatus::kSuccess;
  }
  std::vector<Answer> answers;  // what decoded responses point into
};

}  // namespace braid::smb2
