#include "config/interface_rule.h"

#include <net/if.h>

#include <charconv>

#include "base/ip_address.h"

namespace braid::config {
namespace {

constexpr uint64_t kSpeedMax = 1'000'000'000'000'000;  // 1000T; no link comes near

bool is_address(std::string_view text) { return !text.contains('%') && IpAddress::parse(text); }

// As the kernel takes names of interfaces, with one '*' at the end.
bool is_link_pattern(std::string_view text) {
  if (text.ends_with('*')) {
    text.remove_suffix(1);
  } else if (text.empty()) {
    return false;
  }
  if (text.size() >= IFNAMSIZ) return false;
  for (const unsigned char c : text) {
    if (c <= 0x20 || c == 0x7F || c == '/' || c == ':' || c == '*') return false;
  }
  return true;
}

// "10G", "2500M", "100000000": powers of 1000, in bits per second.
std::optional<uint64_t> parse_speed(std::string_view text) {
  uint64_t unit = 1;
  if (!text.empty()) {
    switch (text.back()) {
      case 'k':
      case 'K':
        unit = 1'000;
        break;
      case 'M':
        unit = 1'000'000;
        break;
      case 'G':
        unit = 1'000'000'000;
        break;
      case 'T':
        unit = 1'000'000'000'000;
        break;
      default:
        break;
    }
  }
  if (unit != 1) text.remove_suffix(1);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (number == 0 || number > kSpeedMax / unit) return std::nullopt;
  return number * unit;
}

bool take_option(InterfaceRule& rule, std::string_view option) {
  constexpr std::string_view kSpeed = "speed=";
  if (option.starts_with(kSpeed)) {
    rule.speed = parse_speed(option.substr(kSpeed.size()));
    return rule.speed.has_value();
  }
  if (option == "rss" || option == "no-rss") {
    rule.rss = option == "rss";
  } else if (option == "movable") {
    rule.movable = true;
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::optional<InterfaceRule> parse_interface_rule(std::string_view text) {
  InterfaceRule rule;
  const size_t end = text.find(';');
  rule.match = text.substr(0, end);
  if (!is_address(rule.match) && !is_link_pattern(rule.match)) return std::nullopt;
  while (text.find(';') != std::string_view::npos) {
    text.remove_prefix(text.find(';') + 1);
    if (!take_option(rule, text.substr(0, text.find(';')))) return std::nullopt;
  }
  return rule;
}

}  // namespace braid::config
