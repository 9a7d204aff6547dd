// PatientOpen: opens what may never answer, and does not wait for ever.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::vfs {

// For one path, which may lead to a disk that hangs: at most one thread of its own is in there at a
// time, and those who ask wait for it together. Whoever asks later than `patience` after it went in
// does not wait at all. Thread: any.
class PatientOpen {
 public:
  using Open = std::function<Result<UniqueFd>()>;
  // `open` may run after this object has gone.
  PatientOpen(Open open, std::chrono::milliseconds patience);

  // What `open` gives, of which nothing is kept; ETIMEDOUT; EAGAIN when no thread can be made.
  // Blocks for `patience` at most.
  Result<UniqueFd> ask();

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace braid::vfs
