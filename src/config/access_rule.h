// Who may use a share, and from where: the entries of `allow` and `hosts`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/ip_address.h"

namespace braid::config {

// One entry of [[share]] allow: "alice", "@staff", "alice:ro", "@DOM\\group:ro". A user is an
// account of braid or the Unix user that one acts as; a group is Unix', as the name service knows
// it.
struct AllowRule {
  std::string name;  // never empty
  bool is_group = false;
  bool read_only = false;
  bool is_guest() const;  // "guest": who has no account, too
  bool operator==(const AllowRule&) const = default;
};
std::optional<AllowRule> parse_allow_rule(std::string_view text);
std::string text_of(const AllowRule& rule);

// One entry of hosts: an address in numbers, or the first `length` bits of one.
struct HostRule {
  IpAddress address;
  unsigned length = 0;
  bool operator==(const HostRule&) const = default;
};
// "192.0.2.7", "192.0.2.0/24", "2001:db8::/32"; nothing too when bits behind the length are set.
std::optional<HostRule> parse_host_rule(std::string_view text);
std::string text_of(const HostRule& rule);
// Whether one of them matches, or there are none. Thread: any.
bool admits(std::span<const HostRule> rules, const IpAddress& address);

}  // namespace braid::config
