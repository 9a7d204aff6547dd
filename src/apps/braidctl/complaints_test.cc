#include "apps/braidctl/complaints.h"

#include <gtest/gtest.h>

namespace braid::braidctl {
namespace {

using namespace std::chrono_literals;

TEST(Complaints, AnAddressIsComplainedOfOnceAMinuteWithACount) {
  Complaints complaints;
  const Complaints::Instant start{1h};
  EXPECT_EQ(complaints.count("192.0.2.1", start), 1u);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(complaints.count("192.0.2.1", start + 59s));
  EXPECT_EQ(complaints.count("192.0.2.2", start + 59s), 1u);
  EXPECT_EQ(complaints.count("192.0.2.1", start + 60s), 10'001u);
  EXPECT_FALSE(complaints.count("192.0.2.1", start + 61s));
}

TEST(Complaints, AddressesAreBounded) {
  Complaints complaints;
  const Complaints::Instant start{1h};
  size_t said = 0;
  for (int i = 0; i < 5'000; ++i) said += complaints.count(std::to_string(i), start).has_value();
  EXPECT_EQ(said, Complaints::kAddressesMax);
  EXPECT_EQ(complaints.count("new", start + 60s), 1u);
}

}  // namespace
}  // namespace braid::braidctl
