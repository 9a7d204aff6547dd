// What drivers say of a link beyond rtnetlink: its speed, its queues, its RDMA device.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "network/network_state.h"

namespace braid::network {

struct LinkDetails {
  std::optional<uint64_t> speed;  // bits per second; nothing when the driver does not know
  uint32_t receive_queues = 1;    // how many the driver spreads connections over
  std::string rdma_device;        // empty: none
  bool rdma_is_iwarp = false;     // that device: RDMA over TCP

  bool operator==(const LinkDetails&) const = default;
};
using LinkDetailsTable = std::map<uint32_t, LinkDetails>;  // by index of the link

// Asks the drivers of all links, with the ioctls of ethtool and below `sysfs`, "/sys". A VLAN has
// the queues of the link below it, a bond or bridge those of its best part.
Result<LinkDetailsTable> read_link_details(const NetworkState& state,
                                           const std::string& sysfs = "/sys");

}  // namespace braid::network
