#include "apps/braidctl/announce_context.h"

#include <gtest/gtest.h>

namespace braid::braidctl {
namespace {

size_t admitted(AnnounceContext& all, const IpAddress& from) {
  size_t count = 0;
  for (int i = 0; i < 10'000; ++i) count += all.admits_mdns(from);
  return count;
}

// Over IPv6 the kernel takes what another machine sends in this one's name.
TEST(AnnounceContext, WhatSaysThatItIsOfThisMachineHasAnEnd) {
  const IpAddress own = *IpAddress::parse("fe80::1");
  const IpAddress other = *IpAddress::parse("fe80::2");
  boost::asio::io_context io;
  AnnounceContext all{.io = io, .wsd = {}, .uuid = {}, .mdns = {}, .own = {own}};
  // A second may end on the way, and another begin.
  EXPECT_GE(admitted(all, own), 40u);
  EXPECT_LE(admitted(all, own), 400u);
  EXPECT_TRUE(all.admits_mdns(other)) << "it takes nothing from others";
}

}  // namespace
}  // namespace braid::braidctl
