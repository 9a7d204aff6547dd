#include "crypto/secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace braid::crypto {
namespace {

constexpr uint8_t kWords[] = "correct horse battery staple, correct horse battery staple, correct";

bool is_all_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](uint8_t each) { return each == 0; });
}

TEST(RandomBytes, FillAllThatIsAskedFor) {
  // Beyond what is drawn at once, too. A stretch of 16 zeros is drawn once in 2^128 times.
  for (const size_t size : {size_t{16}, size_t{1000}, (size_t{2} << 20) + 16}) {
    Bytes out(size);
    random_bytes(out);
    for (size_t at = 0; at + 16 <= size; at += 16) {
      ASSERT_FALSE(is_all_zero(ByteView(out).subspan(at, 16))) << at << " of " << size;
    }
  }
  random_bytes({});
}

TEST(RandomBytes, DifferEachTime) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const Secret one = Secret::random(16);
    EXPECT_EQ(one.size(), 16u);
    EXPECT_TRUE(seen.emplace(one.reveal().begin(), one.reveal().end()).second);
  }
}

TEST(Secret, KeepsWhatItIsGivenUpToItsSize) {
  const ByteView words(kWords, 66);
  EXPECT_TRUE(std::ranges::equal(Secret(words.first(5)).reveal(), words.first(5)));
  EXPECT_TRUE(std::ranges::equal(Secret(words).reveal(), words.first(Secret::kSizeMax)));
  EXPECT_TRUE(Secret().empty());
  EXPECT_FALSE(Secret(words.first(1)).empty());
}

TEST(Secret, IsPaddedWithZeros) {
  const ByteView words(kWords, 20);
  const Secret made = Secret::padded(words.first(5), 16);
  ASSERT_EQ(made.size(), 16u);
  EXPECT_TRUE(std::ranges::equal(made.reveal().first(5), words.first(5)));
  EXPECT_TRUE(is_all_zero(made.reveal().subspan(5)));
  const Secret cut = Secret::padded(words, 16);
  EXPECT_TRUE(std::ranges::equal(cut.reveal(), words.first(16)));
}

TEST(Secret, EqualIsByEveryByteAndTheSize) {
  const ByteView words(kWords, 16);
  const Secret one(words);
  EXPECT_EQ(one, Secret(words));
  EXPECT_FALSE(one == Secret(words.first(15)));
  for (size_t at = 0; at < words.size(); ++at) {
    Bytes other(words.begin(), words.end());
    other[at] ^= 1;
    EXPECT_FALSE(one == Secret(other)) << at;
  }
  EXPECT_EQ(Secret(), Secret());
}

// What is left behind is not looked at by anybody, and so must not be there.
TEST(Secret, LeavesNothingBehind) {
  const ByteView words(kWords, 16);
  Secret from(words);
  const Secret to(std::move(from));
  EXPECT_TRUE(std::ranges::equal(to.reveal(), words));
  EXPECT_TRUE(from.empty());                             // NOLINT: what moving leaves
  EXPECT_TRUE(is_all_zero({from.reveal().data(), 16}));  // NOLINT
  Secret third;
  Secret fourth(words);
  third = std::move(fourth);
  EXPECT_TRUE(std::ranges::equal(third.reveal(), words));
  EXPECT_TRUE(is_all_zero({fourth.reveal().data(), 16}));  // NOLINT
  third.wipe();
  EXPECT_TRUE(third.empty());
  EXPECT_TRUE(is_all_zero({third.reveal().data(), 16}));
}

TEST(Wipe, TakesAllOfIt) {
  Bytes bytes(100, 0xA5);
  wipe(bytes);
  EXPECT_TRUE(is_all_zero(bytes));
  wipe({});
}

}  // namespace
}  // namespace braid::crypto
