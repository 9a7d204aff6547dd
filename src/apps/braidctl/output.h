// How braidctl says that something went wrong, and prints JSON.
#pragma once

#include <algorithm>
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

// A name for the completion of a shell, which may carry out what is in one; left out if it has
// more than letters, digits, dots, dashes and underscores.
inline void print_for_shell(const std::string& name) {
  const auto is_plain = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '-' || c == '_';
  };
  if (std::ranges::all_of(name, is_plain)) std::printf("%s\n", name.c_str());
}

// For --json: names of clients reach a terminal as \uXXXX, whatever is in them.
template <class Json>
std::string json_text(const Json& value) {
  return value.dump(2, ' ', true, Json::error_handler_t::replace);
}

}  // namespace braid::braidctl
