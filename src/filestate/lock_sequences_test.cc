#include "filestate/lock_sequences.h"

#include <gtest/gtest.h>

namespace braid::filestate {
namespace {

using Standing = LockSequences::Standing;

// [MS-SMB2] 3.3.5.14: LockSequenceIndex is from 1 to 64.
TEST(LockSequences, IndexIsFromOneToSixtyFour) {
  EXPECT_FALSE(LockSequences::is_checked({.index = 0}));
  EXPECT_TRUE(LockSequences::is_checked({.index = 1}));
  EXPECT_TRUE(LockSequences::is_checked({.index = 64}));
  EXPECT_FALSE(LockSequences::is_checked({.index = 65}));
}

TEST(LockSequences, EachEntryIsByItself) {
  LockSequences sequences;
  for (uint8_t index = 1; index <= 64; ++index) {
    const LockSequence sequence{.index = index, .number = 5};
    EXPECT_EQ(sequences.begin(sequence), Standing::kNew) << int{index};
    sequences.done(sequence);
    EXPECT_EQ(sequences.begin(sequence), Standing::kDone) << int{index};
  }
  for (const std::optional<uint8_t>& each : sequences.numbers()) EXPECT_EQ(each, 5);
}

TEST(LockSequences, NumberHasFourBits) {
  LockSequences sequences;
  for (int number = 0; number <= 16; ++number) {
    const LockSequence sequence{.index = 1, .number = static_cast<uint8_t>(number)};
    EXPECT_EQ(sequences.begin(sequence), Standing::kNew) << number;
    sequences.done(sequence);
    const LockSequence same{.index = 1, .number = static_cast<uint8_t>(number + 16)};
    EXPECT_EQ(sequences.begin(same), Standing::kDone) << number;
  }
}

TEST(LockSequences, EntryIsInvalidWhileItsRequestIsCarriedOut) {
  LockSequences sequences;
  const LockSequence first{.index = 7, .number = 1}, second{.index = 7, .number = 2};
  sequences.done(first);
  EXPECT_EQ(sequences.begin(second), Standing::kNew);
  EXPECT_EQ(sequences.numbers()[6], std::nullopt);
  EXPECT_EQ(sequences.begin(first), Standing::kNew) << "the failed one has taken its place";
}

TEST(LockSequences, OlderThanItsEntryIsOvertaken) {
  LockSequences sequences;
  const auto begin = [&](uint8_t number, uint16_t channel_sequence) {
    return sequences.begin({.index = 1, .number = number, .channel_sequence = channel_sequence});
  };
  EXPECT_EQ(begin(1, 0xFFFF), Standing::kNew);
  EXPECT_EQ(begin(2, 0xFFFF), Standing::kNew);
  EXPECT_EQ(begin(3, 0), Standing::kNew) << "it begins again behind the last";
  EXPECT_EQ(begin(4, 0xFFFF), Standing::kOvertaken);
  EXPECT_EQ(begin(5, 0), Standing::kNew);
  sequences.forget_channels();
  EXPECT_EQ(begin(6, 0xFFFF), Standing::kNew);
}

TEST(LockSequences, NumbersOutliveTheServer) {
  LockSequences sequences;
  sequences.done({.index = 1, .number = 15});
  sequences.done({.index = 64, .number = 0});
  const LockSequences later(sequences.numbers());
  EXPECT_EQ(later.numbers(), sequences.numbers());
  EXPECT_EQ(later.numbers()[0], 15);
  EXPECT_EQ(later.numbers()[63], 0);
  EXPECT_EQ(later.numbers()[1], std::nullopt);
}

}  // namespace
}  // namespace braid::filestate
