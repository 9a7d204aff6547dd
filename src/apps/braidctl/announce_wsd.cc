#include "apps/braidctl/announce_wsd.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <utility>

#include "crypto/secret.h"

namespace braid::braidctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::use_awaitable;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr uint16_t kDiscoveryPort = 3'702;
constexpr uint16_t kMetadataPort = 5'357;
constexpr size_t kMetadataConnectionsMax = 16;
constexpr size_t kMetadataConnectionsOfOneMax = 4;
constexpr auto kMetadataTime = 10s;
// After an error that may be there again at once.
constexpr auto kPause = 100ms;

IpAddress discovery_group(int family) {
  return *IpAddress::parse(family == AF_INET ? "239.255.255.250" : "ff02::c");
}

size_t index_of_family(int family) { return family == AF_INET ? 0 : 1; }

}  // namespace

WsdEnvelope WsdOnLink::next() {
  uint8_t bytes[16];
  crypto::random_bytes(bytes);
  return {.message_id = "urn:uuid:" + uuid_of(bytes), .number = ++all_.wsd_number};
}

std::string WsdOnLink::metadata_of(int family) const {
  std::string out;
  for (const Metadata& each : metadata_) {
    if (each.address.family() != family) continue;
    const std::string host = IpAddress(each.address.bytes()).to_string();
    out +=
        fmt::format(fmt::runtime(family == AF_INET ? "{}http://{}:{}/{}" : "{}http://[{}]:{}/{}"),
                    out.empty() ? "" : " ", host, kMetadataPort, all_.uuid);
  }
  return out;
}

void WsdOnLink::say(int family, const std::string& text) {
  const auto& socket = sockets_[index_of_family(family)];
  if (!socket) return;
  const IpAddress group(discovery_group(family).bytes(), link_.index);
  error_code ignored;
  socket->send_to(asio::buffer(text), {asio_address(group), kDiscoveryPort}, 0, ignored);
}

void WsdOnLink::update(const ServedLink& link) {
  link_ = link;
  for (const int family : {AF_INET, AF_INET6}) update_family(family);
}

bool WsdOnLink::serve_metadata(const IpAddress& address) {
  const std::string text = IpAddress(address.bytes()).to_string();
  auto acceptor = std::make_shared<Tcp::acceptor>(all_.io);
  const Tcp::endpoint endpoint(
      asio_address(IpAddress(address.bytes(), address.is_link_local() ? link_.index : 0)),
      kMetadataPort);
  error_code error;
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error && !address.is_v4()) acceptor->set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(Tcp::acceptor::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    all_.complaints.say(
        "metadata " + text,
        fmt::format("Windows will not show this server by {}: another program, such as wsdd, has "
                    "TCP port {} there; end that, and this goes on by itself",
                    text, kMetadataPort));
    return false;
  }
  if (error) {
    all_.complaints.say("metadata " + text,
                        fmt::format("Windows will not show this server by {}: TCP port {}: {}",
                                    text, kMetadataPort, error.message()));
    return false;
  }
  all_.complaints.settle("metadata " + text);
  metadata_.push_back({address, acceptor});
  asio::co_spawn(all_.io, accept(shared_from_this(), acceptor), asio::detached);
  return true;
}

void WsdOnLink::update_family(int family) {
  auto& socket = sockets_[index_of_family(family)];
  const std::vector<IpAddress> wanted = link_.of_family(family);
  const auto changed = std::erase_if(metadata_, [&](const Metadata& each) {
    if (each.address.family() != family ||
        std::ranges::find(wanted, each.address) != wanted.end()) {
      return false;
    }
    error_code ignored;
    each.acceptor->close(ignored);
    return true;
  });
  if (wanted.empty()) {
    if (socket) {
      say(family, wsd_bye(all_.wsd, next()));
      error_code ignored;
      socket->close(ignored);
      socket.reset();
    }
    return;
  }
  bool has_news = changed > 0;
  for (const IpAddress& each : wanted) {
    if (std::ranges::find(metadata_, each, &Metadata::address) == metadata_.end()) {
      has_news |= serve_metadata(each);
    }
  }
  if (metadata_of(family).empty()) return;
  if (!socket) {
    auto opened = std::make_shared<Udp::socket>(all_.io);
    const std::string about = fmt::format("discovery {} {}", link_.name, family);
    if (const error_code error = open_on_link(
            *opened, link_, {.group = discovery_group(family), .port = kDiscoveryPort})) {
      all_.complaints.say(
          about, fmt::format("Windows will not show this server on {} over {}: UDP port {}: {}",
                             link_.name, family == AF_INET ? "IPv4" : "IPv6", kDiscoveryPort,
                             error.message()));
      return;
    }
    all_.complaints.settle(about);
    socket = opened;
    has_news = true;
    asio::co_spawn(all_.io, hear(shared_from_this(), opened), asio::detached);
  }
  send_from(*socket, link_, family);
  if (has_news) say(family, wsd_hello(all_.wsd, metadata_of(family), next()));
}

void WsdOnLink::end() {
  error_code ignored;
  for (const int family : {AF_INET, AF_INET6}) {
    auto& socket = sockets_[index_of_family(family)];
    if (!socket) continue;
    say(family, wsd_bye(all_.wsd, next()));
    socket->close(ignored);
    socket.reset();
  }
  for (const Metadata& each : metadata_) each.acceptor->close(ignored);
  metadata_.clear();
}

asio::awaitable<void> WsdOnLink::hear(std::shared_ptr<WsdOnLink> self,
                                      std::shared_ptr<Udp::socket> socket) {
  std::string text;
  while (socket->is_open()) {
    text.resize(kWsdMessageMax + 1);
    Udp::endpoint from;
    error_code error;
    const size_t size = co_await socket->async_receive_from(
        asio::buffer(text), from, asio::redirect_error(use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      asio::steady_timer pause(all_.io, kPause);
      co_await pause.async_wait(use_awaitable);
      continue;
    }
    text.resize(size);
    const IpAddress peer = ip_address_of(from.address());
    if (!link_.is_beside(peer)) continue;
    const auto request = parse_wsd(text);
    if (!request) continue;
    const bool is_for_us =
        request->kind == WsdRequest::Kind::kProbe
            ? request->is_of_our_kind
            : request->kind == WsdRequest::Kind::kResolve && request->endpoint == all_.wsd.id;
    const std::string place = metadata_of(peer.family());
    if (!is_for_us || place.empty() || !all_.wsd_answers.admit(peer)) continue;
    const std::string answer = wsd_matches(all_.wsd, place, next(), *request);
    socket->send_to(asio::buffer(answer), from, 0, error);
  }
}

asio::awaitable<void> WsdOnLink::accept(std::shared_ptr<WsdOnLink> self,
                                        std::shared_ptr<Tcp::acceptor> acceptor) {
  while (acceptor->is_open()) {
    error_code error;
    Tcp::socket socket =
        co_await acceptor->async_accept(asio::redirect_error(use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      asio::steady_timer pause(all_.io, kPause);
      co_await pause.async_wait(use_awaitable);
      continue;
    }
    const auto from = socket.remote_endpoint(error).address();
    if (error) continue;
    const IpAddress peer = ip_address_of(from);
    const std::string key = key_of(peer);
    if (!link_.is_beside(peer) || all_.connections >= kMetadataConnectionsMax ||
        all_.connections_of[key] >= kMetadataConnectionsOfOneMax) {
      continue;
    }
    asio::co_spawn(all_.io, tell(self, std::move(socket), key), asio::detached);
  }
}

asio::awaitable<void> WsdOnLink::tell(std::shared_ptr<WsdOnLink> self, Tcp::socket socket,
                                      std::string peer) {
  ++all_.connections;
  ++all_.connections_of[peer];
  try {
    co_await answer_get(std::move(socket));
  } catch (const std::exception&) {
    // Whatever is wrong with a connection ends it, and nothing else.
  }
  --all_.connections;
  if (--all_.connections_of[peer] == 0) all_.connections_of.erase(peer);
}

asio::awaitable<void> WsdOnLink::answer_get(Tcp::socket socket) {
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer(2 * kWsdMessageMax);
  http::request_parser<http::string_body> parser;
  parser.header_limit(kWsdMessageMax);
  parser.body_limit(kWsdMessageMax);
  stream.expires_after(kMetadataTime);
  error_code error;
  co_await http::async_read(stream, buffer, parser, asio::redirect_error(use_awaitable, error));
  if (error) co_return;
  const auto request = parse_wsd(parser.get().body());
  const bool is_good = parser.get().method() == http::verb::post &&
                       parser.get().target() == "/" + all_.uuid && request &&
                       request->kind == WsdRequest::Kind::kGet && request->endpoint == all_.wsd.id;
  http::response<http::string_body> response(is_good ? http::status::ok : http::status::bad_request,
                                             11);
  if (is_good) {
    response.set(http::field::content_type, "application/soap+xml");
    response.body() = wsd_metadata(all_.wsd, next(), *request);
  }
  response.keep_alive(false);
  response.prepare_payload();
  stream.expires_after(kMetadataTime);
  co_await http::async_write(stream, response, use_awaitable);
  stream.socket().shutdown(Tcp::socket::shutdown_send, error);
}

}  // namespace braid::braidctl
