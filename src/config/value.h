// Value: one TOML value, freed from the library that read it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace braid::config {

// A value the configuration has no use for (a date, a fraction, a table, a mixed list).
struct OtherValue {};

using Value = std::variant<OtherValue, bool, int64_t, std::string, std::vector<std::string>>;

}  // namespace braid::config
