#include "base/peer_address.h"

#include <netinet/in.h>

#include <cstring>

namespace braid {

PeerAddress peer_address(const sockaddr_storage& peer) {
  PeerAddress address{};
  if (peer.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &peer, sizeof v4);
    std::memcpy(address.data() + 4, &v4.sin_addr, 4);
  } else if (peer.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &peer, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      std::memcpy(address.data() + 4, v6.sin6_addr.s6_addr + 12, 4);
    } else {
      std::memcpy(address.data(), &v6.sin6_addr, address.size());
    }
  }
  return address;
}

PeerAddress peer_address_of(int socket) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return {};
  return peer_address(peer);
}

}  // namespace braid
