#include "client/interfaces.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

#include "client/tree.h"

namespace braid::client {

namespace {

using transport::SocketAddress;
using wire::NetworkInterfaceInfo;

SocketAddress address_of(const NetworkInterfaceInfo& info, uint16_t port) {
  if (info.family == wire::AddressFamily::kInterNetwork) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::memcpy(&address.sin_addr, info.address.data(), sizeof address.sin_addr);
    return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  std::memcpy(&address.sin6_addr, info.address.data(), sizeof address.sin6_addr);
  return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
}

// An address of a link or of the machine itself means nothing elsewhere.
bool is_local(const NetworkInterfaceInfo& info, const SocketAddress& current) {
  if (info.family == wire::AddressFamily::kInterNetwork) {
    return info.address[0] == 127 && !current.host().starts_with("127.");
  }
  const bool is_link_local = info.address[0] == 0xFE && (info.address[1] & 0xC0) == 0x80;
  return is_link_local || (address_of(info, 0).host() == "::1" && current.host() != "::1");
}

using Rank = std::tuple<bool, bool, uint64_t>;  // RDMA, RSS, speed: the greater the better

Rank rank_of(const NetworkInterfaceInfo& info, const PathPolicy& policy) {
  return {policy.rdma && (info.capability & NetworkInterfaceInfo::kRdmaCapable) != 0,
          (info.capability & NetworkInterfaceInfo::kRssCapable) != 0, info.link_speed};
}

// How much one would rather have this address of an interface than another.
int preference(const SocketAddress& address, const SocketAddress& current) {
  if (address.host() == current.host()) return 2;
  return address.family() == current.family() ? 1 : 0;
}

}  // namespace

Task<Result<std::vector<NetworkInterfaceInfo>>> query_interfaces(SessionPtr session) {
  BRAID_CO_TRY(const TreePtr ipc, co_await session->tree_connect("IPC$"));
  const auto answer = co_await ipc->ioctl(wire::Fsctl::kQueryNetworkInterfaceInfo);
  const Result<void> left = co_await ipc->disconnect();
  BRAID_CO_CHECK(answer);
  BRAID_CO_CHECK(left);
  wire::Reader reader(*answer);
  BRAID_CO_TRY(auto list, wire::NetworkInterfaceInfoResponse::decode(reader));
  co_return std::move(list.interfaces);
}

std::vector<SocketAddress> choose_paths(const std::vector<NetworkInterfaceInfo>& interfaces,
                                        const SocketAddress& current, const PathPolicy& policy) {
  Rank best{};
  for (const auto& info : interfaces) {
    if (!is_local(info, current)) best = std::max(best, rank_of(info, policy));
  }
  std::map<uint32_t, SocketAddress> chosen;  // by interface
  for (const auto& info : interfaces) {
    if (is_local(info, current) || rank_of(info, policy) != best) continue;
    const SocketAddress address = address_of(info, current.port());
    const auto [entry, is_new] = chosen.try_emplace(info.if_index, address);
    if (!is_new && preference(address, current) > preference(entry->second, current)) {
      entry->second = address;
    }
  }
  if (chosen.empty()) return {current};

  // The connection there is comes first, if it is among the best, so that it can stay.
  std::vector<SocketAddress> order;
  for (const auto& [index, address] : chosen) {
    order.insert(address.host() == current.host() ? order.begin() : order.end(), address);
  }
  const size_t each = std::get<1>(best) ? policy.per_rss_interface : policy.per_interface;
  const size_t count = std::max<size_t>(1, std::min(policy.count, order.size() * each));
  std::vector<SocketAddress> paths;
  for (size_t i = 0; i < count; ++i) paths.push_back(order[i % order.size()]);
  return paths;
}

}  // namespace braid::client
