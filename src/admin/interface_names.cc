#include "admin/interface_names.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include "transport/socket_address.h"

namespace braid::admin {

InterfaceNames::InterfaceNames() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return;
  for (const ifaddrs* each = first; each; each = each->ifa_next) {
    if (!each->ifa_addr) continue;
    const int family = each->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    by_host_.emplace(transport::SocketAddress(each->ifa_addr, size).host(), each->ifa_name);
  }
  ::freeifaddrs(first);
}

std::string InterfaceNames::of(const std::string& host) const {
  const auto found = by_host_.find(host);
  return found == by_host_.end() ? "" : found->second;
}

}  // namespace braid::admin
