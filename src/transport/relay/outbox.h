// Outbox: messages to the other process of a relay, in a ring and behind it.
#pragma once

#include <deque>

#include "base/guarded.h"
#include "transport/relay/doorbell.h"
#include "transport/relay/ring.h"

namespace braid::transport::relay {

// Never waits: what the ring has no room for is kept here until flush(). How much that may be is
// bounded by what is said: a message or two for all that was posted. Thread: any.
class Outbox {
 public:
  // `bell` wakes the other side, and outlives this as the memory does.
  Outbox(MutableByteView memory, const Doorbell& bell) : state_(memory), bell_(bell) {}

  // What the other side has broken takes nothing more; its reader finds that out, too.
  void put(Bytes message) {
    auto state = state_.lock();
    state->waiting.push_back(std::move(message));
    flush(*state);
  }
  // When this side was woken. False: there is more than the ring has room for, and a wake to come.
  bool flush() {
    auto state = state_.lock();
    return flush(*state);
  }

 private:
  struct State {
    explicit State(MutableByteView memory) : writer(memory) {}
    RingWriter writer;
    std::deque<Bytes> waiting;
  };
  bool flush(State& state) {
    bool has_put = false;
    while (!state.waiting.empty()) {
      const auto put = state.writer.put(ByteView(state.waiting.front()));
      if (!put) {
        state.waiting.clear();  // broken
      } else if (*put) {
        state.waiting.pop_front();
        has_put = true;
      } else if (state.writer.sleep(state.waiting.front().size()).value_or(true)) {
        break;
      }
    }
    if (has_put && state.writer.must_wake()) bell_.ring();
    return state.waiting.empty();
  }

  Guarded<State> state_;
  const Doorbell& bell_;
};

}  // namespace braid::transport::relay
