#include "vfs/fault/fault_volume.h"

#include <gtest/gtest.h>

#include "vfs/memory/memory_volume.h"

namespace braid::vfs {
namespace {

TEST(FaultVolume, NthCallFailsAndOnlyThat) {
  auto plan = make_fault_plan();
  auto volume = make_fault_volume(make_memory_volume(), plan);
  const Credentials& who = server_credentials();
  plan->fail_call(2, EIO);
  EXPECT_TRUE(volume->lookup(who, {}));
  EXPECT_TRUE(volume->lookup(who, {}).error().is_os(EIO));
  EXPECT_TRUE(volume->lookup(who, {}));
  EXPECT_EQ(plan->calls(), 3u);
}

TEST(FaultVolume, NamedOperationFailsUntilCleared) {
  auto plan = make_fault_plan();
  auto volume = make_fault_volume(make_memory_volume(), plan);
  const Credentials& who = server_credentials();
  Path name;
  ASSERT_TRUE(name.append("f"));
  const auto missing = std::get<Missing>(volume->lookup(who, name).value());
  auto file = volume->create(who, missing, {.access = {.read = true, .write = true}}).value();
  plan->fail_operation("write", ENOSPC);
  EXPECT_TRUE(file->write(0, as_bytes("x")).error().is_os(ENOSPC));
  EXPECT_EQ(file->stat()->size, 0u);
  plan->clear();
  EXPECT_TRUE(file->write(0, as_bytes("x")));
  // A link needs the file below.
  Path other;
  ASSERT_TRUE(other.append("g"));
  const auto free = std::get<Missing>(volume->lookup(who, other).value());
  EXPECT_TRUE(volume->link(who, *file, free.place, false));
}

}  // namespace
}  // namespace braid::vfs
