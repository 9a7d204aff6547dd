#include "config/homes.h"

#include <gtest/gtest.h>

namespace braid::config {
namespace {

TEST(Homes, TheFolderOfAllIsWhatComesBeforeTheAccount) {
  EXPECT_EQ(served_folder("/home/%U"), "/home");
  EXPECT_EQ(served_folder("/home/%U/files"), "/home");
  EXPECT_EQ(served_folder("/srv/a/u-%U"), "/srv/a");
  EXPECT_EQ(served_folder("/%U"), "/");
  EXPECT_EQ(served_folder("/srv/data"), "/srv/data");
  EXPECT_FALSE(is_of_homes("/srv/50%"));
}

TEST(Homes, AnAccountHasItsOwn) {
  EXPECT_EQ(home_below("/home/%U", "alice"), "alice");
  EXPECT_EQ(home_below("/srv/a/u-%U/of-%U", "bob"), "u-bob/of-bob");
  EXPECT_EQ(home_below("/home/%U", "%U"), "%U");
  EXPECT_EQ(home_below("/home/%U", "host$@REALM"), "host$@REALM");
}

TEST(Homes, WhatIsNoNameOfAFolderHasNone) {
  for (const std::string_view name : {"", ".", "..", ".ssh", "a/b", "/", "../bob"}) {
    EXPECT_FALSE(home_below("/home/%U", name)) << name;
  }
  EXPECT_FALSE(home_below("/home/%U", std::string_view("a\0b", 3)));
  EXPECT_FALSE(home_below("/home/%U", std::string(256, 'a')));
  EXPECT_TRUE(home_below("/home/%U", std::string(255, 'a')));
}

}  // namespace
}  // namespace braid::config
