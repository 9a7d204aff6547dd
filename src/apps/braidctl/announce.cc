#include "apps/braidctl/announce.h"

#include <fmt/format.h>
#include <grp.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/braidctl/output.h"
#include "apps/braidctl/wsd_message.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/log_prepare.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "runtime/asio.h"

namespace braid::braidctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::use_awaitable;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr uint16_t kSmbPort = 445;  // the only one that who finds a name will try
constexpr uint16_t kDiscoveryPort = 3'702;
constexpr uint16_t kMetadataPort = 5'357;
const auto kGroup = asio::ip::make_address_v4("239.255.255.250");
constexpr auto kBetweenAddressLooks = 5s;  // at the machine's addresses
// Answers to neighbours: of a second, and of metadata at once; and what of it one address has.
constexpr size_t kAnswersMax = 50;
constexpr size_t kAnswersOfOneMax = 5;
constexpr size_t kMetadataConnectionsMax = 16;
constexpr size_t kMetadataConnectionsOfOneMax = 4;
constexpr auto kMetadataTime = 10s;
constexpr uid_t kNobody = 65'534;

// An address of this machine, and who is beside it.
struct Neighbourhood {
  asio::ip::address_v4 address;
  asio::ip::address_v4 mask;
  bool operator==(const Neighbourhood&) const = default;
  bool is_beside(const asio::ip::address_v4& other) const {
    return (address.to_uint() & mask.to_uint()) == (other.to_uint() & mask.to_uint());
  }
};

asio::ip::address_v4 address_of(const sockaddr* address) {
  sockaddr_in in{};
  std::memcpy(&in, address, sizeof in);
  return asio::ip::address_v4(ntohl(in.sin_addr.s_addr));
}

bool is_served(const config::Server& server, const asio::ip::address_v4& address) {
  return std::ranges::any_of(server.listen, [&](const config::Endpoint& each) {
    return each.port == kSmbPort &&
           (each.address == "0.0.0.0" || each.address == address.to_string());
  });
}

std::vector<Neighbourhood> places_of(const config::Server& server) {
  std::vector<Neighbourhood> places;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return places;
  for (const ifaddrs* each = all; each; each = each->ifa_next) {
    constexpr unsigned kNeeded = IFF_UP | IFF_MULTICAST;
    if (!each->ifa_addr || !each->ifa_netmask || each->ifa_addr->sa_family != AF_INET ||
        (each->ifa_flags & (kNeeded | IFF_LOOPBACK)) != kNeeded) {
      continue;
    }
    const Neighbourhood place{address_of(each->ifa_addr), address_of(each->ifa_netmask)};
    if (is_served(server, place.address)) places.push_back(place);
  }
  ::freeifaddrs(all);
  return places;
}

std::string uuid_of(ByteView bytes) {
  std::string out;
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    uint8_t byte = bytes[i];
    // RFC 9562, 5.8: of our own making.
    if (i == 6) byte = (byte & 0x0F) | 0x80;
    if (i == 8) byte = (byte & 0x3F) | 0x80;
    fmt::format_to(std::back_inserter(out), "{:02x}", byte);
  }
  return out;
}

// The same for each start, and of no use to find the machine's id, machine-id(5).
std::string uuid_of_server(const std::string& name) {
  std::ifstream in("/etc/machine-id");
  const std::string machine{std::istreambuf_iterator<char>(in), {}};
  return uuid_of(crypto::sha256(as_bytes("braid announces " + machine + name)));
}

void give_up_rights() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::geteuid() == 0 &&
      (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
       ::setresuid(kNobody, kNobody, kNobody) != 0)) {
    log::error("this process cannot give up root; it will not run with it");
    std::exit(1);
  }
}

// Who announces: a socket of all places, and metadata at each. Thread: that of run().
class Announcer {
 public:
  Announcer(const config::Server& server, std::string uuid)
      : server_(server), uuid_(std::move(uuid)), clock_(io_), signals_(io_, SIGTERM, SIGINT) {
    who_.id = "urn:uuid:" + uuid_;
    who_.name = server.name;
    who_.workgroup = "WORKGROUP";
    who_.instance = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                              std::chrono::system_clock::now().time_since_epoch())
                                              .count());
  }

  // An error: why it cannot.
  error_code open() {
    error_code error;
    socket_.open(udp::v4(), error);
    if (!error) socket_.set_option(udp::socket::reuse_address(true), error);
    // Only of groups that this socket has joined, and no further than this network.
    const int off = 0;
    ::setsockopt(socket_.native_handle(), IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off);
    if (!error) socket_.set_option(asio::ip::multicast::hops(1), error);
    if (!error) socket_.set_option(asio::ip::multicast::enable_loopback(false), error);
    if (!error) socket_.bind({udp::v4(), kDiscoveryPort}, error);
    return error;
  }

  void run() {
    asio::co_spawn(io_, look_for_places(), asio::detached);
    asio::co_spawn(io_, hear(), asio::detached);
    signals_.async_wait([this](const error_code&, int) {
      for (const Served& each : served_) say(each.place, wsd_bye(who_, next()));
      io_.stop();
    });
    io_.run();
  }

 private:
  struct Served {
    Neighbourhood place;
    std::shared_ptr<tcp::acceptor> metadata;
  };

  WsdEnvelope next() {
    uint8_t bytes[16];
    crypto::random_bytes(bytes);
    return {.message_id = "urn:uuid:" + uuid_of(bytes), .number = ++number_};
  }

  std::string metadata_at(const Neighbourhood& place) const {
    return fmt::format("http://{}:{}/{}", place.address.to_string(), kMetadataPort, uuid_);
  }

  // To everybody beside `place`.
  void say(const Neighbourhood& place, const std::string& text) {
    error_code ignored;
    socket_.set_option(asio::ip::multicast::outbound_interface(place.address), ignored);
    socket_.send_to(asio::buffer(text), {kGroup, kDiscoveryPort}, 0, ignored);
  }

  asio::awaitable<void> look_for_places() {
    while (true) {
      const std::vector<Neighbourhood> now = places_of(server_);
      std::erase_if(served_, [&](Served& each) {
        if (std::ranges::find(now, each.place) != now.end()) return false;
        error_code ignored;
        each.metadata->close(ignored);
        socket_.set_option(asio::ip::multicast::leave_group(kGroup, each.place.address), ignored);
        log::info("no more announced on {}", each.place.address.to_string());
        return true;
      });
      for (const Neighbourhood& place : now) {
        if (std::ranges::find(served_, place, &Served::place) == served_.end()) serve(place);
      }
      clock_.expires_after(kBetweenAddressLooks);
      co_await clock_.async_wait(use_awaitable);
    }
  }

  void serve(const Neighbourhood& place) {
    auto acceptor = std::make_shared<tcp::acceptor>(io_);
    error_code error;
    acceptor->open(tcp::v4(), error);
    if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor->bind({place.address, kMetadataPort}, error);
    if (!error) acceptor->listen(tcp::acceptor::max_listen_connections, error);
    if (!error) {
      socket_.set_option(asio::ip::multicast::join_group(kGroup, place.address), error);
    }
    if (error) {
      // Tried again at the next look.
      log::warn("cannot announce on {}: {}", place.address.to_string(), error.message());
      return;
    }
    served_.push_back({place, acceptor});
    asio::co_spawn(io_, accept(acceptor), asio::detached);
    log::info("announced as {} on {}", who_.name, place.address.to_string());
    say(place, wsd_hello(who_, metadata_at(place), next()));
  }

  // Whom an answer may go to: only a neighbour, so that a forged address sends nothing far.
  const Neighbourhood* beside(const asio::ip::address_v4& peer) const {
    for (const Served& each : served_) {
      if (each.place.is_beside(peer)) return &each.place;
    }
    return nullptr;
  }

  bool may_answer(const asio::ip::address_v4& peer) {
    const auto now = std::chrono::steady_clock::now();
    if (now - second_ >= 1s) {
      second_ = now;
      answers_ = 0;
      answers_of_.clear();
    }
    if (answers_ >= kAnswersMax) return false;
    if (answers_of_[peer] >= kAnswersOfOneMax) return false;
    ++answers_of_[peer];
    ++answers_;
    return true;
  }

  asio::awaitable<void> hear() {
    std::string text;
    while (true) {
      text.resize(kWsdMessageMax + 1);
      udp::endpoint peer;
      error_code error;
      const size_t size = co_await socket_.async_receive_from(
          asio::buffer(text), peer, asio::redirect_error(use_awaitable, error));
      if (error) continue;
      text.resize(size);
      const Neighbourhood* const place =
          peer.address().is_v4() ? beside(peer.address().to_v4()) : nullptr;
      if (!place) continue;
      const auto request = parse_wsd(text);
      if (!request) continue;
      const bool is_for_us =
          request->kind == WsdRequest::Kind::kProbe
              ? request->is_of_our_kind
              : request->kind == WsdRequest::Kind::kResolve && request->endpoint == who_.id;
      if (!is_for_us || !may_answer(peer.address().to_v4())) continue;
      const std::string answer = wsd_matches(who_, metadata_at(*place), next(), *request);
      socket_.send_to(asio::buffer(answer), peer, 0, error);
    }
  }

  asio::awaitable<void> accept(std::shared_ptr<tcp::acceptor> acceptor) {
    while (acceptor->is_open()) {
      error_code error;
      tcp::socket socket =
          co_await acceptor->async_accept(asio::redirect_error(use_awaitable, error));
      if (error == asio::error::operation_aborted) co_return;
      if (error) {
        asio::steady_timer pause(io_, 100ms);
        co_await pause.async_wait(use_awaitable);
        continue;
      }
      const auto peer = socket.remote_endpoint(error).address();
      if (error || !peer.is_v4() || !beside(peer.to_v4())) continue;
      if (connections_ < kMetadataConnectionsMax &&
          connections_of_[peer.to_v4()] < kMetadataConnectionsOfOneMax) {
        asio::co_spawn(io_, tell(std::move(socket), peer.to_v4()), asio::detached);
      }
    }
  }

  asio::awaitable<void> tell(tcp::socket socket, asio::ip::address_v4 peer) {
    ++connections_;
    ++connections_of_[peer];
    try {
      beast::tcp_stream stream(std::move(socket));
      co_await answer_get(stream);
    } catch (const std::exception&) {
      // Whatever is wrong with a connection ends it, and nothing else.
    }
    --connections_;
    if (--connections_of_[peer] == 0) connections_of_.erase(peer);
  }

  asio::awaitable<void> answer_get(beast::tcp_stream& stream) {
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
                         parser.get().target() == "/" + uuid_ && request &&
                         request->kind == WsdRequest::Kind::kGet && request->endpoint == who_.id;
    http::response<http::string_body> response(
        is_good ? http::status::ok : http::status::bad_request, 11);
    if (is_good) {
      response.set(http::field::content_type, "application/soap+xml");
      response.body() = wsd_metadata(who_, next(), *request);
    }
    response.keep_alive(false);
    response.prepare_payload();
    stream.expires_after(kMetadataTime);
    co_await http::async_write(stream, response, use_awaitable);
    stream.socket().shutdown(tcp::socket::shutdown_send, error);
  }

  const config::Server server_;
  const std::string uuid_;
  WsdIdentity who_;
  asio::io_context io_{1};
  udp::socket socket_{io_};
  asio::steady_timer clock_;
  asio::signal_set signals_;
  std::list<Served> served_;
  uint64_t number_ = 0;
  size_t connections_ = 0;
  std::map<asio::ip::address_v4, size_t> connections_of_;
  // Of this second.
  std::map<asio::ip::address_v4, size_t> answers_of_;
  std::chrono::steady_clock::time_point second_{};
  size_t answers_ = 0;
};

}  // namespace

int announce(const config::Config& config, const AnnounceArguments&) {
  const auto has_port = [](const config::Endpoint& each) { return each.port == kSmbPort; };
  log::set_component("announce");
  log::prepare();
  if (std::ranges::none_of(config.server.listen, has_port)) {
    log::info("nothing is announced: who finds a server by its name tries port 445 only");
    return 0;
  }
  Announcer announcer(config.server, uuid_of_server(config.server.name));
  if (const error_code error = announcer.open()) {
    return complain(fmt::format("UDP port {}: {}", kDiscoveryPort, error.message()));
  }
  give_up_rights();
  announcer.run();
  return 0;
}

}  // namespace braid::braidctl
