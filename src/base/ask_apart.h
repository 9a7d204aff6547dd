// ask_apart(): a question to something that may never answer, such as a disk that is away.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"

namespace braid {

// How long who asks a disk by the way waits. One that answers at all does so sooner, unless it has
// to spin up, and then it is there at the next question.
inline constexpr std::chrono::seconds kAskTime{2};

struct Told {
  std::string bytes;
  bool is_whole = false;  // `ask` has come to its end
};

// What `ask` writes to the descriptor it is given, until it returns or `limit` is over. In a
// process of its own, as a thread that waits for a disk keeps its process from ending; that process
// holds nothing of this one but its memory. Where this one has threads already, on another thread,
// which `ask` must not be wrong to outlive its caller on. Blocks for `limit` at most. Thread: any.
Result<Told> ask_apart(std::function<void(int)> ask, std::chrono::milliseconds limit = kAskTime);

}  // namespace braid
