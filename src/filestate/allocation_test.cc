// What opening and closing a file costs in allocations once the server runs.
//
// Not under ThreadSanitizer, whose runtime does not let its allocation functions be replaced.
#if !__has_feature(thread_sanitizer)
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "filestate/file_table_testing.h"

namespace {
thread_local uint64_t allocations = 0;
}

// Replaced for the whole test program; only this file looks at the count.
void* operator new(size_t size) {
  allocations++;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace braid::filestate {
namespace {

struct Allocations : ::testing::Test, TestTable {
  uint64_t of_one_round(const OpenRequest& wanted) {
    uint64_t before = 0;
    for (int round = 0; round < 3; ++round) {
      before = allocations;
      open(wanted);
      table.prepare(ref(wanted), Operation::kWrite);
      table.check_io(ref(wanted), 0, 10, true);
      table.close(ref(wanted));
    }
    return allocations - before;
  }
};

TEST_F(Allocations, UncontendedOpenAllocatesItsRecordOnly) {
  if (group) GTEST_SKIP() << "records are written with every open";
  EXPECT_EQ(of_one_round(request()), 1u);
  EXPECT_EQ(of_one_round(oplock(OplockLevel::kBatch)), 1u);
}

// Nor does one that nobody has had open before.
TEST_F(Allocations, FilesOneAfterTheOtherAllocateTheirRecordsOnly) {
  if (group) GTEST_SKIP() << "records are written with every open";
  constexpr uint64_t kFiles = 10'000;
  uint64_t inode = 0, before = 0;
  for (int round = 0; round < 2; ++round) {
    before = allocations;
    for (uint64_t i = 0; i < kFiles; ++i) {
      const FileKey file{1, ++inode, 0};
      const OpenRequest wanted = request();
      open(wanted, file);
      table.close(ref(wanted, file));
    }
  }
  EXPECT_EQ(allocations - before, kFiles);
}

// The lease itself, the entry of its key, and the word that the key is free again.
TEST_F(Allocations, UncontendedLeaseAllocatesThreeMore) {
  if (group) GTEST_SKIP() << "records are written with every open";
  EXPECT_EQ(of_one_round(lease(1, "RWH", 1)), 4u);
}

}  // namespace
}  // namespace braid::filestate

#endif
