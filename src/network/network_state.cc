#include "network/network_state.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <algorithm>

#include "network/netlink_reader.h"

namespace braid::network {
namespace {

constexpr uint32_t kLowerUp = 1 << 16;  // IFF_LOWER_UP, which <net/if.h> leaves out

std::string text_of(ByteView value) {
  const auto end = std::ranges::find(value, uint8_t{0});
  return {value.begin(), end};
}

// struct ifinfomsg.
Result<void> apply_link(const NetlinkMessage& message, NetworkState& state) {
  wire::Reader r(message.body);
  const uint8_t family = r.u8();
  r.skip(3);
  Link link;
  link.index = r.u32();
  const uint32_t flags = r.u32();
  r.skip(4);
  link.is_up = (flags & IFF_UP) != 0 && (flags & kLowerUp) != 0;
  link.is_loopback = (flags & IFF_LOOPBACK) != 0;
  bool lower_is_elsewhere = false;
  NetlinkAttribute attribute;
  while (next_attribute(r, attribute)) {
    switch (attribute.type) {
      case IFLA_IFNAME:
        link.name = text_of(attribute.value);
        break;
      case IFLA_LINK:
        link.lower = attribute.as_u32();
        break;
      case IFLA_LINK_NETNSID:
        lower_is_elsewhere = true;
        break;
      case IFLA_MASTER:
        link.master = attribute.as_u32();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return fail(r.error());
  if (family != AF_UNSPEC) return {};  // a bridge speaking of its ports
  if (message.type == RTM_NEWLINK) {
    // The other end of a pair may be in another name space, where indexes mean other links.
    if (link.lower == link.index || lower_is_elsewhere) link.lower = 0;
    state.links[link.index] = std::move(link);
  } else {
    state.links.erase(link.index);
    std::erase_if(state.addresses, [&](const LinkAddress& a) { return a.link == link.index; });
  }
  return {};
}

// struct ifaddrmsg.
Result<void> apply_address(const NetlinkMessage& message, NetworkState& state) {
  wire::Reader r(message.body);
  LinkAddress told;
  const uint8_t family = r.u8();
  told.prefix_length = r.u8();
  uint32_t flags = r.u8();
  r.skip(1);
  told.link = r.u32();
  // With a peer on the other end of the link IFA_ADDRESS is the peer's.
  ByteView local;
  ByteView address;
  NetlinkAttribute attribute;
  while (next_attribute(r, attribute)) {
    switch (attribute.type) {
      case IFA_LOCAL:
        local = attribute.value;
        break;
      case IFA_ADDRESS:
        address = attribute.value;
        break;
      case IFA_FLAGS:
        flags = attribute.as_u32();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return fail(r.error());
  if (family != AF_INET && family != AF_INET6) return {};
  const ByteView own = local.empty() ? address : local;
  if (own.size() != (family == AF_INET ? 4u : 16u)) return fail(Error::malformed());
  told.address = IpAddress(own, told.link);
  told.is_ready = (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED)) == 0;
  // The same bit means "secondary" for IPv4.
  told.is_temporary = family == AF_INET6 && (flags & IFA_F_TEMPORARY) != 0;
  const auto known = std::ranges::find_if(state.addresses, [&](const LinkAddress& held) {
    return held.link == told.link && held.prefix_length == told.prefix_length &&
           held.address == told.address;
  });
  if (message.type == RTM_DELADDR) {
    if (known != state.addresses.end()) state.addresses.erase(known);
  } else if (known != state.addresses.end()) {
    *known = std::move(told);
  } else {
    state.addresses.push_back(std::move(told));
  }
  return {};
}

}  // namespace

Result<NetlinkOutcome> apply_netlink(ByteView datagram, uint32_t sequence, NetworkState& state) {
  NetlinkOutcome outcome;
  wire::Reader r(datagram);
  NetlinkMessage message;
  while (next_message(r, message)) {
    const bool answers = message.sequence == sequence;
    if (answers && (message.flags & NLM_F_DUMP_INTR) != 0) outcome.interrupted = true;
    switch (message.type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        BRAID_CHECK(apply_link(message, state));
        break;
      case RTM_NEWADDR:
      case RTM_DELADDR:
        BRAID_CHECK(apply_address(message, state));
        break;
      case NLMSG_DONE:
        outcome.done = outcome.done || answers;
        break;
      case NLMSG_ERROR:
        if (!answers) break;
        outcome.done = true;
        outcome.error = error_of(message);
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return fail(r.error());
  return outcome;
}

}  // namespace braid::network
