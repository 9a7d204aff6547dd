// Doorbell: wakes another process that waits for a descriptor.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::transport::relay {

// Two sockets: one to ring, one to hear it, which is readable from ring() to clear(). Each process
// is given the one that it uses. Sockets, as a call can say of itself that it does not wait; what
// was said of a descriptor (O_NONBLOCK) whoever else has it takes back, and an eventfd that he has
// filled holds up who rings.
// Thread: any.
class Doorbell {
 public:
  static Result<Doorbell> make() {
    int fds[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return fail_last_os();
    return Doorbell(UniqueFd(fds[0]), UniqueFd(fds[1]));
  }
  // Those that came from the other process.
  static Doorbell to_ring(UniqueFd fd) { return {std::move(fd), {}}; }
  static Doorbell to_hear(UniqueFd fd) { return {{}, std::move(fd)}; }

  int ring_fd() const { return ring_.get(); }
  int hear_fd() const { return hear_.get(); }
  // Neither waits: full is rung, too, and what is left over is rung again.
  void ring() const {
    const uint8_t one = 1;
    [[maybe_unused]] const auto sent =
        ::send(ring_.get(), &one, sizeof one, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  void clear() const {
    std::array<uint8_t, 1024> rung;
    [[maybe_unused]] const auto got = ::recv(hear_.get(), rung.data(), rung.size(), MSG_DONTWAIT);
  }

 private:
  Doorbell(UniqueFd ring, UniqueFd hear) : ring_(std::move(ring)), hear_(std::move(hear)) {}

  UniqueFd ring_;
  UniqueFd hear_;
};

}  // namespace braid::transport::relay
