// Which network interface has an address.
#pragma once

#include <string>
#include <unordered_map>

namespace braid::admin {

// The machine's addresses as they were when this was made.
class InterfaceNames {
 public:
  InterfaceNames();
  // `host` as transport::SocketAddress::host() writes it; "" when no interface has it.
  std::string of(const std::string& host) const;

 private:
  std::unordered_map<std::string, std::string> by_host_;
};

}  // namespace braid::admin
