#include "apps/braidctl/announce_context.h"

#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/log.h"

namespace braid::braidctl {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr size_t kSentMax = 64;

template <class Value>
void set_option(int socket, int level, int name, const Value& value, error_code& error) {
  if (!error && ::setsockopt(socket, level, name, &value, sizeof value) != 0) {
    error.assign(errno, boost::system::system_category());
  }
}

ip_mreqn group_of(const ServedLink& link, const IpAddress& group) {
  ip_mreqn membership{};
  std::ranges::copy(group.bytes(), reinterpret_cast<uint8_t*>(&membership.imr_multiaddr));
  membership.imr_ifindex = static_cast<int>(link.index);
  return membership;
}

}  // namespace

std::string key_of(const IpAddress& address) { return std::string(as_text(address.bytes())); }

bool AnswerLimit::admit(const IpAddress& peer) {
  const auto now = std::chrono::steady_clock::now();
  if (now - second_ >= 1s) {
    second_ = now;
    all_ = 0;
    of_.clear();
  }
  if (all_ >= all_max_) return false;
  size_t& of_one = of_[key_of(peer)];
  if (of_one >= of_one_max_) return false;
  ++of_one;
  ++all_;
  return true;
}

void StandingComplaints::say(const std::string& about, const std::string& text) {
  std::string& said = said_[about];
  if (said == text) return;
  said = text;
  log::warn("{}", log::Whole{text});
}

void SentLately::add(const Bytes& datagram) {
  sent_.push_back(datagram);
  if (sent_.size() > kSentMax) sent_.pop_front();
}

bool SentLately::has(ByteView datagram) const {
  return std::ranges::any_of(sent_,
                             [&](const Bytes& each) { return std::ranges::equal(each, datagram); });
}

bool AnnounceContext::is_own(const IpAddress& address) const {
  return std::ranges::any_of(own,
                             [&](const IpAddress& each) { return each.same_address(address); });
}

asio::ip::address asio_address(const IpAddress& address) {
  if (address.is_v4()) {
    asio::ip::address_v4::bytes_type bytes;
    std::ranges::copy(address.bytes(), bytes.begin());
    return asio::ip::address_v4(bytes);
  }
  asio::ip::address_v6::bytes_type bytes;
  std::ranges::copy(address.bytes(), bytes.begin());
  return asio::ip::address_v6(bytes, address.scope_id());
}

IpAddress ip_address_of(const asio::ip::address& address) {
  if (address.is_v4()) return IpAddress(address.to_v4().to_bytes());
  return IpAddress(address.to_v6().to_bytes(), static_cast<uint32_t>(address.to_v6().scope_id()));
}

void send_from(asio::ip::udp::socket& socket, const ServedLink& link, int family) {
  const auto addresses = link.of_family(family);
  if (family != AF_INET || addresses.empty()) return;
  ip_mreqn from = group_of(link, IpAddress());
  std::ranges::copy(addresses.front().bytes(), reinterpret_cast<uint8_t*>(&from.imr_address));
  error_code ignored;
  set_option(socket.native_handle(), IPPROTO_IP, IP_MULTICAST_IF, from, ignored);
}

error_code open_on_link(asio::ip::udp::socket& socket, const ServedLink& link,
                        const LinkSocketOptions& options) {
  const bool is_v4 = options.group.is_v4();
  const auto family = is_v4 ? asio::ip::udp::v4() : asio::ip::udp::v6();
  error_code error;
  socket.open(family, error);
  if (error) return error;
  const int fd = socket.native_handle();
  const int on = 1;
  const int off = 0;
  const int loop = options.hears_itself ? 1 : 0;
  const int index = static_cast<int>(link.index);
  // Linux shares a port among all that ask for this.
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, on, error);
  std::array<char, IFNAMSIZ> name{};
  std::copy_n(link.name.begin(), std::min(link.name.size(), name.size() - 1), name.begin());
  set_option(fd, SOL_SOCKET, SO_BINDTODEVICE, name, error);
  if (is_v4) {
    set_option(fd, IPPROTO_IP, IP_MULTICAST_ALL, off, error);
    set_option(fd, IPPROTO_IP, IP_MULTICAST_TTL, options.hops, error);
    set_option(fd, IPPROTO_IP, IP_TTL, std::max(options.hops, 64), error);
    set_option(fd, IPPROTO_IP, IP_MULTICAST_LOOP, loop, error);
  } else {
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, on, error);
    set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, off, error);
    set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, options.hops, error);
    set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, std::max(options.hops, 64), error);
    set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, loop, error);
    set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index, error);
  }
  if (error) return error;
  if (options.is_group_only) {
    socket.bind({asio_address(IpAddress(options.group.bytes(), link.index)), options.port}, error);
  } else {
    socket.bind({family, options.port}, error);
  }
  if (is_v4) {
    send_from(socket, link, AF_INET);
    set_option(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, group_of(link, options.group), error);
  } else {
    ipv6_mreq membership{};
    std::ranges::copy(options.group.bytes(),
                      reinterpret_cast<uint8_t*>(&membership.ipv6mr_multiaddr));
    membership.ipv6mr_interface = link.index;
    set_option(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, membership, error);
  }
  return error;
}

}  // namespace braid::braidctl
