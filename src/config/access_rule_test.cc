#include "config/access_rule.h"

#include <gtest/gtest.h>

namespace braid::config {
namespace {

TEST(AllowRules, AreReadAsTheyAreWritten) {
  EXPECT_EQ(parse_allow_rule("alice"), (AllowRule{"alice", false, false}));
  EXPECT_EQ(parse_allow_rule("alice:rw"), (AllowRule{"alice", false, false}));
  EXPECT_EQ(parse_allow_rule("@staff:ro"), (AllowRule{"staff", true, true}));
  EXPECT_EQ(parse_allow_rule("@DOM\\some group"), (AllowRule{"DOM\\some group", true, false}));
  for (const char* bad :
       {"", "@", ":ro", "@:ro", "a:", "a:r", "a:ro:ro", "@@a", "a/b", "a\nb", "a:RO", "a@b"}) {
    EXPECT_FALSE(parse_allow_rule(bad)) << bad;
  }
  for (const char* good : {"alice", "@staff:ro", "DOM\\x:ro"}) {
    EXPECT_EQ(text_of(*parse_allow_rule(good)), good);
  }
}

TEST(HostRules, AreAddressesAndNetworks) {
  for (const char* good :
       {"192.0.2.7", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::1", "128.0.0.0/1", "::/0"}) {
    const auto rule = parse_host_rule(good);
    ASSERT_TRUE(rule) << good;
    EXPECT_EQ(text_of(*rule), good);
  }
  for (const char* bad : {"", "a", "192.0.2", "192.0.2.7/24", "192.0.2.0/33", "192.0.2.0/-1",
                          "192.0.2.0/", "2001:db8::1/32", "::/129", "fe80::1%2", "fe80::%2/64",
                          "192.0.2.0/24 ", "::ffff:192.0.2.0/120"}) {
    EXPECT_FALSE(parse_host_rule(bad)) << bad;
  }
}

TEST(HostRules, AdmitWhatTheyName) {
  const auto at = [](const char* text) { return *IpAddress::parse(text); };
  EXPECT_TRUE(admits({}, at("192.0.2.7")));
  const HostRule rules[] = {*parse_host_rule("192.0.2.0/25"), *parse_host_rule("2001:db8::/33"),
                            *parse_host_rule("127.0.0.1")};
  for (const char* inside :
       {"192.0.2.0", "192.0.2.127", "2001:db8:7fff::1", "127.0.0.1", "::ffff:192.0.2.1"}) {
    EXPECT_TRUE(admits(rules, at(inside))) << inside;
  }
  for (const char* outside :
       {"192.0.2.128", "192.0.3.0", "2001:db8:8000::", "127.0.0.2", "::1", "0.0.0.0"}) {
    EXPECT_FALSE(admits(rules, at(outside))) << outside;
  }
}

}  // namespace
}  // namespace braid::config
