#include "network/rdma_listeners.h"

#include <gtest/gtest.h>

#include <string>

namespace braid::network {
namespace {

Offer offer_of(const char* address, const char* device, bool is_iwarp = false) {
  Offer offer;
  offer.address.address = *IpAddress::parse(address);
  offer.rdma_device = device;
  offer.rdma_is_iwarp = is_iwarp;
  return offer;
}

TEST(RdmaListeners, NobodyListensAtFirstAndAfterTheEnd) {
  RdmaListeners listeners;
  EXPECT_FALSE(listeners.covers(offer_of("192.0.2.1", "mlx5_0")));
  listeners.add(*IpAddress::parse("192.0.2.1"));
  EXPECT_TRUE(listeners.covers(offer_of("192.0.2.1", "mlx5_0")));
  listeners.clear();
  EXPECT_FALSE(listeners.covers(offer_of("192.0.2.1", "mlx5_0")));
}

TEST(RdmaListeners, AnAddressIsItself) {
  RdmaListeners listeners;
  listeners.add(*IpAddress::parse("192.0.2.1"));
  EXPECT_FALSE(listeners.covers(offer_of("192.0.2.2", "mlx5_0")));
  EXPECT_TRUE(listeners.covers(offer_of("192.0.2.1", "")));
}

TEST(RdmaListeners, TheWildcardIsWhatCardsHaveOfItsFamily) {
  RdmaListeners listeners;
  listeners.add(*IpAddress::parse("0.0.0.0"));
  EXPECT_TRUE(listeners.covers(offer_of("192.0.2.1", "mlx5_0")));
  EXPECT_FALSE(listeners.covers(offer_of("192.0.2.1", "")));
  EXPECT_FALSE(listeners.covers(offer_of("2001:db8::1", "mlx5_0")));
  listeners.add(*IpAddress::parse("::"));
  EXPECT_TRUE(listeners.covers(offer_of("2001:db8::1", "mlx5_0")));
}

TEST(RdmaListeners, IwarpIsNotServed) {
  RdmaListeners listeners;
  listeners.add(*IpAddress::parse("192.0.2.1"));
  EXPECT_FALSE(listeners.covers(offer_of("192.0.2.1", "siw0", true)));
}

// As the process with the cards says it, whoever has that.
TEST(RdmaListeners, HowManyThereAreHasALimit) {
  RdmaListeners listeners;
  const auto address = [](size_t i) {
    return *IpAddress::parse("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256));
  };
  for (size_t i = 0; i < RdmaListeners::kAddressesMax; ++i) EXPECT_TRUE(listeners.add(address(i)));
  EXPECT_FALSE(listeners.add(address(RdmaListeners::kAddressesMax)));
  EXPECT_TRUE(listeners.add(address(0))) << "it is there already";
}

}  // namespace
}  // namespace braid::network
