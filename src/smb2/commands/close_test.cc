// What CLOSE and FLUSH answer, and of what: [MS-SMB2] 3.3.5.10 and 3.3.5.11.
#include "wire/smb2/close.h"

#include <cerrno>

#include "smb2/commands/file_requests_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/file_information.h"
#include "wire/smb2/flush.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::CloseFlags;
using wire::Command;

struct Closes : FileRequests {
  explicit Closes(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : FileRequests(vfs::make_fault_volume(vfs::make_memory_volume(), disk)),
        plan(std::move(disk)) {}
  wire::CloseResponse close(FileId id, uint16_t flags) {
    const auto answer = client.exchange(
        client.request(Command::kClose, wire::CloseRequest{.flags = flags, .file_id = id}));
    EXPECT_EQ(answer->status(), NtStatus::kSuccess);
    return answer->as<wire::CloseResponse>();
  }
  NtStatus flush(FileId id) {
    return client.status_of(client.request(Command::kFlush, wire::FlushRequest{.file_id = id}));
  }
  std::shared_ptr<vfs::FaultPlan> plan;
};

TEST_F(Closes, AttributesAreToldToWhoAsksForThem) {
  const FileId id = open("f");
  ASSERT_EQ(write(id, std::string(5000, 'x')), NtStatus::kSuccess);
  const uint64_t base = system_clock().now().ticks;
  Bytes basic;
  wire::Writer writer(basic);
  wire::FileBasicInformation{.creation_time = {base + 1},
                             .last_access_time = {base + 2},
                             .last_write_time = {base + 3},
                             .change_time = {base + 4},
                             .file_attributes = vfs::dos::kHidden}
      .encode(writer);
  ASSERT_EQ(set(id, wire::FileInfoClass::kBasic, basic), NtStatus::kSuccess);
  const FileId other = open("f");
  const auto told = close(id, CloseFlags::kPostqueryAttrib);
  EXPECT_EQ(told.flags, CloseFlags::kPostqueryAttrib);
  EXPECT_EQ(told.creation_time.ticks, base + 1);
  EXPECT_EQ(told.last_access_time.ticks, base + 2);
  EXPECT_EQ(told.last_write_time.ticks, base + 3);
  EXPECT_EQ(told.change_time.ticks, base + 4);
  EXPECT_EQ(told.allocation_size, 8192u);
  EXPECT_EQ(told.end_of_file, 5000u);
  EXPECT_EQ(told.file_attributes, vfs::dos::kHidden);
  for (const uint16_t flags : {0, 0xFFFE}) {
    const auto nothing = close(flags ? open("f") : other, flags);
    EXPECT_EQ(nothing.flags, 0u);
    EXPECT_EQ(nothing.creation_time.ticks, 0u);
    EXPECT_EQ(nothing.end_of_file, 0u);
    EXPECT_EQ(nothing.file_attributes, 0u);
  }
}

TEST_F(Closes, AttributesThatCannotBeHadAreNotTold) {
  const FileId id = open("f");
  plan->fail_operation("stat", EIO);
  EXPECT_EQ(close(id, CloseFlags::kPostqueryAttrib).flags, 0u);
  plan->clear();
  EXPECT_EQ(client.close_file(id), NtStatus::kFileClosed);
}

TEST_F(Closes, OfAPipeTellsNothing) {
  ASSERT_EQ(client.tree_connect("IPC$"), NtStatus::kSuccess);
  const FileId id = client.create("srvsvc");
  EXPECT_EQ(flush(id), NtStatus::kSuccess);
  EXPECT_EQ(close(id, CloseFlags::kPostqueryAttrib).flags, 0u);
  EXPECT_EQ(client.close_file(id), NtStatus::kFileClosed);
}

TEST_F(Closes, FlushTakesTheRightToWriteOrAppend) {
  make("f", "content");
  EXPECT_EQ(flush(open("f", Access::kFileReadData)), NtStatus::kAccessDenied);
  EXPECT_EQ(flush(open("f", Access::kFileWriteAttributes)), NtStatus::kAccessDenied);
  EXPECT_EQ(flush(open("f", Access::kFileWriteData)), NtStatus::kSuccess);
  EXPECT_EQ(flush(open("f", Access::kFileAppendData)), NtStatus::kSuccess);
  const uint64_t before = plan->calls_of("flush");
  EXPECT_EQ(flush(open("f")), NtStatus::kSuccess);
  EXPECT_EQ(plan->calls_of("flush"), before + 1);
}

}  // namespace
}  // namespace braid::smb2
