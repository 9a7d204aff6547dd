// Reading what workers answer: whatever is not as expected is nothing.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

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

// `rows` by the value of `key`; those with the same one stay in order.
inline nlohmann::json sorted_by(const nlohmann::json& rows, const char* key) {
  std::multimap<std::string, nlohmann::json> by_value;
  for (const nlohmann::json& row : rows) by_value.emplace(text_of(row, key), row);
  nlohmann::json all = nlohmann::json::array();
  for (auto& [value, row] : by_value) all.push_back(std::move(row));
  return all;
}

}  // namespace braid::braidctl
