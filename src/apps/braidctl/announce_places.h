// Where a server can be found: links of this machine with the addresses that it serves on port 445.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"
#include "network/network_state.h"

namespace braid::braidctl {

inline constexpr uint16_t kServedPort = 445;  // the only one that who finds a name will try

struct ServedLink {
  uint32_t index = 0;
  std::string name;
  std::vector<network::LinkAddress> addresses;  // IPv4 before IPv6, link-local ones first

  std::vector<IpAddress> of_family(int family) const;  // AF_INET, AF_INET6
  // Whether an answer may go to `peer`, of whom this link was told: only to a neighbour, so that a
  // forged address sends nothing far.
  bool is_beside(const IpAddress& peer) const;
  std::string show() const;  // "192.0.2.1, fe80::1 (eth0)"
  bool operator==(const ServedLink&) const = default;
};

// Without loopback, links that are down, and addresses that are not ready or change every day.
std::vector<ServedLink> served_links(const network::NetworkState& state,
                                     const std::vector<config::Endpoint>& listen);

}  // namespace braid::braidctl
