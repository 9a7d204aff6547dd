// IpAddress: an IPv4 or IPv6 address without a port.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace braid {

// A value. IPv4 addresses mapped into IPv6 become plain IPv4, so that one client has one address.
class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  // 4 or 16 bytes in network order. REQUIRES one of these sizes.
  explicit IpAddress(ByteView bytes, uint32_t scope_id = 0);
  // Numbers only: "10.0.2.2", "fd00::2", "fe80::1%2", where the scope is the index of a link.
  static std::optional<IpAddress> parse(std::string_view text);
  // Nothing for another family.
  static std::optional<IpAddress> of(const sockaddr* address);

  int family() const { return is_v4_ ? AF_INET : AF_INET6; }
  bool is_v4() const { return is_v4_; }
  ByteView bytes() const { return ByteView(bytes_).first(is_v4_ ? 4 : 16); }
  uint32_t scope_id() const { return scope_id_; }  // 0 unless link-local IPv6
  std::string to_string() const;

  bool is_unspecified() const;
  bool is_loopback() const;    // 127.0.0.0/8, ::1
  bool is_link_local() const;  // 169.254.0.0/16, fe80::/10
  // Whether the first `length` bits are the same, and the family.
  bool shares_prefix(const IpAddress& other, unsigned length) const;

  // Without the scope: an address in use is known by its bytes.
  bool same_address(const IpAddress& other) const {
    return is_v4_ == other.is_v4_ && bytes_ == other.bytes_;
  }
  bool operator==(const IpAddress&) const = default;

 private:
  std::array<uint8_t, 16> bytes_{};  // IPv4 in the first 4
  bool is_v4_ = true;
  uint32_t scope_id_ = 0;
};

}  // namespace braid
