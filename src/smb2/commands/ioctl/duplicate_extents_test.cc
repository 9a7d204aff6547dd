// FSCTL_DUPLICATE_EXTENTS_TO_FILE and its _EX: [MS-FSA] 2.1.5.10.4 and 2.1.5.10.5.
#include "wire/smb2/duplicate_extents.h"

#include <cerrno>

#include "smb2/commands/ioctl/fsctl_testing.h"
#include "vfs/fault/fault_volume.h"
#include "vfs/memory/memory_features.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::DuplicateExtentsData;
using wire::DuplicateExtentsDataEx;
using wire::Fsctl;
using enum NtStatus;

constexpr int64_t kBlock = 4096;

// A volume that clones.
struct Clones : Fsctls {
  explicit Clones(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan(),
                  std::shared_ptr<vfs::Volume> memory = vfs::make_memory_volume())
      : Fsctls(vfs::make_fault_volume(memory, disk)), plan(std::move(disk)) {
    vfs::features_of(*memory).reflink = true;
    features = &vfs::features_of(*memory);
  }
  void SetUp() override {
    Fsctls::SetUp();
    source = open("source");
    target = open("target");
    ASSERT_EQ(write(source, std::string(3 * kBlock, 's')), kSuccess);
    ASSERT_EQ(write(target, std::string(3 * kBlock, 't')), kSuccess);
  }
  NtStatus clone(FileId to, const DuplicateExtentsData& what) {
    return status(Fsctl::kDuplicateExtentsToFile, to, encoded(what));
  }
  NtStatus clone(int64_t from, int64_t to, int64_t count) {
    return clone(target, {source, from, to, count});
  }
  NtStatus clone_ex(int64_t from, int64_t to, int64_t count, uint32_t flags) {
    return status(Fsctl::kDuplicateExtentsToFileEx, target,
                  encoded(DuplicateExtentsDataEx{source, from, to, count, flags}));
  }
  // Which of the target's bytes are the source's.
  std::string looks() {
    const Bytes all = data(target, 0, 60'000);
    std::string looks;
    for (size_t at = 0; at < all.size();) {
      const size_t begin = at;
      while (at < all.size() && all[at] == all[begin]) ++at;
      looks += static_cast<char>(all[begin]) + std::to_string(at - begin);
    }
    return looks;
  }
  std::shared_ptr<vfs::FaultPlan> plan;
  vfs::Features* features;
  FileId source, target;
};

TEST_F(Clones, RangeIsTheSourcesThen) {
  EXPECT_EQ(clone(0, kBlock, kBlock), kSuccess);
  EXPECT_EQ(looks(), "t4096s4096t4096");
  EXPECT_EQ(clone_ex(2 * kBlock, 0, kBlock, 0), kSuccess);
  EXPECT_EQ(looks(), "s8192t4096");
  EXPECT_EQ(clone(0, 0, 0), kSuccess);
  EXPECT_EQ(plan->calls_of("clone_range"), 2u);
}

TEST_F(Clones, NumbersThatAreNoRangeAreInvalid) {
  constexpr int64_t kMax = INT64_MAX;
  struct {
    int64_t from, to, count;
    NtStatus expected;
  } constexpr kCases[] = {
      {-1, 0, kBlock, kInvalidParameter},
      {0, -1, kBlock, kInvalidParameter},
      {0, 0, -1, kInvalidParameter},
      {kMax, 0, 1, kInvalidParameter},
      {0, kMax, 1, kInvalidParameter},
      {kMax - kBlock, 0, kBlock, kNotSupported},  // beyond the source
      {0, kMax - kBlock, kBlock, kSuccess},       // beyond the target: nothing
      {2 * kBlock, 0, kBlock, kSuccess},
      {2 * kBlock, 0, kBlock + 1, kNotSupported},
      {0, 3 * kBlock, kBlock, kSuccess},
  };
  for (const auto& each : kCases) {
    EXPECT_EQ(clone(each.from, each.to, each.count), each.expected)
        << each.from << " " << each.to << " " << each.count;
  }
  EXPECT_EQ(status(Fsctl::kDuplicateExtentsToFile, target, Bytes(39)), kInvalidParameter);
  EXPECT_EQ(status(Fsctl::kDuplicateExtentsToFileEx, target, Bytes(47)), kInvalidParameter);
  EXPECT_EQ(clone_ex(0, 0, kBlock, 2), kInvalidParameter);
  EXPECT_EQ(clone_ex(0, 0, kBlock, DuplicateExtentsDataEx::kFlagSourceAtomic), kSuccess);
}

TEST_F(Clones, HandlesAreOfFilesWithTheRights) {
  const auto with = [&](FileId from, FileId to) { return clone(to, {from, 0, 0, kBlock}); };
  EXPECT_EQ(with({7777, 7777}, target), kInvalidHandle);
  EXPECT_EQ(with(directory(), target), kNotSupported);
  EXPECT_EQ(with(source, directory()), kNotSupported);
  EXPECT_EQ(with(open("source", Access::kFileExecute), target), kAccessDenied);
  EXPECT_EQ(with(open("source", Access::kFileReadData), target), kSuccess);
  EXPECT_EQ(with(source, open("target", Access::kFileAppendData)), kAccessDenied);
  EXPECT_EQ(with(source, open("target", Access::kFileWriteData)), kSuccess);
  features->reflink = false;
  EXPECT_EQ(with(source, target), kInvalidDeviceRequest);
}

TEST_F(Clones, WithinOneFileRangesDoNotOverlap) {
  const auto within = [&](int64_t from, int64_t to, int64_t count) {
    return clone(source, {source, from, to, count});
  };
  EXPECT_EQ(within(0, kBlock, kBlock), kSuccess);
  EXPECT_EQ(within(kBlock, 0, kBlock), kSuccess);
  EXPECT_EQ(within(0, kBlock, 2 * kBlock), kNotSupported);
  EXPECT_EQ(within(kBlock, 0, 2 * kBlock), kNotSupported);
  EXPECT_EQ(within(0, 0, kBlock), kNotSupported);
}

TEST_F(Clones, SparseOnesGoIntoSparseOnes) {
  const auto make_sparse = [&](FileId id) { ASSERT_EQ(status(Fsctl::kSetSparse, id), kSuccess); };
  make_sparse(source);
  EXPECT_EQ(clone(0, 0, kBlock), kNotSupported);
  make_sparse(target);
  EXPECT_EQ(clone(0, 0, kBlock), kSuccess);
}

// Cut where the target ends it ends within a cluster, and the rest is copied.
TEST_F(Clones, WhatIsBeyondTheTargetIsLeftOut) {
  client.close_file(target);
  make("short", std::string(kBlock + 100, 't'));
  target = open("short");
  EXPECT_EQ(clone_ex(0, 0, 2 * kBlock, DuplicateExtentsDataEx::kFlagSourceAtomic), kNotSupported);
  EXPECT_EQ(looks(), "t4196");
  EXPECT_EQ(clone(0, 0, 2 * kBlock), kSuccess);
  EXPECT_EQ(looks(), "s4196");
  make("shorter", std::string(100, 't'));
  target = open("shorter");
  const uint64_t before = plan->calls_of("clone_range");
  EXPECT_EQ(clone(0, 0, kBlock), kSuccess);
  EXPECT_EQ(looks(), "s100");
  EXPECT_EQ(plan->calls_of("clone_range"), before + 1) << "there is no whole block to clone";
  // Of a range that begins where the target ends nothing is left.
  EXPECT_EQ(clone(0, 100, kBlock), kSuccess);
  EXPECT_EQ(looks(), "s100");
  EXPECT_EQ(plan->calls_of("clone_range"), before + 1);
  // Elsewhere it is not cut, and does not fit.
  target = open("target");
  EXPECT_EQ(clone(0, 0, 100), kInvalidParameter);
}

TEST_F(Clones, DiskThatFailsIsSaid) {
  struct {
    int error;
    NtStatus expected;
  } constexpr kCases[] = {{ENOSPC, kDiskFull},
                          {EIO, kIoDeviceError},
                          {EXDEV, kInvalidParameter},
                          {EINVAL, kInvalidParameter}};
  for (const auto& each : kCases) {
    plan->fail_operation("clone_range", each.error);
    EXPECT_EQ(clone(0, 0, kBlock), each.expected) << each.error;
  }
  plan->clear();
  EXPECT_EQ(looks(), "t12288");
}

// The end of the target is where it was, wherever the range would end.
TEST_F(Clones, ShorterTargetDoesNotGrow) {
  EXPECT_EQ(clone(0, 2 * kBlock, 2 * kBlock), kSuccess);
  EXPECT_EQ(looks(), "t8192s4096");
  EXPECT_EQ(clone(0, 3 * kBlock, kBlock), kSuccess);
  EXPECT_EQ(looks(), "t8192s4096");
}

}  // namespace
}  // namespace braid::smb2
