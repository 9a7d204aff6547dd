// Case-insensitive comparison of names, as SMB clients expect it.
#pragma once

#include <string>
#include <string_view>

namespace braid::wire {

// Each code point replaced by its simple upper-case mapping (one code point to one, no locale), so
// that two names are the same for a client exactly if their folds are the same bytes. Code points
// outside ASCII never fold into ASCII, and sharp s stays itself, as on Windows. Bytes that are not
// UTF-8 are kept.
std::string fold(std::string_view utf8);

bool equal_fold(std::string_view a, std::string_view b);

}  // namespace braid::wire
