#include "apps/braidd/listen.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string_view>

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
  return Listener{.socket = std::move(socket),
                  .address = show(endpoint, port),
                  .host = endpoint.address,
                  .port = port,
                  .wanted = show(endpoint, endpoint.port)};
}

// The one that the running server has for this, without its socket.
std::optional<Listener> find_running(const config::Endpoint& endpoint, Service service,
                                     const std::vector<Listener>& running) {
  const std::string wanted = show(endpoint, endpoint.port);
  for (size_t i = 0; i < running.size(); ++i) {
    const Listener& each = running[i];
    if (each.service != service || each.wanted != wanted) continue;
    return Listener{.socket = {},
                    .address = each.address,
                    .host = each.host,
                    .service = service,
                    .port = each.port,
                    .wanted = wanted,
                    .running = i};
  }
  return std::nullopt;
}

// `key`: of the configuration.
std::string advice(const config::Endpoint& endpoint, std::string_view key, Error error) {
  if (error.is_os(EADDRINUSE)) {
    return fmt::format("stop the server that has it or change {}", key);
  }
  if (error.is_os(EACCES)) {
    return key == "listen"
               ? fmt::format("port {} takes root; start as root or listen on a port above 1023",
                             endpoint.port)
               : fmt::format("port {} takes root; start as root or give {} a port above 1023",
                             endpoint.port, key);
  }
  if (error.is_os(EAFNOSUPPORT)) return "the machine has no IPv6; leave it out of listen";
  return "correct listen";
}

std::expected<std::vector<Listener>, std::string> open_for(
    const std::vector<config::Endpoint>& endpoints, std::string_view key,
    Service service = Service::kSmb, const std::vector<Listener>& running = {}) {
  std::vector<Listener> listeners;
  std::string left_out;
  for (const auto& endpoint : endpoints) {
    if (auto has = find_running(endpoint, service, running)) {
      listeners.push_back(std::move(*has));
      continue;
    }
    auto listener = open_listener(endpoint);
    if (listener) {
      listeners.push_back(std::move(*listener));
      continue;
    }
    const std::string complaint =
        fmt::format("cannot listen on {}: {}; {}", show(endpoint, endpoint.port),
                    listener.error().message(), advice(endpoint, key, listener.error()));
    if (!listener.error().is_os(EAFNOSUPPORT)) return std::unexpected(complaint);
    left_out = complaint;
  }
  if (listeners.empty()) return std::unexpected(left_out);
  if (!left_out.empty()) log::warn("{}", log::Whole{left_out});
  return listeners;
}

// Each address of SMB once, on the port. One that the kernel chooses for the first is that of all.
std::expected<std::vector<Listener>, std::string> open_rpc(const config::Server& server,
                                                           Service service,
                                                           const std::vector<Listener>& running) {
  const bool is_witness = service == Service::kWitness;
  const std::string_view key = is_witness ? "witness_port" : "epm_port";
  auto port = static_cast<uint16_t>(is_witness ? server.witness_port : server.epm_port);
  std::vector<Listener> all;
  std::vector<std::string> done;
  for (const config::Endpoint& smb : server.listen) {
    if (std::ranges::find(done, smb.address) != done.end()) continue;
    done.push_back(smb.address);
    auto opened = open_for({{smb.address, port}}, key, service, running);
    if (!opened) return opened;
    port = opened->front().port;
    opened->front().service = service;
    all.push_back(std::move(opened->front()));
  }
  return all;
}

}  // namespace

std::expected<std::vector<Listener>, std::string> open_listeners(
    const std::vector<config::Endpoint>& endpoints) {
  return open_for(endpoints, "listen");
}

std::expected<std::vector<Listener>, std::string> open_all_listeners(
    const config::Server& server, const std::vector<Listener>& running) {
  auto all = open_for(server.listen, "listen", Service::kSmb, running);
  if (!all || !server.witness) return all;
  // What SMB has left out for want of IPv6 is left out here.
  config::Server opened = server;
  opened.listen.clear();
  for (const Listener& listener : *all) opened.listen.push_back({listener.host, listener.port});
  for (const Service service : {Service::kEndpointMapper, Service::kWitness}) {
    auto more = open_rpc(opened, service, running);
    if (!more) return more;
    std::ranges::move(*more, std::back_inserter(*all));
  }
  return all;
}

uint16_t port_of(const std::vector<Listener>& listeners, Service service) {
  const auto found = std::ranges::find(listeners, service, &Listener::service);
  return found == listeners.end() ? 0 : found->port;
}

}  // namespace braid::braidd
