// What administrators are told about a connection.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace braid::smb2 {

// Written on the connection's reactor, read on any thread; each number is true by itself. What the
// transport counts (sent, unacknowledged) is asked of the transport.
struct ConnectionCounters {
  std::atomic<uint64_t> bytes_received = 0;  // framing included
  std::atomic<uint64_t> requests = 0;
  std::atomic<Clock::Instant> last_frame = Clock::Instant{};  // when it was received
  // Data of READ and WRITE that network cards moved, both ways; and of that how much was copied
  // once more between their memory and other memory, which is what is protected, or of pipes, or
  // found no room in the cards' memory.
  std::atomic<uint64_t> bytes_placed = 0;
  std::atomic<uint64_t> bytes_copied = 0;
  std::atomic<uint32_t> requests_in_flight = 0;  // those with an interim response among them

  // Only the reactor adds, so no locked instruction is needed.
  template <class Value>
  static void add(std::atomic<Value>& counter, Value value) {
    counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
  }
};

}  // namespace braid::smb2
