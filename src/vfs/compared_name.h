// A name for comparing, where letters with marks are the same however they are written.
#pragma once

#include <string>
#include <string_view>

namespace braid::vfs {

// (W)UTF-8. Names are the same with `name_normalization = "any"` exactly if fold() of these are:
// all that fold() or composed() alone makes the same, and what both together do. Some letters have
// one character with their mark in lower case only ("t" and U+0308 are U+1E97, "T" and U+0308 have
// none), so what is composed is taken apart again before its case is. What is not UTF-8 has its
// case folded only.
std::string compared_name(std::string_view client_name);

}  // namespace braid::vfs
