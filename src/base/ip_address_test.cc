#include "base/ip_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace braid {
namespace {

TEST(IpAddress, TextComesBack) {
  for (const char* text : {"0.0.0.0", "10.0.2.2", "::", "fd00::2", "fe80::1%7"}) {
    ASSERT_TRUE(IpAddress::parse(text)) << text;
    EXPECT_EQ(IpAddress::parse(text)->to_string(), text);
  }
  for (const char* text : {"", "localhost", "10.0.2", "10.0.2.2%", "fe80::1%eth0", "fe80::1%"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(IpAddress, MappedIpv4IsIpv4) {
  EXPECT_EQ(*IpAddress::parse("::ffff:10.0.2.2"), *IpAddress::parse("10.0.2.2"));
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  inet_pton(AF_INET6, "::ffff:127.0.0.5", &mapped.sin6_addr);
  const auto address = IpAddress::of(reinterpret_cast<const sockaddr*>(&mapped));
  ASSERT_TRUE(address);
  EXPECT_TRUE(address->is_v4());
  EXPECT_TRUE(address->is_loopback());
}

TEST(IpAddress, OtherFamiliesAreNone) {
  sockaddr unix_address{};
  unix_address.sa_family = AF_UNIX;
  EXPECT_FALSE(IpAddress::of(&unix_address));
}

TEST(IpAddress, KnowsItsKind) {
  EXPECT_TRUE(IpAddress::parse("127.9.9.9")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("169.254.0.1")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("febf::1")->is_link_local());
  EXPECT_FALSE(IpAddress::parse("fec0::1")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
}

TEST(IpAddress, PrefixesAreCountedInBits) {
  const auto a = *IpAddress::parse("10.0.1.1");
  EXPECT_TRUE(a.shares_prefix(*IpAddress::parse("10.0.1.200"), 24));
  EXPECT_FALSE(a.shares_prefix(*IpAddress::parse("10.0.1.200"), 25));
  EXPECT_TRUE(a.shares_prefix(*IpAddress::parse("192.0.2.1"), 0));
  EXPECT_TRUE(a.shares_prefix(a, 32));
  EXPECT_FALSE(a.shares_prefix(a, 33));
  EXPECT_FALSE(a.shares_prefix(*IpAddress::parse("::"), 0));
}

}  // namespace
}  // namespace braid
