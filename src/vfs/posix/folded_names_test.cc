#include "vfs/posix/folded_names.h"

#include <gtest/gtest.h>

namespace braid::vfs {
namespace {

std::string name_of(int i) { return "File number " + std::to_string(i) + ".txt"; }
std::string other_case(int i) { return "fILE NUMBER " + std::to_string(i) + ".TXT"; }

TEST(FoldedNames, FindsEverySpelling) {
  FoldedNames names;
  EXPECT_FALSE(names.find("a"));
  EXPECT_TRUE(names.add("b"));
  EXPECT_TRUE(names.add("B"));
  EXPECT_FALSE(names.add("b"));
  EXPECT_EQ(names.find("b"), "B");
  EXPECT_TRUE(names.remove("B"));
  EXPECT_FALSE(names.remove("B"));
  EXPECT_EQ(names.find("B"), "b");
  EXPECT_EQ(names.size(), 1u);
}

TEST(FoldedNames, LettersWithMarks) {
  for (const bool composes : {false, true}) {
    FoldedNames names(composes);
    EXPECT_TRUE(names.add("e\xCC\x81"));
    EXPECT_EQ(names.find("\xC3\xA9").has_value(), composes);
    EXPECT_EQ(names.find("\xC3\x89").has_value(), composes);
    EXPECT_EQ(names.may_have("\xC3\xA9"), composes);
    EXPECT_TRUE(names.remove("e\xCC\x81"));
    EXPECT_EQ(names.size(), 0u);
    // What is not UTF-8 is as it is.
    EXPECT_TRUE(names.add("\xFFx"));
    EXPECT_TRUE(names.remove("\xFFx"));
  }
}

// 1,050,000 names of usual length; each byte counted.
TEST(FoldedNames, AMillionNamesTakeLittle) {
  constexpr int kCount = 1'050'000;
  FoldedNames names;
  for (int i = 0; i < kCount; ++i) ASSERT_TRUE(names.add(name_of(i)));
  EXPECT_EQ(names.size(), size_t{kCount});
  EXPECT_LT(names.bytes(), 55u << 20);
  for (int i = 0; i < kCount; i += 1000) {
    EXPECT_EQ(names.find(other_case(i)), name_of(i));
    EXPECT_FALSE(names.may_have(name_of(kCount + i)) && names.find(name_of(kCount + i)));
  }
  names.drop_names();
  EXPECT_LT(names.bytes(), 20u << 20);
  EXPECT_TRUE(names.may_have(other_case(17)));
}

TEST(FoldedNames, ComingAndGoingDoesNotGrowIt) {
  FoldedNames names;
  for (int i = 0; i < 1000; ++i) names.add(name_of(i));
  const size_t bytes = names.bytes();
  for (int i = 1000; i < 200'000; ++i) {
    EXPECT_TRUE(names.remove(name_of(i - 1000)));
    EXPECT_TRUE(names.add(name_of(i)));
  }
  EXPECT_EQ(names.size(), 1000u);
  EXPECT_LT(names.bytes(), 4 * bytes);
  for (int i = 199'000; i < 200'000; ++i) EXPECT_EQ(names.find(other_case(i)), name_of(i));
}

TEST(FoldedNames, WithoutNamesThoseThatAreFreeAreTold) {
  FoldedNames names;
  for (int i = 0; i < 100; ++i) names.add(name_of(i));
  names.drop_names();
  EXPECT_TRUE(names.add("More"));
  EXPECT_TRUE(names.may_have("MORE"));
  EXPECT_TRUE(names.may_have(other_case(5)));
  EXPECT_TRUE(names.remove("More"));
  EXPECT_FALSE(names.may_have("MORE"));
}

}  // namespace
}  // namespace braid::vfs
