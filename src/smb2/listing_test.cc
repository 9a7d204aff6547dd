// Listings whose requests come to nothing: [MS-SMB2] 3.3.5.18 "Receiving an SMB2 QUERY_DIRECTORY
// Request".
#include <gtest/gtest.h>

#include <set>

#include "smb2/raw_client_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/directory_entry.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/query_directory.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Dialect;

// More than one turn on the pool reads at once.
constexpr size_t kFiles = 600;

struct ListingTest : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(first.log_on(Dialect::kSmb311));
    ASSERT_EQ(second.negotiate(Dialect::kSmb311), NtStatus::kSuccess);
    ASSERT_EQ(second.bind(first), NtStatus::kSuccess);
    auto body = RawClient::create_body("folder");
    body.create_options = wire::CreateOptions::kDirectoryFile;
    folder = first.create(body);
    ASSERT_NE(folder, FileId{});
    for (size_t i = 0; i < kFiles; ++i) {
      const FileId file = first.create("folder\\file" + std::to_string(i));
      ASSERT_EQ(first.close_file(file), NtStatus::kSuccess);
    }
  }
  void TearDown() override { plan->let_go(); }

  Bytes query(RawClient& by, uint32_t room = 65536) {
    wire::QueryDirectoryRequest body;
    body.file_information_class = static_cast<uint8_t>(wire::FileInfoClass::kNames);
    body.file_id = folder;
    body.file_name = "*";
    body.output_buffer_length = room;
    return by.signed_request(Command::kQueryDirectory, body);
  }
  // What is still to come, with "." and ".."; each must come once.
  std::multiset<std::string> rest(RawClient& by) {
    std::multiset<std::string> names;
    for (;;) {
      const auto answer = by.exchange(query(by));
      if (!answer || answer->status() != NtStatus::kSuccess) {
        EXPECT_TRUE(answer && answer->status() == NtStatus::kNoMoreFiles);
        return names;
      }
      const auto response = answer->as<wire::QueryDirectoryResponse>();
      const auto entries =
          wire::decode_directory_entries(wire::FileInfoClass::kNames, response.output_buffer);
      EXPECT_TRUE(entries);
      if (!entries) return names;
      for (const auto& entry : *entries) names.insert(entry.file_name);
    }
  }
  void expect_everything_once(const std::multiset<std::string>& names) {
    EXPECT_EQ(names.size(), kFiles + 2);
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  }

  std::shared_ptr<vfs::FaultPlan> plan = vfs::make_fault_plan();
  Engine engine{Engine::lenient(), system_clock(), 1,
                Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(), plan))};
  RawClient first{engine};
  RawClient second{engine};
  FileId folder;
};

TEST_F(ListingTest, DiskThatFailsLeavesItWhereItWas) {
  plan->hold_operation("next");
  plan->let_pass(2);
  const uint64_t id = first.next_message_id;
  first.send(query(first));
  plan->await_held(1);
  plan->fail_operation("next", EIO);
  plan->let_go();
  const auto answer = first.answer_to(id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kIoDeviceError);
  plan->clear();
  expect_everything_once(rest(first));
}

// In the middle as well: what was answered before is not told again.
TEST_F(ListingTest, FailureInTheMiddleLeavesItThere) {
  const auto answer = first.exchange(query(first, 4096));
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  const auto response = answer->as<wire::QueryDirectoryResponse>();
  const auto told =
      wire::decode_directory_entries(wire::FileInfoClass::kNames, response.output_buffer);
  ASSERT_TRUE(told);
  plan->fail_operation("next", EIO);
  EXPECT_EQ(first.status_of(query(first)), NtStatus::kIoDeviceError);
  plan->clear();
  auto names = rest(first);
  for (const auto& entry : *told) names.insert(entry.file_name);
  expect_everything_once(names);
}

// The client asks again on the channel that is left, and has heard nothing of what was read.
TEST_F(ListingTest, LostChannelLeavesItWhereItWas) {
  const auto session = engine.server().logons.session_table.find(first.session_id);
  plan->hold_operation("next");
  plan->let_pass(1);
  second.send(query(second));
  plan->await_held(1);
  second.close();
  while (session->channels().size() > 1) {
    ASSERT_EQ(first.status_of(first.request(Command::kEcho, wire::EchoRequest{})),
              NtStatus::kSuccess);
  }
  plan->let_go();
  expect_everything_once(rest(first));
}

}  // namespace
}  // namespace braid::smb2
