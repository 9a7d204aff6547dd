#include "vfs/copy.h"

#include <gtest/gtest.h>

#include "vfs/fault/fault_volume.h"
#include "vfs/memory/memory_volume.h"

namespace braid::vfs {
namespace {

// Who is told of bytes that were copied takes them for those at the front.
TEST(CopyThroughMemory, FromTheBackNothingIsDoneUntilAllIs) {
  constexpr uint64_t kMebibyte = 1 << 20;
  const auto plan = make_fault_plan();
  const auto volume = make_fault_volume(make_memory_volume(), plan);
  Path name;
  ASSERT_TRUE(name.append("f"));
  const auto missing = std::get<Missing>(volume->lookup(server_credentials(), name).value());
  const auto file =
      volume->create(server_credentials(), missing, {.access = {.read = true, .write = true}})
          .value();
  ASSERT_TRUE(file->truncate(4 * kMebibyte));
  const auto copy_failing_at = [&](uint64_t call, uint64_t from, uint64_t to) {
    plan->fail_call(call, EIO);
    const Progress done = copy_through_memory(*file, from, *file, to, 3 * kMebibyte);
    EXPECT_FALSE(done) << call;
    plan->clear();
    return done.done();
  };
  // A stat, and then a read and a write for each piece.
  EXPECT_EQ(copy_failing_at(5, kMebibyte, 0), kMebibyte);
  EXPECT_EQ(copy_failing_at(5, 0, kMebibyte), 0u);
  EXPECT_EQ(copy_failing_at(4, 0, kMebibyte), 0u);
  EXPECT_EQ(copy_through_memory(*file, 0, *file, kMebibyte, 3 * kMebibyte).value(), 3 * kMebibyte);
}

}  // namespace
}  // namespace braid::vfs
