// Outbox: messages to the other process of a relay, in a ring and behind it.
#pragma once

#include <deque>

#include "base/guarded.h"
#include "transport/relay/doorbell.h"
#include "transport/relay/ring.h"

namespace braid::transport::relay {

// Never waits: what the ring has no room for is kept here until flush(), up to `messages_max`,
// above what an honest other side leaves unread: it is to be given up then. Thread: any.
class Outbox {
 public:
  // `bell` wakes the other side, and outlives this as the memory does.
  Outbox(MutableByteView memory, const Doorbell& bell, size_t messages_max)
      : state_(memory), bell_(bell), messages_max_(messages_max) {}

  // What the other side has broken takes nothing more; its reader finds that out, too.
  // False: it is full.
  bool put(Bytes message) {
    auto state = state_.lock();
    if (state->waiting.size() >= messages_max_) {
      state->is_full = true;
      return false;
    }
    state->waiting.push_back(std::move(message));
    flush(*state);
    return true;
  }
  // Whether something was not taken.
  bool is_full() const { return state_.lock()->is_full; }
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
    bool is_full = false;
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
  const size_t messages_max_;
};

}  // namespace braid::transport::relay
