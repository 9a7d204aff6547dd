#include "transport/socket_address.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace braid::transport {
namespace {

TEST(SocketAddress, TextRoundTrip) {
  for (const char* text : {"127.0.0.1:445", "[::1]:4450", "[fe80::1%1]:1", "0.0.0.0:0"}) {
    auto address = SocketAddress::parse_with_port(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(SocketAddress, BadTextIsMalformed) {
  for (const char* text :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:1x", "::1", "[::1]",
        "[127.0.0.1]:1", "localhost:445", "[fe80::1%nonesuch]:1", "1.2.3:4", "127.0.0.1%1:4"}) {
    auto address = SocketAddress::parse_with_port(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error(), Error::malformed()) << text;
  }
}

TEST(SocketAddress, MappedAddressBecomesPlain) {
  auto address = SocketAddress::parse("::ffff:192.0.2.7", 445);
  ASSERT_TRUE(address);
  EXPECT_EQ(address->family(), AF_INET);
  EXPECT_EQ(address->host(), "192.0.2.7");
  EXPECT_EQ(address->port(), 445);
}

TEST(SocketAddress, EmptyOneHasNoText) {
  EXPECT_EQ(SocketAddress().to_string(), "");
  sockaddr_in cut{};
  cut.sin_family = AF_INET;
  EXPECT_EQ(SocketAddress(reinterpret_cast<const sockaddr*>(&cut), 4), SocketAddress());
}

}  // namespace
}  // namespace braid::transport
