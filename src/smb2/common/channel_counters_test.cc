#include "smb2/common/channel_counters.h"

#include <gtest/gtest.h>

namespace braid::smb2 {
namespace {

TEST(ChannelCounters, AnAddressOfEachKindIsOneHoweverManyCome) {
  ChannelCounterTable table;
  const auto first = table.of({"192.0.2.1", false});
  EXPECT_EQ(table.of({"192.0.2.1", false}), first);
  EXPECT_NE(table.of({"192.0.2.1", true}), first);
  EXPECT_EQ(table.all().size(), 2u);
}

TEST(ChannelCounters, AddressesBeyondTheLimitAreOne) {
  ChannelCounterTable table;
  for (int i = 0; i < 1'000; ++i) table.of({"2001:db8::" + std::to_string(i), i % 2 == 1});
  const auto all = table.all();
  EXPECT_EQ(all.size(), ChannelCounterTable::kAddressesMax + 2);  // "other" by TCP and by RDMA
  EXPECT_EQ(table.of({"192.0.2.1", false}), table.of({"other", false}));
}

}  // namespace
}  // namespace braid::smb2
