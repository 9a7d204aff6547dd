// What the parts of braidctl announce share.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "apps/braidctl/announce_places.h"
#include "apps/braidctl/mdns_responder.h"
#include "apps/braidctl/wsd_message.h"
#include "base/bytes.h"
#include "base/ip_address.h"
#include "runtime/asio.h"

namespace braid::braidctl {

// How much of a second goes to all, and to one address of them. Thread: one.
class AnswerLimit {
 public:
  AnswerLimit(size_t all_max, size_t of_one_max) : all_max_(all_max), of_one_max_(of_one_max) {}
  bool admit(const IpAddress& peer);

 private:
  const size_t all_max_;
  const size_t of_one_max_;
  std::chrono::steady_clock::time_point second_{};
  size_t all_ = 0;
  std::map<std::string, size_t> of_;  // of at most all_max_
};

// Says what is wrong once, until it is something else. Thread: one.
class StandingComplaints {
 public:
  void say(const std::string& about, const std::string& text);
  void settle(const std::string& about) { said_.erase(about); }

 private:
  std::map<std::string, std::string> said_;
};

// What was sent lately to everybody, by all links: it comes back to its sender, and from one link
// to another of the same network. Thread: one.
class SentLately {
 public:
  void add(const Bytes& datagram);
  bool has(ByteView datagram) const;

 private:
  std::deque<Bytes> sent_;
};

// Lives as long as `io` runs. Thread: that of `io`.
struct AnnounceContext {
  boost::asio::io_context& io;
  WsdIdentity wsd;
  std::string uuid;         // of `wsd`
  uint64_t wsd_number = 0;  // of its last message
  MdnsIdentity mdns;
  std::vector<IpAddress> own;  // of this machine
  AnswerLimit wsd_answers{50, 5};
  AnswerLimit mdns_questions{200, 40};
  AnswerLimit mdns_of_own{40, 40};
  SentLately sent;
  StandingComplaints complaints;
  size_t connections = 0;
  std::map<std::string, size_t> connections_of;

  bool is_own(const IpAddress& address) const;
  // Whether another message of Multicast DNS from there is looked at in this second. What says that
  // it is of this machine has a part of its own, and no more: over IPv6 anybody on the link can.
  bool admits_mdns(const IpAddress& peer) {
    return (is_own(peer) ? mdns_of_own : mdns_questions).admit(peer);
  }
};

// A datagram socket that hears `group` on `link` and nothing of other links, with `hops` for all it
// sends. The port is shared with whoever shares it. With `is_group_only` what comes to an address
// of this machine is left to other programs.
struct LinkSocketOptions {
  IpAddress group;
  uint16_t port = 0;
  int hops = 1;
  bool is_group_only = false;
  bool hears_itself = false;  // and other programs of this machine hear it
};
boost::system::error_code open_on_link(boost::asio::ip::udp::socket& socket, const ServedLink& link,
                                       const LinkSocketOptions& options);
// Whose address what goes to everybody comes from: one that is served.
void send_from(boost::asio::ip::udp::socket& socket, const ServedLink& link, int family);

boost::asio::ip::address asio_address(const IpAddress& address);  // with its scope
IpAddress ip_address_of(const boost::asio::ip::address& address);
// For maps: without the scope.
std::string key_of(const IpAddress& address);

}  // namespace braid::braidctl
