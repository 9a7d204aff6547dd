#include "rpc/witness/ip_address.h"

#include <arpa/inet.h>

namespace braid::rpc::witness {

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  // A name with a NUL in it is no address, whatever stands in front of that.
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  IpAddress address;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
  address.is_v6 = true;
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes.data(), buffer.data(), buffer.size());
  return buffer.data();
}

}  // namespace braid::rpc::witness
