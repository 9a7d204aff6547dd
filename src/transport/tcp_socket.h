// What is asked of the kernel about a TCP socket, and set there. Each works on an open descriptor.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace braid::transport::tcp {

// No delay for small messages, and keep-alive questions after so long a silence.
void prepare(int fd, std::chrono::seconds keepalive_idle);
// A peer that acknowledges nothing for `limit` is gone, whether something was sent or not.
void set_peer_timeout(int fd, std::chrono::milliseconds limit);
// From now on the socket is readable when there are so many bytes, or no more can come: the kernel
// says so too when it has no more room. 1 is what it begins with, wherever the socket comes from.
void set_low_water(int fd, size_t size);
// What the kernel still holds for the peer goes with the socket.
void do_not_linger(int fd);

// Whether the peer has ended the stream, or the connection is lost; bytes may still be there to
// read.
bool is_peer_gone(int fd);

// Bytes the kernel has taken and the peer has not acknowledged; 0 for a socket that does not know.
uint64_t unacknowledged(int fd);

// Of what the peer has not acknowledged.
struct Retransmissions {
  std::chrono::microseconds timeout;  // before the first
  unsigned count;
  // For at least how long the peer has acknowledged nothing of what it was sent.
  std::chrono::microseconds silence() const { return timeout * ((1 << count) - 1); }
};
// Nothing for a socket that does not know.
std::optional<Retransmissions> retransmissions(int fd);
inline constexpr std::chrono::microseconds kRetransmissionTimeoutUnknown = std::chrono::seconds(1);

}  // namespace braid::transport::tcp
