#include "apps/braidctl/announce_mdns.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/log.h"
#include "crypto/secret.h"

namespace braid::braidctl {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr int kMdnsHops = 255;  // RFC 6762, 11 "Source Address Check"

IpAddress mdns_group(int family) {
  return *IpAddress::parse(family == AF_INET ? "224.0.0.251" : "ff02::fb");
}

uint32_t random_below(uint32_t below) {
  uint8_t bytes[2];
  crypto::random_bytes(bytes);
  return (bytes[0] << 8 | bytes[1]) % below;
}

}  // namespace

MdnsOnLink::MdnsOnLink(AnnounceContext& all, ServedLink link)
    : all_(all), link_(std::move(link)), responder_(all.mdns, random_below), clock_(all.io) {}

void MdnsOnLink::open_family(int family) {
  auto& socket = sockets_[family == AF_INET ? 0 : 1];
  if (link_.of_family(family).empty()) {
    error_code ignored;
    if (socket) socket->close(ignored);
    socket.reset();
    return;
  }
  if (!socket) {
    auto opened = std::make_shared<Udp::socket>(all_.io);
    const std::string about = fmt::format("mdns {} {}", link_.name, family);
    if (const error_code error = open_on_link(*opened, link_,
                                              {.group = mdns_group(family),
                                               .port = kMdnsPort,
                                               .hops = kMdnsHops,
                                               .is_group_only = true,
                                               .hears_itself = true})) {
      all_.complaints.say(
          about,
          fmt::format("Macs and Linux will not find this server on {} over {}: UDP port "
                      "{}: {}",
                      link_.name, family == AF_INET ? "IPv4" : "IPv6", kMdnsPort, error.message()));
      return;
    }
    all_.complaints.settle(about);
    socket = opened;
    asio::co_spawn(all_.io, hear(shared_from_this(), opened), asio::detached);
  }
  send_from(*socket, link_, family);
}

void MdnsOnLink::update(const ServedLink& link) {
  link_ = link;
  for (const int family : {AF_INET, AF_INET6}) open_family(family);
  if (!sockets_[0] && !sockets_[1]) return;
  std::vector<IpAddress> addresses;
  for (const auto& each : link_.addresses) addresses.push_back(IpAddress(each.address.bytes()));
  responder_.set_addresses(std::move(addresses), std::chrono::steady_clock::now());
  go_on();
}

void MdnsOnLink::send(const std::vector<MdnsResponder::Packet>& packets) {
  for (const auto& packet : packets) {
    all_.sent.add(packet.datagram);
    for (const int family : {AF_INET, AF_INET6}) {
      const auto& socket = sockets_[family == AF_INET ? 0 : 1];
      if (!socket || packet.family.value_or(family) != family) continue;
      const IpAddress group(mdns_group(family).bytes(), link_.index);
      const Udp::endpoint to =
          packet.to ? Udp::endpoint(asio_address(packet.to->address), packet.to->port)
                    : Udp::endpoint(asio_address(group), kMdnsPort);
      error_code ignored;
      socket->send_to(asio::buffer(packet.datagram), to, 0, ignored);
    }
  }
}

void MdnsOnLink::go_on() {
  const auto now = std::chrono::steady_clock::now();
  send(responder_.take(now));
  if (responder_.is_settled()) {
    std::string names =
        fmt::format("{} and {}", responder_.instance_name(), responder_.host_name());
    if (names != said_) {
      said_ = std::move(names);
      log::info("found as {} on {}", said_, link_.name);
    }
  }
  const auto next = responder_.next();
  if (!next) {
    clock_.cancel();
    return;
  }
  clock_.expires_at(std::max(*next, now));
  clock_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error && !self->is_over_) self->go_on();
  });
}

void MdnsOnLink::end() {
  send(responder_.goodbye());
  is_over_ = true;
  clock_.cancel();
  for (auto& socket : sockets_) {
    error_code ignored;
    if (socket) socket->close(ignored);
    socket.reset();
  }
}

asio::awaitable<void> MdnsOnLink::hear(std::shared_ptr<MdnsOnLink> self,
                                       std::shared_ptr<Udp::socket> socket) {
  Bytes datagram;
  while (socket->is_open()) {
    datagram.resize(kMdnsMessageMax + 1);
    Udp::endpoint from;
    error_code error;
    const size_t size = co_await socket->async_receive_from(
        asio::buffer(datagram), from, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      asio::steady_timer pause(all_.io, 100ms);
      co_await pause.async_wait(asio::use_awaitable);
      continue;
    }
    datagram.resize(size);
    const IpAddress peer = ip_address_of(from.address());
    const bool is_own = all_.is_own(peer);
    if (!is_own && !link_.is_beside(peer)) continue;
    if (is_own && all_.sent.has(datagram)) continue;
    if (!all_.admits_mdns(peer)) continue;
    const auto message = parse_mdns(datagram);
    if (!message || is_over_) continue;
    responder_.hear(*message, {.address = peer, .port = from.port(), .is_this_machine = is_own},
                    std::chrono::steady_clock::now());
    go_on();
  }
}

}  // namespace braid::braidctl
