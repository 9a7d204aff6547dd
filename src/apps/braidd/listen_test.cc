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

}  // namespace
}  // namespace braid::braidd
