#include "apps/braidd/listen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace braid::braidd {
namespace {

using testing::HasSubstr;

TEST(Listen, PortZeroIsReplacedByTheOneThatWasChosen) {
  const auto listeners = open_listeners({{"127.0.0.1", 0}});
  ASSERT_TRUE(listeners);
  EXPECT_FALSE(listeners->front().address.ends_with(":0"));
}

TEST(Listen, PortInUseIsOneLine) {
  const auto first = open_listeners({{"127.0.0.1", 0}});
  ASSERT_TRUE(first);
  const std::string& address = first->front().address;
  const auto port = static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
  const auto second = open_listeners({{"127.0.0.1", port}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), "cannot listen on " + address +
                                ": Address already in use; stop the server that has it or change "
                                "listen");
}

// It may come later: a link that is not up yet, the address of a cluster.
TEST(Listen, AddressThatIsNotThereIsListenedTo) {
  for (const char* address : {"192.0.2.1", "2001:db8::1"}) {
    const auto listeners = open_listeners({{address, 0}});
    ASSERT_TRUE(listeners) << listeners.error();
    EXPECT_THAT(listeners->front().address, HasSubstr(address));
  }
}

TEST(Listen, WitnessHasOnePortOnEachAddressOnce) {
  config::Server server;
  server.listen = {{"127.0.0.1", 0}, {"127.0.0.1", 0}, {"127.0.0.2", 0}};
  server.witness = true;
  server.witness_port = 0;
  server.epm_port = 0;
  const auto listeners = open_all_listeners(server);
  ASSERT_TRUE(listeners) << listeners.error();
  ASSERT_EQ(listeners->size(), 3u + 2 + 2);
  const uint16_t port = port_of(*listeners, Service::kWitness);
  EXPECT_NE(port, 0);
  for (const Listener& listener : *listeners) {
    if (listener.service == Service::kWitness) EXPECT_EQ(listener.port, port);
    EXPECT_NE(listener.port, 0);
  }
  server.witness = false;
  EXPECT_EQ(open_all_listeners(server)->size(), 3u);
}

TEST(Listen, PortOfWitnessThatIsTakenNamesItsKey) {
  const auto taken = open_listeners({{"127.0.0.1", 0}});
  ASSERT_TRUE(taken);
  config::Server server;
  server.listen = {{"127.0.0.1", 0}};
  server.witness = true;
  server.witness_port = 0;
  server.epm_port = taken->front().port;
  const auto listeners = open_all_listeners(server);
  ASSERT_FALSE(listeners);
  EXPECT_THAT(listeners.error(), testing::HasSubstr("or change epm_port"));
}

}  // namespace
}  // namespace braid::braidd
