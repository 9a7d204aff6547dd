// Doorbell: wakes another process that waits for a descriptor.
#pragma once

#include <sys/eventfd.h>

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::transport::relay {

// An eventfd: readable from ring() to clear(), however often it was rung. Either end may have it.
// Thread: any.
class Doorbell {
 public:
  static Result<Doorbell> make() {
    UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd) return fail_last_os();
    return Doorbell(std::move(fd));
  }
  // One that came from the other process.
  explicit Doorbell(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  // Neither waits: full is rung, too.
  void ring() const {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof one);
  }
  void clear() const {
    uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(fd_.get(), &count, sizeof count);
  }

 private:
  UniqueFd fd_;
};

}  // namespace braid::transport::relay
