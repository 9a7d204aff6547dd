#include "apps/braidctl/announce_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace braid::braidctl {
namespace {

bool is_served(const IpAddress& address, const std::vector<config::Endpoint>& listen) {
  return std::ranges::any_of(listen, [&](const config::Endpoint& each) {
    const auto bound = IpAddress::parse(each.address);
    return each.port == kServedPort && bound &&
           (bound->same_address(address) ||
            (bound->is_unspecified() && bound->is_v4() == address.is_v4()));
  });
}

std::string without_scope(const IpAddress& address) {
  return IpAddress(address.bytes()).to_string();
}

}  // namespace

std::vector<IpAddress> ServedLink::of_family(int family) const {
  std::vector<IpAddress> out;
  for (const auto& each : addresses) {
    if (each.address.family() == family) out.push_back(each.address);
  }
  return out;
}

bool ServedLink::is_beside(const IpAddress& peer) const {
  if (!peer.is_v4() && peer.is_link_local()) return true;
  return std::ranges::any_of(addresses, [&](const network::LinkAddress& each) {
    return peer.shares_prefix(each.address, each.prefix_length);
  });
}

std::string ServedLink::show() const {
  std::string out;
  for (const auto& each : addresses) {
    out += (out.empty() ? "" : ", ") + without_scope(each.address);
  }
  return fmt::format("{} ({})", out, name);
}

std::vector<ServedLink> served_links(const network::NetworkState& state,
                                     const std::vector<config::Endpoint>& listen) {
  std::vector<ServedLink> out;
  for (const auto& [index, link] : state.links) {
    if (!link.is_up || link.is_loopback) continue;
    ServedLink served{.index = index, .name = link.name};
    for (const auto& each : state.addresses) {
      if (each.link == index && each.is_ready && !each.is_temporary &&
          !each.address.is_loopback() && is_served(each.address, listen)) {
        served.addresses.push_back(each);
      }
    }
    std::ranges::sort(served.addresses, {}, [](const network::LinkAddress& each) {
      return std::tuple(!each.address.is_v4(), !each.address.is_link_local(),
                        as_text(each.address.bytes()));
    });
    if (!served.addresses.empty()) out.push_back(std::move(served));
  }
  return out;
}

}  // namespace braid::braidctl
