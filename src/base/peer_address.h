// PeerAddress: whom a limit for each address counts.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>

namespace braid {

// An IPv4 address, also one that is mapped into IPv6, or the /64 that one IPv6 host owns. All zero
// for what has no address.
using PeerAddress = std::array<uint8_t, 8>;
PeerAddress peer_address(const sockaddr_storage& peer);
// Of a connected socket.
PeerAddress peer_address_of(int socket);

}  // namespace braid
