#include "transport/tcp_socket.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>

namespace braid::transport::tcp {
namespace {

// Beyond this many the kernel's own time-out has met its maximum and says nothing any more.
constexpr unsigned kRetransmissionsCounted = 8;

// Seconds between two questions whether the peer is still there, and how many may go unanswered.
constexpr int kKeepaliveInterval = 5;
constexpr int kKeepaliveCount = 3;

void set_keepalive(int fd, int idle, int interval) {
  const int count = kKeepaliveCount;
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

}  // namespace

void prepare(int fd, std::chrono::seconds keepalive_idle) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  set_keepalive(fd, static_cast<int>(keepalive_idle.count()), kKeepaliveInterval);
  set_low_water(fd, 1);
}

void set_low_water(int fd, size_t size) {
  const int low_water = static_cast<int>(size);
  setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water);
}

// TCP_USER_TIMEOUT counts for what was sent; with keep-alive it is also what ends their series.
void set_peer_timeout(int fd, std::chrono::milliseconds limit) {
  const auto user_timeout = static_cast<unsigned>(limit.count());
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
  set_keepalive(fd, /*idle=*/1, /*interval=*/1);
}

void do_not_linger(int fd) {
  const linger none{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

uint64_t unacknowledged(int fd) {
  int count = 0;
  return ioctl(fd, SIOCOUTQ, &count) == 0 && count > 0 ? static_cast<uint64_t>(count) : 0;
}

bool is_peer_gone(int fd) {
  pollfd look{.fd = fd, .events = POLLRDHUP, .revents = 0};
  return ::poll(&look, 1, 0) > 0;
}

std::optional<Retransmissions> retransmissions(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 || info.tcpi_rto == 0) {
    return std::nullopt;
  }
  // The kernel's time-out has doubled with each of them, and starts again with what the peer
  // acknowledges.
  const unsigned count = std::min<unsigned>(info.tcpi_retransmits, kRetransmissionsCounted);
  return Retransmissions{.timeout = std::chrono::microseconds(info.tcpi_rto >> count),
                         .count = count};
}

}  // namespace braid::transport::tcp
