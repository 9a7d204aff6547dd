// SocketAddress: an IPv4 or IPv6 address with a port.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace braid::transport {

// A value. The empty one (family AF_UNSPEC) stands for "no address", as of a MemoryTransport.
class SocketAddress {
 public:
  SocketAddress() = default;
  // IPv4 addresses mapped into IPv6 become plain IPv4, so that one client has one address.
  SocketAddress(const sockaddr* address, socklen_t length);
  // "127.0.0.1", "::1", "fe80::1%eth0": numeric only, no name is looked up. kMalformed otherwise.
  static Result<SocketAddress> parse(std::string_view host, uint16_t port);
  // "127.0.0.1:445", "[::1]:445".
  static Result<SocketAddress> parse_with_port(std::string_view text);
  // The two ends of a socket.
  static SocketAddress local_of(int fd);
  static SocketAddress peer_of(int fd);

  int family() const { return storage_.ss_family; }
  uint16_t port() const;
  // Without the port: "127.0.0.1", "fe80::1%2"; "" for the empty address.
  std::string host() const;
  // Whom a limit for each address counts: host(), and for IPv6 the /64 that one owner has.
  std::string network() const;
  // "127.0.0.1:445", "[::1]:445"; "" for the empty address.
  std::string to_string() const;
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return length_; }

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) {
    return a.to_string() == b.to_string();
  }

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

}  // namespace braid::transport
