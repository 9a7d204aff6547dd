// How braidctl says that something went wrong, and prints JSON.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "base/printable.h"

namespace braid::braidctl {

// The exit code of everything an administrator can put right.
inline constexpr int kCannotDo = 2;

inline int complain(const std::string& line) {
  std::fprintf(stderr, "braidctl: %s\n", printable(line).c_str());
  return kCannotDo;
}

// For --json: names of clients reach a terminal as \uXXXX, whatever is in them.
template <class Json>
std::string json_text(const Json& value) {
  return value.dump(2, ' ', true, Json::error_handler_t::replace);
}

}  // namespace braid::braidctl
