// Two clients of an Engine whose volume holds the calls it is told to, for tests of who comes when.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <thread>

#include "smb2/raw_client_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/dtyp/security_descriptor.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {

struct TwoClients : testing::Test {
  static constexpr std::string_view kMember = "S-1-5-21-1-2-3-1001";

  explicit TwoClients(size_t threads = 2)
      : engine(Engine::lenient(), system_clock(), threads,
               Engine::shares_on(vfs::make_fault_volume(below, plan))) {}
  void SetUp() override {
    ASSERT_TRUE(first.log_on());
    ASSERT_TRUE(second.log_on());
  }
  void TearDown() override {
    plan->let_go();
    first.close();
    second.close();
  }

  static Bytes create(RawClient& client, std::string_view name,
                      wire::CreateDisposition disposition) {
    auto body = RawClient::create_body(name);
    body.create_disposition = disposition;
    return client.request(wire::Command::kCreate, body);
  }
  static NtStatus write(RawClient& client, FileId id, std::string_view text) {
    return client.status_of(client.request(
        wire::Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes(text)}));
  }
  // The second client makes a file with this content, and closes it.
  void make(std::string_view name, std::string_view text) {
    const FileId id = second.create(name);
    ASSERT_EQ(write(second, id, text), NtStatus::kSuccess);
    second.close_file(id);
  }
  // Allows the user "member" this, and nobody else anything. By the second client.
  void grant(FileId file, uint32_t access) {
    wire::SecurityDescriptor descriptor;
    descriptor.control |= wire::sd_control::kDaclPresent;
    descriptor.dacl = wire::Acl{.aces = {wire::allow(*wire::Sid::parse(kMember), access)}};
    const Bytes bytes = *descriptor.encode();
    wire::SetInfoRequest set;
    set.info_type = wire::InfoType::kSecurity;
    set.additional_information = wire::SecurityInformation::kDacl;
    set.file_id = file;
    set.buffer = bytes;
    ASSERT_EQ(second.status_of(second.request(wire::Command::kSetInfo, set)), NtStatus::kSuccess);
  }
  // What the first client asks for is under way, and the volume holds its call of `operation`.
  void begin(const Bytes& request, std::string_view operation) {
    plan->hold_operation(operation);
    first.send(request);
    plan->await_held(1);
  }
  // What the second client asks for is under way: the volume has done one more `operation`.
  void follow(const Bytes& request, std::string_view operation) {
    const uint64_t before = plan->calls_of(operation);
    second.send(request);
    while (plan->calls_of(operation) == before) std::this_thread::yield();
  }

  const std::shared_ptr<vfs::Volume> below = vfs::make_memory_volume();
  std::shared_ptr<vfs::FaultPlan> plan = vfs::make_fault_plan();
  Engine engine;
  RawClient first{engine};
  RawClient second{engine, ClientGuid{{8}}};
};

}  // namespace braid::smb2
