// Values of the configuration as TOML, as somebody would give them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace braid::config {

std::string quoted(std::string_view plain);

inline std::string as_toml(const std::string& value) { return config::quoted(value); }
inline std::string as_toml(bool value) { return value ? "true" : "false"; }
inline std::string as_toml(uint32_t value) { return std::to_string(value); }
// Permissions; not given: "".
std::string as_toml(const std::optional<uint32_t>& value);
std::string as_toml(const Endpoint& value);
std::string as_toml(const InterfaceRule& value);
std::string as_toml(const AllowRule& value);
std::string as_toml(const HostRule& value);
template <class Each>
std::string as_toml(const std::vector<Each>& values) {
  std::string out;
  for (const Each& each : values) out += (out.empty() ? "" : ", ") + as_toml(each);
  return '[' + out + ']';
}

}  // namespace braid::config
