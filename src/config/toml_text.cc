#include "config/toml_text.h"

#include <fmt/format.h>

namespace braid::config {

std::string quoted(std::string_view plain) {
  std::string out = "\"";
  for (const char c : plain) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string as_toml(const std::optional<uint32_t>& value) {
  return quoted(value ? fmt::format("{:04o}", *value) : "");
}

std::string as_toml(const Endpoint& value) {
  return quoted(value.address.contains(':') ? fmt::format("[{}]:{}", value.address, value.port)
                                            : fmt::format("{}:{}", value.address, value.port));
}

std::string as_toml(const AllowRule& value) { return quoted(text_of(value)); }
std::string as_toml(const HostRule& value) { return quoted(text_of(value)); }

std::string as_toml(const InterfaceRule& value) {
  std::string out = value.match;
  if (value.speed) out += fmt::format(";speed={}", *value.speed);
  if (value.rss) out += *value.rss ? ";rss" : ";no-rss";
  if (value.movable) out += ";movable";
  return quoted(out);
}

}  // namespace braid::config
