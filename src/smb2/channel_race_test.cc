#include "smb2/channel_race_testing.h"

#include <gtest/gtest.h>

#include <random>

namespace braid::smb2 {
namespace {

// LOGOFF, TREE_DISCONNECT, CLOSE, CREATE and lost connections at once: nothing hangs, and nothing
// is left. The thread and address sanitizers see what happens between.
TEST(ChannelRace, ScriptsBySeedLeaveNothing) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Bytes script(160);
    for (uint8_t& byte : script) byte = static_cast<uint8_t>(random());
    ChannelRace().play(script);
  }
}

// Most of the time a session lives, with a few ends among many opens.
TEST(ChannelRace, BusySessionsLeaveNothing) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Bytes script(192);
    for (size_t i = 0; i < script.size(); i += 2) {
      const uint32_t operation = random() % 16 == 0 ? random() % 20 : random() % 11;
      script[i] = static_cast<uint8_t>(operation << 1 | (random() & 1));
      script[i + 1] = static_cast<uint8_t>(random());
    }
    ChannelRace().play(script);
  }
}

}  // namespace
}  // namespace braid::smb2
