#include "config/access_rule.h"

#include <algorithm>
#include <charconv>

#include "wire/fold.h"

namespace braid::config {
namespace {

constexpr size_t kNameBytesMax = 255;

bool has_bits_behind(const IpAddress& address, unsigned length) {
  const ByteView bytes = address.bytes();
  for (size_t bit = length; bit < 8 * bytes.size(); ++bit) {
    if ((bytes[bit / 8] & (0x80 >> bit % 8)) != 0) return true;
  }
  return false;
}

}  // namespace

bool AllowRule::is_guest() const { return !is_group && wire::equal_fold(name, "guest"); }

std::string text_of(const AllowRule& rule) {
  return (rule.is_group ? "@" : "") + rule.name + (rule.read_only ? ":ro" : "");
}

std::string text_of(const HostRule& rule) {
  const std::string address = rule.address.to_string();
  return rule.length == rule.address.bytes().size() * 8
             ? address
             : address + '/' + std::to_string(rule.length);
}

std::optional<AllowRule> parse_allow_rule(std::string_view text) {
  AllowRule rule;
  if (const size_t colon = text.rfind(':'); colon != text.npos) {
    const std::string_view right = text.substr(colon + 1);
    if (right != "ro" && right != "rw") return std::nullopt;
    rule.read_only = right == "ro";
    text = text.substr(0, colon);
  }
  rule.is_group = text.starts_with('@');
  if (rule.is_group) text.remove_prefix(1);
  const auto is_bad = [](unsigned char c) {
    return c < 0x20 || c == 0x7F || c == ':' || c == '@' || c == '/';
  };
  if (text.empty() || text.size() > kNameBytesMax || std::ranges::any_of(text, is_bad)) {
    return std::nullopt;
  }
  rule.name = text;
  return rule;
}

std::optional<HostRule> parse_host_rule(std::string_view text) {
  if (text.contains('%')) return std::nullopt;
  const size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  HostRule rule{*address, address->is_v4() ? 32u : 128u};
  if (slash == text.npos) return rule;
  // A network of addresses that are IPv4's in IPv6 would be another one than was written.
  if (address->is_v4() && text.substr(0, slash).contains(':')) return std::nullopt;
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc{} || end != digits.data() + digits.size() || length > rule.length) {
    return std::nullopt;
  }
  if (has_bits_behind(*address, length)) return std::nullopt;
  rule.length = length;
  return rule;
}

bool admits(std::span<const HostRule> rules, const IpAddress& address) {
  return rules.empty() || std::ranges::any_of(rules, [&](const HostRule& rule) {
           return address.shares_prefix(rule.address, rule.length);
         });
}

}  // namespace braid::config
