#include "filestate/share_modes.h"

#include <gtest/gtest.h>

namespace braid::filestate {
namespace {

constexpr uint32_t kRights[] = {
    0,
    kFileReadAttributes | kSynchronize,
    kFileReadData,
    kFileExecute,
    kFileWriteData,
    kFileAppendData,
    kDelete,
    kFileReadData | kFileWriteData,
    kFileReadData | kFileWriteData | kDelete,
};

// The six conditions of [MS-FSA] 2.1.5.1.2.2, word for word, for one pair of opens.
bool collide(uint32_t a, uint32_t a_share, uint32_t b, uint32_t b_share) {
  const uint32_t counted =
      kFileReadData | kFileExecute | kFileWriteData | kFileAppendData | kDelete;
  if (!(a & counted) || !(b & counted)) return false;
  const auto refused = [](uint32_t share, uint32_t access) {
    return (!(share & kShareRead) && (access & (kFileReadData | kFileExecute))) ||
           (!(share & kShareWrite) && (access & (kFileWriteData | kFileAppendData))) ||
           (!(share & kShareDelete) && (access & kDelete));
  };
  return refused(a_share, b) || refused(b_share, a);
}

TEST(ShareModes, EveryPairOfOpens) {
  for (const uint32_t held : kRights) {
    for (uint32_t held_share = 0; held_share < 8; ++held_share) {
      ShareModes modes;
      modes.add(held, held_share);
      for (const uint32_t wanted : kRights) {
        for (uint32_t wanted_share = 0; wanted_share < 8; ++wanted_share) {
          EXPECT_EQ(modes.conflicts(wanted, wanted_share),
                    collide(held, held_share, wanted, wanted_share));
        }
      }
      modes.remove(held, held_share);
      EXPECT_FALSE(modes.conflicts(kFileReadData | kFileWriteData | kDelete, 0));
    }
  }
}

TEST(ShareModes, TellsWhatIsDeniedAndHeld) {
  ShareModes modes;
  modes.add(kFileReadData, kShareRead | kShareWrite);
  EXPECT_TRUE(modes.denies(kDelete));
  EXPECT_FALSE(modes.denies(kFileWriteData));
  EXPECT_TRUE(modes.is_open_with(kFileExecute | kFileReadData));
  EXPECT_FALSE(modes.is_open_with(kDelete));
}

// Each answer for each right, with one open counted, and with two of which one goes.
TEST(ShareModes, EveryAnswerIsThatOfTheOpensThatAreCounted) {
  constexpr uint32_t kAny =
      kFileReadData | kFileExecute | kFileWriteData | kFileAppendData | kDelete;
  constexpr uint32_t kReads = kFileReadData | kFileExecute;
  constexpr uint32_t kWrites = kFileWriteData | kFileAppendData;
  for (const uint32_t held : kRights) {
    for (uint32_t share = 0; share < 8; ++share) {
      ShareModes modes;
      modes.add(held, share);
      modes.add(kAny, 0);
      modes.remove(kAny, 0);
      const bool counts = (held & kAny) != 0;
      for (const uint32_t asked : kRights) {
        EXPECT_EQ(modes.denies(asked), counts && (((asked & kReads) && !(share & kShareRead)) ||
                                                  ((asked & kWrites) && !(share & kShareWrite)) ||
                                                  ((asked & kDelete) && !(share & kShareDelete))));
        EXPECT_EQ(modes.is_open_with(asked), ((asked & kReads) && (held & kReads)) ||
                                                 ((asked & kWrites) && (held & kWrites)) ||
                                                 ((asked & kDelete) && (held & kDelete)));
        for (uint32_t other_share = 0; other_share < 8; ++other_share) {
          EXPECT_EQ(modes.collides_with_deleter(asked, other_share),
                    (asked & kAny) && !(other_share & kShareDelete) && (held & kDelete));
        }
      }
    }
  }
}

}  // namespace
}  // namespace braid::filestate
