#include "config/interface_rule.h"

#include <gtest/gtest.h>

namespace braid::config {
namespace {

TEST(InterfaceRule, NameAloneChangesNothing) {
  EXPECT_EQ(parse_interface_rule("eth0"), (InterfaceRule{.match = "eth0"}));
  EXPECT_EQ(parse_interface_rule("*"), (InterfaceRule{.match = "*"}));
  EXPECT_EQ(parse_interface_rule("fd00::2"), (InterfaceRule{.match = "fd00::2"}));
}

TEST(InterfaceRule, OptionsFollowInAnyOrder) {
  EXPECT_EQ(parse_interface_rule("eth*;rss;speed=10G"),
            (InterfaceRule{.match = "eth*", .speed = 10'000'000'000, .rss = true}));
  EXPECT_EQ(
      parse_interface_rule("10.0.2.2;speed=2500M;no-rss;movable"),
      (InterfaceRule{.match = "10.0.2.2", .speed = 2'500'000'000, .rss = false, .movable = true}));
}

TEST(InterfaceRule, SpeedCountsBitsByThousands) {
  EXPECT_EQ(parse_interface_rule("a;speed=100")->speed, 100u);
  EXPECT_EQ(parse_interface_rule("a;speed=5k")->speed, 5'000u);
  EXPECT_EQ(parse_interface_rule("a;speed=1T")->speed, 1'000'000'000'000u);
}

TEST(InterfaceRule, AnythingElseIsRefused) {
  for (const char* text : {"",
                           ";rss",
                           "eth0;",
                           "eth0;;rss",
                           "eth0;fast",
                           "eth0;speed",
                           "eth0;speed=",
                           "eth0;speed=G",
                           "eth0;speed=0",
                           "eth0;speed=-1",
                           "eth0;speed=1GG",
                           "eth0;speed=2000T",
                           "eth 0",
                           "eth/0",
                           "a*b",
                           "**",
                           "sixteen-letters-",
                           "10.0.2.300;movable;speed=1 G",
                           "eth0;rss ",
                           "eth0;speed=18446744073709551617"}) {
    EXPECT_FALSE(parse_interface_rule(text)) << text;
  }
}

}  // namespace
}  // namespace braid::config
