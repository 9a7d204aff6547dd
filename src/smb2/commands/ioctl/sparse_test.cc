// Sparse files, their holes, and what is zeroed: [MS-FSA] 2.1.5.10.38, .39, .22 and .6.
#include <cerrno>

#include "smb2/commands/ioctl/fsctl_testing.h"
#include "smb2/common/limits.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/file_information.h"
#include "wire/smb2/file_ranges.h"
#include "wire/smb2/lock.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::FileAllocatedRangeBuffer;
using wire::FileLevelTrim;
using wire::FileZeroDataInformation;
using wire::Fsctl;
using enum NtStatus;

constexpr uint64_t kPage = 4096;

struct SparseFiles : Fsctls {
  explicit SparseFiles(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : Fsctls(vfs::make_fault_volume(vfs::make_memory_volume(), disk)), plan(std::move(disk)) {}
  void SetUp() override {
    Fsctls::SetUp();
    id = open("f");
  }
  bool is_sparse() { return (find("f").attributes.dos_attributes & vfs::dos::kSparse) != 0; }
  NtStatus zero(FileId of, int64_t offset, int64_t end) {
    return status(
        Fsctl::kSetZeroData, of,
        encoded(FileZeroDataInformation{.file_offset = offset, .beyond_final_zero = end}));
  }
  NtStatus zero(int64_t offset, int64_t end) { return zero(id, offset, end); }
  // How many ranges; empty answers are 0.
  Told ranges(FileId of, int64_t offset, int64_t length, uint32_t room = 4096) {
    return ask(Fsctl::kQueryAllocatedRanges, of,
               encoded(FileAllocatedRangeBuffer{.file_offset = offset, .length = length}), room);
  }
  static std::vector<FileAllocatedRangeBuffer> list(const Told& told) {
    return decoded<wire::QueryAllocatedRangesReply>(told.output).ranges;
  }
  Told trim(FileId of, std::vector<wire::FileLevelTrimRange> ranges, uint32_t room = 4,
            uint32_t key = 0) {
    return ask(Fsctl::kFileLevelTrim, of,
               encoded(FileLevelTrim{.key = key, .ranges = std::move(ranges)}), room);
  }
  void lock(FileId by, uint64_t offset, uint64_t length) {
    const wire::LockRequest body{.file_id = by, .locks = {{offset, length, 0x12}}};
    ASSERT_EQ(client.status_of(client.request(wire::Command::kLock, body)), kSuccess);
  }
  std::string looks() {
    std::string looks;
    const Bytes all = data(id, 0, 60'000);
    for (size_t at = 0; at < all.size();) {
      const size_t begin = at;
      while (at < all.size() && all[at] == all[begin]) ++at;
      looks += (all[begin] ? static_cast<char>(all[begin]) : '0') + std::to_string(at - begin);
    }
    return looks;
  }
  std::shared_ptr<vfs::FaultPlan> plan;
  FileId id;
};

TEST_F(SparseFiles, AFileBecomesSparseAndPlain) {
  EXPECT_EQ(status(Fsctl::kSetSparse, id), kSuccess);
  EXPECT_TRUE(is_sparse());
  const uint64_t changes = plan->calls_of("change");
  EXPECT_EQ(status(Fsctl::kSetSparse, id, Bytes{1}), kSuccess);
  EXPECT_EQ(plan->calls_of("change"), changes) << "it is so already";
  EXPECT_EQ(status(Fsctl::kSetSparse, id, Bytes{0}), kSuccess);
  EXPECT_FALSE(is_sparse());
  EXPECT_EQ(status(Fsctl::kSetSparse, id, Bytes{0xFF}), kSuccess);
  EXPECT_TRUE(is_sparse());
  for (const uint32_t access :
       {Access::kFileWriteData, Access::kFileAppendData, Access::kFileWriteAttributes}) {
    EXPECT_EQ(status(Fsctl::kSetSparse, open("f", access)), kSuccess) << access;
  }
  EXPECT_EQ(status(Fsctl::kSetSparse, open("f", Access::kGenericRead)), kAccessDenied);
  EXPECT_EQ(status(Fsctl::kSetSparse, directory()), kInvalidParameter);
}

TEST_F(SparseFiles, ZerosAreWhatIsWithinTheFile) {
  ASSERT_EQ(write(id, std::string(10, 'x')), kSuccess);
  EXPECT_EQ(zero(2, 4), kSuccess);
  EXPECT_EQ(looks(), "x202x6");
  EXPECT_EQ(zero(8, 100), kSuccess);
  EXPECT_EQ(looks(), "x202x402");
  EXPECT_EQ(zero(10, 100), kSuccess);
  EXPECT_EQ(zero(5, 5), kSuccess);
  EXPECT_EQ(looks(), "x202x402");
  EXPECT_EQ(zero(-1, 1), kInvalidParameter);
  EXPECT_EQ(zero(1, 0), kInvalidParameter);
  EXPECT_EQ(zero(0, INT64_MAX), kSuccess);
  EXPECT_EQ(looks(), "010");
  EXPECT_EQ(zero(directory(), 0, 1), kInvalidParameter);
  EXPECT_EQ(zero(open("f", Access::kFileAppendData | Access::kFileReadData), 0, 1), kAccessDenied);
  EXPECT_EQ(zero(open("f", Access::kFileWriteData), 0, 1), kSuccess);
  EXPECT_EQ(status(Fsctl::kSetZeroData, id, Bytes(15)), kInvalidParameter);
}

TEST_F(SparseFiles, LocksOfOthersStandInTheWayOfZeros) {
  ASSERT_EQ(write(id, std::string(10, 'x')), kSuccess);
  const FileId other = open("f");
  lock(other, 4, 2);
  EXPECT_EQ(zero(3, 5), kFileLockConflict);
  EXPECT_EQ(zero(5, 9), kFileLockConflict);
  EXPECT_EQ(zero(6, 9), kSuccess);
  EXPECT_EQ(zero(4, 4), kSuccess) << "nothing meets no lock";
  client.close_file(other);
  EXPECT_EQ(looks(), "x603x1");
}

TEST_F(SparseFiles, RangesOfAPlainFileAreOne) {
  ASSERT_EQ(write(id, std::string(10, 'x')), kSuccess);
  using Range = FileAllocatedRangeBuffer;
  EXPECT_EQ(list(ranges(id, 0, 100)), (std::vector<Range>{{0, 10}}));
  EXPECT_EQ(list(ranges(id, 3, 4)), (std::vector<Range>{{3, 4}}));
  EXPECT_EQ(list(ranges(id, 9, INT64_MAX - 9)), (std::vector<Range>{{9, 1}}));
  EXPECT_TRUE(ranges(id, 10, 1).output.empty());
  EXPECT_TRUE(ranges(id, 0, 0).output.empty());
  EXPECT_EQ(ranges(id, 10, 1, 0).status, kSuccess);
  EXPECT_EQ(ranges(id, 0, 1, 15).status, kBufferTooSmall);
  EXPECT_EQ(ranges(id, 0, 1, 16).status, kSuccess);
  EXPECT_EQ(ranges(id, -1, 1).status, kInvalidParameter);
  EXPECT_EQ(ranges(id, 0, -1).status, kInvalidParameter);
  EXPECT_EQ(ranges(id, 1, INT64_MAX).status, kInvalidParameter);
  EXPECT_EQ(ranges(id, 1, INT64_MAX - 1).status, kSuccess);
  EXPECT_EQ(ranges(directory(), 0, 1).status, kInvalidParameter);
  EXPECT_EQ(ranges(open("f", Access::kFileWriteData), 0, 1).status, kAccessDenied);
  EXPECT_EQ(ranges(open("f", Access::kFileReadData), 0, 1).status, kSuccess);
}

TEST_F(SparseFiles, RangesOfASparseFileLeaveItsHolesOut) {
  using Range = FileAllocatedRangeBuffer;
  ASSERT_EQ(write(id, std::string(5 * kPage, 'x')), kSuccess);
  ASSERT_EQ(zero(kPage, 2 * kPage), kSuccess);
  ASSERT_EQ(zero(3 * kPage, 4 * kPage), kSuccess);
  EXPECT_EQ(list(ranges(id, 0, 5 * kPage)).size(), 1u) << "it was not declared sparse";
  ASSERT_EQ(status(Fsctl::kSetSparse, id), kSuccess);
  const std::vector<Range> all{{0, kPage}, {2 * kPage, kPage}, {4 * kPage, kPage}};
  EXPECT_EQ(list(ranges(id, 0, 5 * kPage)), all);
  EXPECT_EQ(list(ranges(id, 0, 50 * kPage)), all);
  EXPECT_EQ(list(ranges(id, 100, 2 * kPage)),
            (std::vector<Range>{{100, kPage - 100}, {2 * kPage, 100}}));
  EXPECT_EQ(ranges(id, 0, 5 * kPage, 48).status, kSuccess);
  const Told cut = ranges(id, 0, 5 * kPage, 47);
  EXPECT_EQ(cut.status, kBufferOverflow);
  EXPECT_EQ(list(cut), (std::vector<Range>{all[0], all[1]}));
}

// More than one turn tells at once.
TEST_F(SparseFiles, ManyRangesAreToldInTurns) {
  constexpr size_t kCount = 2 * kRangesPerTurn + 10;
  ASSERT_EQ(status(Fsctl::kSetSparse, id), kSuccess);
  for (size_t i = 0; i < kCount; ++i) {
    const Bytes byte(1, 'x');
    ASSERT_EQ(client.status_of(client.request(
                  wire::Command::kWrite,
                  wire::WriteRequest{.offset = 2 * i * kPage, .file_id = id, .data = byte})),
              kSuccess);
  }
  const auto count_of = [&](uint32_t room) {
    const auto told = list(ranges(id, 0, 2 * kCount * kPage, room));
    for (size_t i = 0; i < told.size(); ++i) {
      EXPECT_EQ(told[i].file_offset, static_cast<int64_t>(2 * i * kPage));
    }
    return told.size();
  };
  const uint64_t before = plan->calls_of("allocated_ranges");
  EXPECT_EQ(count_of(65536), kCount);
  EXPECT_EQ(plan->calls_of("allocated_ranges"), before + 3);
  EXPECT_EQ(count_of(16 * kRangesPerTurn), kRangesPerTurn);
  EXPECT_EQ(count_of(16 * (kRangesPerTurn + 1)), kRangesPerTurn + 1);
}

TEST_F(SparseFiles, TrimZeroesWholePages) {
  ASSERT_EQ(write(id, std::string(4 * kPage + 100, 'x')), kSuccess);
  const auto counted = [](const Told& told) {
    EXPECT_EQ(told.status, kSuccess);
    return number_at(told.output, 0, 4);
  };
  EXPECT_EQ(counted(trim(id, {{1, kPage - 1}, {kPage + 1, kPage}})), 0u);
  EXPECT_EQ(looks(), "x16484");
  EXPECT_EQ(counted(trim(id, {{kPage, kPage}})), 1u);
  EXPECT_EQ(looks(), "x409604096x8292");
  EXPECT_EQ(counted(trim(id, {{0, 100}, {2 * kPage - 1, kPage + 1}, {5 * kPage, kPage}})), 1u);
  EXPECT_EQ(looks(), "x409608192x4196");
  // The last page is none of the file.
  EXPECT_EQ(counted(trim(id, {{3 * kPage, kSizeMax - 3 * kPage}})), 1u);
  EXPECT_EQ(looks(), "x4096012288x100");
  EXPECT_TRUE(trim(id, {{0, kPage}}, 0).output.empty());
  EXPECT_EQ(looks(), "016384x100");
}

TEST_F(SparseFiles, TrimsThatAreRefused) {
  ASSERT_EQ(write(id, std::string(2 * kPage, 'x')), kSuccess);
  EXPECT_EQ(trim(id, {}).status, kInvalidParameter);
  EXPECT_EQ(trim(id, {{0, 1}}, 4, 1).status, kInvalidParameter);
  EXPECT_EQ(trim(id, {{0, 1}}, 3).status, kInvalidParameter);
  EXPECT_EQ(trim(id, {{0, 1}}, 1).status, kInvalidParameter);
  EXPECT_EQ(trim(id, {{kSizeMax, 1}}).status, kInvalidParameter);
  EXPECT_EQ(trim(id, {{kSizeMax, 0}}).status, kSuccess);
  EXPECT_EQ(trim(id, {{kSizeMax + 1, 0}}).status, kInvalidParameter);
  EXPECT_EQ(trim(id, {{0, 1}, {1, kSizeMax}}).status, kInvalidParameter);
  std::vector<wire::FileLevelTrimRange> many(kTrimRangesMax, {0, 1});
  EXPECT_EQ(trim(id, many).status, kSuccess);
  many.push_back({0, 1});
  EXPECT_EQ(trim(id, many).status, kInvalidParameter);
  EXPECT_EQ(trim(directory(), {{0, 1}}).status, kInvalidParameter);
  EXPECT_EQ(trim(open("f", Access::kFileAppendData), {{0, 1}}).status, kAccessDenied);
  EXPECT_EQ(trim(open("f", Access::kFileWriteData), {{0, 1}}).status, kSuccess);
  // All are looked at first.
  const FileId other = open("f");
  lock(other, kPage + 1, 1);
  EXPECT_EQ(trim(id, {{0, kPage}, {kPage, kPage}}).status, kFileLockConflict);
  client.close_file(other);
  EXPECT_EQ(looks(), "x8192");
}

// [MS-SMB2] 3.3.5.15: what a handle with write-through has changed is on the disk, and what is
// asked through it takes no disk.
TEST_F(SparseFiles, ChangesThroughWriteThroughAreOnTheDisk) {
  auto body = RawClient::create_body("f");
  body.create_options = wire::CreateOptions::kWriteThrough;
  const FileId through = client.create(body);
  uint64_t before = plan->calls_of("flush");
  EXPECT_EQ(status(Fsctl::kGetCompression, through), kSuccess);
  EXPECT_EQ(ranges(through, 0, 10).status, kSuccess);
  EXPECT_EQ(plan->calls_of("flush"), before);
  EXPECT_EQ(status(Fsctl::kSetSparse, through), kSuccess);
  EXPECT_EQ(plan->calls_of("flush"), before + 1);
  before = plan->calls_of("flush");
  EXPECT_EQ(status(Fsctl::kSetSparse, id, Bytes{0}), kSuccess);
  EXPECT_EQ(plan->calls_of("flush"), before) << "another handle's";
}

// More ranges than one turn looks for: the end that was asked for counts in each.
TEST_F(SparseFiles, RangesOfSeveralTurnsEndWhereTheyShould) {
  constexpr uint64_t kIslands = 3 * kRangesPerTurn;
  constexpr uint64_t kApart = 4 * kPage;
  ASSERT_EQ(status(Fsctl::kSetSparse, id), kSuccess);
  for (uint64_t i = 0; i < kIslands; ++i) {
    ASSERT_EQ(client.status_of(client.request(
                  wire::Command::kWrite,
                  wire::WriteRequest{.offset = i * kApart, .file_id = id, .data = as_bytes("x")})),
              kSuccess);
  }
  for (const uint64_t count : {kRangesPerTurn, kRangesPerTurn + 1, 2 * kRangesPerTurn + 1}) {
    const Told told = ranges(id, 0, static_cast<int64_t>(count * kApart), 65'536);
    EXPECT_EQ(told.status, kSuccess);
    const auto found = list(told);
    ASSERT_EQ(found.size(), count);
    EXPECT_EQ(found.back().file_offset, static_cast<int64_t>((count - 1) * kApart));
  }
  EXPECT_EQ(
      list(ranges(id, static_cast<int64_t>(kApart), static_cast<int64_t>(kApart), 65'536)).size(),
      1u);
}

}  // namespace
}  // namespace braid::smb2
