// NetworkState: the links and addresses of this machine, as rtnetlink(7) tells of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace braid::network {

// A network interface.
struct Link {
  uint32_t index = 0;
  std::string name;
  bool is_up = false;  // set up, and with a carrier
  bool is_loopback = false;
  uint32_t lower = 0;   // the link below a VLAN; 0: none
  uint32_t master = 0;  // the bond or bridge it is a part of; 0: none

  bool operator==(const Link&) const = default;
};

struct LinkAddress {
  uint32_t link = 0;  // its index
  IpAddress address;
  uint8_t prefix_length = 0;
  bool is_ready = true;       // no duplicate, not being checked for one, not on its way out
  bool is_temporary = false;  // an IPv6 privacy address, gone tomorrow

  bool operator==(const LinkAddress&) const = default;
};

struct NetworkState {
  std::map<uint32_t, Link> links;      // by index
  std::vector<LinkAddress> addresses;  // in the order they were told of

  bool operator==(const NetworkState&) const = default;
};

// What the messages of one datagram said beside what they changed.
struct NetlinkOutcome {
  bool done = false;         // the end of a dump, or of an answer
  bool interrupted = false;  // the dump is inconsistent and has to be asked for again
  int error = 0;             // errno of what was refused
};

// Takes RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR and RTM_DELADDR into `state` and skips messages of
// other types. `done` and `error` are of messages with this sequence number only. The error is a
// datagram that is not well formed; what came before the fault has been taken.
Result<NetlinkOutcome> apply_netlink(ByteView datagram, uint32_t sequence, NetworkState& state);

}  // namespace braid::network
