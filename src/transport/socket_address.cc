#include "transport/socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

#include "base/ip_address.h"

namespace braid::transport {

namespace {

const sockaddr_in& as_v4(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in&>(storage);
}
const sockaddr_in6& as_v6(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in6&>(storage);
}

SocketAddress from_v4(in_addr address, uint16_t port_be) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = port_be;
  v4.sin_addr = address;
  return SocketAddress(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
}

}  // namespace

SocketAddress::SocketAddress(const sockaddr* address, socklen_t length) {
  if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      in_addr v4;
      std::memcpy(&v4, v6.sin6_addr.s6_addr + 12, sizeof v4);
      *this = from_v4(v4, v6.sin6_port);
      return;
    }
    std::memcpy(&storage_, &v6, sizeof v6);
    length_ = sizeof v6;
  } else if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    std::memcpy(&storage_, address, sizeof(sockaddr_in));
    length_ = sizeof(sockaddr_in);
  }
}

Result<SocketAddress> SocketAddress::parse(std::string_view host, uint16_t port) {
  const std::string_view text = host.substr(0, host.find('%'));
  const auto address = IpAddress::parse(text);
  if (!address) return fail(Error::malformed());
  if (address->is_v4()) {
    if (text.size() < host.size()) return fail(Error::malformed());
    in_addr v4;
    std::memcpy(&v4, address->bytes().data(), sizeof v4);
    return from_v4(v4, htons(port));
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  std::memcpy(&v6.sin6_addr, address->bytes().data(), sizeof v6.sin6_addr);
  if (text.size() < host.size()) {
    const std::string zone(host.substr(text.size() + 1));
    v6.sin6_scope_id = if_nametoindex(zone.c_str());
    if (v6.sin6_scope_id == 0) {
      const auto end = zone.data() + zone.size();
      const auto parsed = std::from_chars(zone.data(), end, v6.sin6_scope_id);
      if (parsed.ec != std::errc() || parsed.ptr != end) return fail(Error::malformed());
    }
  }
  return SocketAddress(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

Result<SocketAddress> SocketAddress::parse_with_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail(Error::malformed());
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    return fail(Error::malformed());
  }
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  // Without brackets it would not be clear where an IPv6 address ends.
  if (bracketed != (host.find(':') != std::string_view::npos)) return fail(Error::malformed());
  return parse(host, port);
}

SocketAddress SocketAddress::local_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return {reinterpret_cast<const sockaddr*>(&storage), length};
}

SocketAddress SocketAddress::peer_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return {reinterpret_cast<const sockaddr*>(&storage), length};
}

uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(as_v4(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(as_v6(storage_).sin6_port);
  return 0;
}

std::string SocketAddress::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &as_v4(storage_).sin_addr, text, sizeof text);
    return text;
  }
  if (family() != AF_INET6) return "";
  inet_ntop(AF_INET6, &as_v6(storage_).sin6_addr, text, sizeof text);
  const uint32_t scope = as_v6(storage_).sin6_scope_id;
  return scope == 0 ? text : std::string(text) + "%" + std::to_string(scope);
}

std::string SocketAddress::network() const {
  if (family() != AF_INET6) return host();
  SocketAddress first = *this;
  auto& v6 = reinterpret_cast<sockaddr_in6&>(first.storage_);
  std::memset(v6.sin6_addr.s6_addr + 8, 0, 8);
  return first.host();
}

std::string SocketAddress::to_string() const {
  if (family() == AF_INET) return host() + ":" + std::to_string(port());
  if (family() == AF_INET6) return "[" + host() + "]:" + std::to_string(port());
  return "";
}

}  // namespace braid::transport
