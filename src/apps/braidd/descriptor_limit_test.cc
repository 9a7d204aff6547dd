#include "apps/braidd/descriptor_limit.h"

#include <gtest/gtest.h>

namespace braid::braidd {
namespace {

TEST(DescriptorLimit, FrontKeepsWithinWhateverThereIs) {
  for (const size_t descriptors : {256u, 512u, 1'024u, 4'096u, 1'048'576u}) {
    for (const size_t workers : {1u, 4u, 32u}) {
      const FrontLimits limits = fit({}, descriptors, workers);
      EXPECT_LE(limits.pending_max + workers * limits.handovers_max, descriptors)
          << descriptors << " for " << workers;
      EXPECT_LT(limits.pending_per_address_max, limits.pending_max);
      EXPECT_GE(limits.handovers_max, 1u);
    }
  }
}

TEST(DescriptorLimit, PlentyChangesNothing) {
  const FrontLimits limits = fit({}, 1'048'576, 4), whole;
  EXPECT_EQ(limits.pending_max, whole.pending_max);
  EXPECT_EQ(limits.pending_per_address_max, whole.pending_per_address_max);
  EXPECT_EQ(limits.handovers_max, whole.handovers_max);
}

TEST(DescriptorLimit, TooFewAreOneLineWithWhatToDo) {
  const auto checked = check_descriptor_limit(64, 64);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error(),
            "the limit of open files (RLIMIT_NOFILE) is 64, and nothing works below 256; raise it: "
            "LimitNOFILE= in the systemd unit, or ulimit -n for a start by hand");
  EXPECT_TRUE(check_descriptor_limit(256, 256));
  EXPECT_TRUE(check_descriptor_limit(1'048'576, 1'048'576));
}

}  // namespace
}  // namespace braid::braidd
