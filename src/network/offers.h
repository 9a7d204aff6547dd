// Offers: which addresses of this machine a client is told of, and why the others are not.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "network/link_details.h"
#include "network/netlink.h"
#include "network/network_state.h"

namespace braid::network {

// What a link whose driver knows no speed counts as, virtual ones above all. Clients compare
// speeds and use the fastest links only, so a link that may be slow must not shut out others.
inline constexpr uint64_t kSpeedUnknown = 1'000'000'000;

enum class Verdict : uint8_t {
  kOffered,
  kLinkDown,
  kNotReady,       // a duplicate, still being checked for one, or on its way out
  kTemporary,      // an IPv6 privacy address
  kNotConfigured,  // `interfaces` leaves it out
  kNotListening,   // `listen` leaves it out
  kMovable,        // and the client is not connected to it
  kLoopback,       // and the client is not on it
  kLinkLocal,      // and the client is not on that link
  kNoRoute,        // from there nothing gets to the client
  kOtherFamily,    // the client uses the other one, and the link has nothing in that
};
// A few words for people: "the link is down".
std::string_view explain(Verdict verdict);
// One word for programs: "link-down".
std::string_view name_of(Verdict verdict);

// One address of this machine.
struct Offer {
  LinkAddress address;
  std::string link_name;
  uint64_t speed = kSpeedUnknown;  // bits per second
  bool speed_known = false;        // by the driver or the configuration
  uint32_t receive_queues = 1;
  bool rss = false;         // several queues receive: worth several connections
  std::string rdma_device;  // empty: none
  bool rdma_is_iwarp = false;
  bool movable = false;
  bool in_use = false;  // the client is connected to it
  Verdict verdict = Verdict::kOffered;
};

// Whom the addresses are for. Without `address` only what holds for everybody is judged.
struct Client {
  std::optional<IpAddress> address;
  std::optional<IpAddress> connected_to;  // an address of this machine
};

// Addresses that a cluster moves between its machines, beside those that `interfaces` calls
// movable.
struct MovableAddresses {
  bool are_unknown = false;  // any may be one
  std::vector<IpAddress> addresses = {};

  bool has(const IpAddress& address) const;
};

// Asks the kernel, see Netlink::route().
using RouteQuery = std::function<Route(const IpAddress& from, const IpAddress& to, uint32_t link)>;

// [MS-SMB2] 3.3.5.15.11: all addresses with their verdicts, those of a link together. Pure but for
// `route`, which is asked about addresses that nothing else rules out.
std::vector<Offer> judge_addresses(const NetworkState& state, const LinkDetailsTable& details,
                                   const config::Server& settings, const Client& client,
                                   const RouteQuery& route, const MovableAddresses& movable = {});

}  // namespace braid::network
