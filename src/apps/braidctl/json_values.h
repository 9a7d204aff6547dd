// Reading what workers answer: whatever is not as expected is nothing.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace braid::braidctl {

// A text as it is, anything else as JSON, and null as "".
inline std::string text_of(const nlohmann::json& row, const char* key) {
  const nlohmann::json value = row.value(key, nlohmann::json());
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
}

inline uint64_t number_of(const nlohmann::json& row, const char* key) {
  const nlohmann::json value = row.value(key, nlohmann::json());
  return value.is_number_unsigned() ? value.get<uint64_t>() : 0;
}

inline nlohmann::json list_of(const nlohmann::json& row, const char* key) {
  nlohmann::json value = row.value(key, nlohmann::json());
  return value.is_array() ? value : nlohmann::json::array();
}

}  // namespace braid::braidctl
