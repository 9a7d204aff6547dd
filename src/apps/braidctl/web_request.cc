#include "apps/braidctl/web_request.h"

#include <algorithm>
#include <cstdint>

#include "base/ip_address.h"

namespace braid::braidctl {
namespace {

// Up to the first character that is none of it.
std::string from_base64(std::string_view coded) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string plain;
  uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : coded) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = (bits << 6 | static_cast<uint32_t>(digit)) & 0xFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    plain += static_cast<char>(bits >> count & 0xFF);
  }
  return plain;
}

// RFC 3986, 3.2.3.
bool is_port(std::string_view text) {
  return text.empty() ||
         (text.front() == ':' && text.size() <= 6 &&
          std::ranges::all_of(text.substr(1), [](char c) { return c >= '0' && c <= '9'; }));
}

}  // namespace

std::string form_field(std::string_view body, std::string_view name) {
  while (!body.empty()) {
    const std::string_view field = body.substr(0, body.find('&'));
    body.remove_prefix(std::min(body.size(), field.size() + 1));
    if (!field.starts_with(name) || !field.substr(name.size()).starts_with('=')) continue;
    const std::string_view value = field.substr(name.size() + 1);
    const bool is_plain = std::ranges::all_of(value, [](unsigned char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    });
    return is_plain ? std::string(value) : "";
  }
  return "";
}

std::optional<AbsoluteTarget> absolute_target(std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (!target.starts_with(kScheme)) return std::nullopt;
  target.remove_prefix(kScheme.size());
  const size_t slash = std::min(target.find('/'), target.size());
  return AbsoluteTarget{.host = target.substr(0, slash),
                        .path = slash < target.size() ? target.substr(slash) : "/"};
}

std::string token_in(std::string_view authorization) {
  constexpr std::string_view kBearer = "Bearer ";
  constexpr std::string_view kBasic = "Basic ";
  if (authorization.starts_with(kBearer)) {
    return std::string(authorization.substr(kBearer.size()));
  }
  if (!authorization.starts_with(kBasic)) return "";
  const std::string plain = from_base64(authorization.substr(kBasic.size()));
  const size_t colon = plain.find(':');
  return colon == std::string::npos ? "" : plain.substr(colon + 1);
}

bool is_own_host(std::string_view value) {
  if (value.starts_with('[')) {
    const size_t end = value.find(']');
    if (end == value.npos || !is_port(value.substr(end + 1))) return false;
    const auto address = IpAddress::parse(value.substr(1, end - 1));
    return address && !address->is_v4();
  }
  const size_t colon = std::min(value.find(':'), value.size());
  if (!is_port(value.substr(colon))) return false;
  const std::string_view host = value.substr(0, colon);
  if (IpAddress::parse(host)) return true;
  // Names have no case, and may end with the root's dot.
  constexpr std::string_view kName = "localhost";
  return std::ranges::equal(host.ends_with('.') ? host.substr(0, host.size() - 1) : host, kName,
                            [](char c, char expected) { return (c | 0x20) == expected; });
}

}  // namespace braid::braidctl
