// IpAddress: an address as Witness names it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace braid::rpc::witness {

struct IpAddress {
  bool is_v6 = false;
  std::array<uint8_t, 16> bytes{};  // in network order; of IPv4 the first four
  constexpr auto operator<=>(const IpAddress&) const = default;

  // "192.0.2.1" or "2001:db8::1"; empty if it is neither.
  static std::optional<IpAddress> parse(std::string_view text);
  std::string text() const;
};

}  // namespace braid::rpc::witness
