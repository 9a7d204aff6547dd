#include "smb2/files/deletion.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "smb2/raw_client_testing.h"
#include "vfs/fault/fault_volume.h"

namespace braid::smb2 {
namespace {

struct RecycledDeletion : testing::Test {
  void SetUp() override { ASSERT_TRUE(client.log_on()); }
  void TearDown() override { client.close(); }

  static std::shared_ptr<const ShareTable> shares_with(std::unique_ptr<vfs::Volume> volume) {
    auto share = std::make_shared<Share>();
    share->name = "files";
    share->volume = std::move(volume);
    share->recycle_days = 30;
    return std::make_shared<const ShareTable>(
        std::vector<std::shared_ptr<const Share>>{std::move(share)});
  }
  NtStatus remove(std::string_view name) {
    auto body = RawClient::create_body(name);
    body.create_options = wire::CreateOptions::kDeleteOnClose;
    return client.close_file(client.create(body));
  }
  bool is_there(std::string_view name) {
    auto body = RawClient::create_body(name);
    body.create_disposition = wire::CreateDisposition::kOpen;
    const FileId id = client.create(body);
    if (id == FileId{}) return false;
    client.close_file(id);
    return true;
  }

  std::shared_ptr<vfs::FaultPlan> plan = vfs::make_fault_plan();
  Engine engine{Engine::lenient(), system_clock(), 2,
                shares_with(vfs::make_fault_volume(vfs::make_memory_volume(), plan))};
  RawClient client{engine};
};

// Who deletes on a full disk, or has no quota left, wants room.
TEST_F(RecycledDeletion, WhatTheBinCannotTakeIsDeletedForGood) {
  for (const int error : {ENOSPC, EDQUOT, EXDEV, EMLINK, EROFS, EPERM, EIO}) {
    plan->fail_operation("recycle", error);
    const uint64_t removed = plan->calls_of("remove");
    EXPECT_EQ(remove("f"), NtStatus::kSuccess) << error;
    EXPECT_FALSE(is_there("f")) << error;
    EXPECT_EQ(plan->calls_of("remove"), removed + 1) << error;
  }
}

TEST_F(RecycledDeletion, WhatIsSomebodyElsesByNowStays) {
  plan->fail_operation("recycle", ESTALE);
  (void)remove("f");
  EXPECT_TRUE(is_there("f"));
  EXPECT_EQ(plan->calls_of("remove"), 0u);
}

}  // namespace
}  // namespace braid::smb2
