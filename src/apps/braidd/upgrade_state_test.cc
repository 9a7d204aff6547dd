#include "apps/braidd/upgrade_state.h"

#include <gtest/gtest.h>

namespace braid::braidd {
namespace {

ServerState state_of_two() {
  ServerState state;
  state.version = "1.2";
  state.config_file = "/etc/\xFF.toml";
  state.workers = 2;
  state.listeners.push_back({.fd = 7,
                             .address = "127.0.0.1:4450",
                             .host = "127.0.0.1",
                             .wanted = "127.0.0.1:0",
                             .service = Service::kWitness,
                             .port = 4450});
  for (const char* const name : {"worker 0", "worker 1", "front"}) {
    state.children.push_back({.name = name, .arguments = {"a", "b"}, .pid = 12, .control = 5});
  }
  state.attempts = 3;
  state.failure = "why \xFF";
  state.handed_over = 4;
  state.pause_us = 5;
  state.shared = {8, 9};
  return state;
}

TEST(ServerStateText, ComesBackAsItWas) {
  const auto back = decode_server_state(encode(state_of_two()));
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(back->workers, 2u);
  EXPECT_EQ(back->listeners.at(0).wanted, "127.0.0.1:0");
  EXPECT_EQ(back->listeners[0].service, Service::kWitness);
  EXPECT_EQ(back->listeners[0].port, 4450);
  EXPECT_EQ(back->children.at(2).name, "front");
  EXPECT_EQ(back->children[1].arguments, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(back->children[1].pid, 12);
  EXPECT_EQ(back->attempts, 3u);
  EXPECT_EQ(back->failure, "why \xEF\xBF\xBD");
  EXPECT_EQ(back->handed_over, 4u);
  EXPECT_EQ(back->pause_us, 5u);
  EXPECT_EQ(back->shared, (std::vector<int>{8, 9}));
}

// Another version may say more, or not yet as much.
TEST(ServerStateText, OfAnotherVersionIsUnderstood) {
  std::string text = encode(state_of_two());
  text.insert(1, R"("colour": {"of": "the bicycle shed"}, )");
  EXPECT_TRUE(decode_server_state(text));
}

TEST(ServerStateText, WhatIsNotWholeIsNone) {
  EXPECT_FALSE(decode_server_state(""));
  EXPECT_FALSE(decode_server_state("[]"));
  EXPECT_FALSE(decode_server_state("{}"));
  EXPECT_FALSE(decode_server_state(R"({"workers": "two"})"));
  ServerState state = state_of_two();
  state.children.pop_back();
  EXPECT_FALSE(decode_server_state(encode(state)));
}

}  // namespace
}  // namespace braid::braidd
