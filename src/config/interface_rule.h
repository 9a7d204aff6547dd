// InterfaceRule: what the administrator says about addresses that clients may be told of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace braid::config {

// One entry of [server] interfaces: "eth0;speed=10G;rss", "eth*", "10.0.2.2;movable". The first
// entry that matches an address decides; an address that none matches is not offered.
struct InterfaceRule {
  // The name of an interface, the beginning of one and a '*', or an address in numbers.
  std::string match;
  std::optional<uint64_t> speed;  // bits per second, instead of what the driver says
  std::optional<bool> rss;        // whether several queues receive, instead of what it says
  // The address may move to another machine, so only clients that came to it hear of it.
  bool movable = false;

  bool operator==(const InterfaceRule&) const = default;
};

// Nothing when the entry is not of that form.
std::optional<InterfaceRule> parse_interface_rule(std::string_view text);

}  // namespace braid::config
