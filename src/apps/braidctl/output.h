// How braidctl says that something went wrong.
#pragma once

#include <cstdio>
#include <string>

namespace braid::braidctl {

// The exit code of everything an administrator can put right.
inline constexpr int kCannotDo = 2;

inline int complain(const std::string& line) {
  std::fprintf(stderr, "braidctl: %s\n", line.c_str());
  return kCannotDo;
}

}  // namespace braid::braidctl
