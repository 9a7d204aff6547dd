#include "apps/braidd/listen.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "apps/braidd/limits.h"
#include "base/log.h"
#include "base/result.h"
#include "transport/socket_address.h"

namespace braid::braidd {
namespace {

std::string show(const config::Endpoint& endpoint, uint16_t port) {
  return endpoint.address.contains(':') ? fmt::format("[{}]:{}", endpoint.address, port)
                                        : fmt::format("{}:{}", endpoint.address, port);
}

Result<Listener> open_listener(const config::Endpoint& endpoint) {
  BRAID_TRY(const auto address, transport::SocketAddress::parse(endpoint.address, endpoint.port));
  UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return fail_last_os();
  const int on = 1;
  // Connections of an earlier server that linger in TIME_WAIT must not keep this one from starting.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6) {
    // "::" and "0.0.0.0" are two endpoints of one port.
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  bool is_there = true;
  if (::bind(socket.get(), address.data(), address.size()) != 0) {
    if (errno != EADDRNOTAVAIL) return fail_last_os();
    // An address that comes later: a link that is not up yet, a cluster's. IPv6 has the same one.
    is_there = false;
    ::setsockopt(socket.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
    if (::bind(socket.get(), address.data(), address.size()) != 0) return fail_last_os();
  }
  if (::listen(socket.get(), kListenBacklog) != 0) return fail_last_os();

  const uint16_t port = transport::SocketAddress::local_of(socket.get()).port();
  if (!is_there) {
    log::warn(
        "the machine has no address {} yet; clients reach it there when it has, without a "
        "restart",
        endpoint.address);
  }
  return Listener{std::move(socket), show(endpoint, port)};
}

std::string advice(const config::Endpoint& endpoint, Error error) {
  if (error.is_os(EADDRINUSE)) return "stop the server that has it or change listen";
  if (error.is_os(EACCES)) {
    return fmt::format("port {} takes root; start as root or listen on a port above 1023",
                       endpoint.port);
  }
  if (error.is_os(EAFNOSUPPORT)) return "the machine has no IPv6; leave it out of listen";
  return "correct listen";
}

}  // namespace

std::expected<std::vector<Listener>, std::string> open_listeners(
    const std::vector<config::Endpoint>& endpoints) {
  std::vector<Listener> listeners;
  std::string left_out;
  for (const auto& endpoint : endpoints) {
    auto listener = open_listener(endpoint);
    if (listener) {
      listeners.push_back(std::move(*listener));
      continue;
    }
    const std::string complaint =
        fmt::format("cannot listen on {}: {}; {}", show(endpoint, endpoint.port),
                    listener.error().message(), advice(endpoint, listener.error()));
    if (!listener.error().is_os(EAFNOSUPPORT)) return std::unexpected(complaint);
    left_out = complaint;
  }
  if (listeners.empty()) return std::unexpected(left_out);
  if (!left_out.empty()) log::warn("{}", log::Whole{left_out});
  return listeners;
}

}  // namespace braid::braidd
