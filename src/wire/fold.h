// Case-insensitive comparison of names, as SMB clients expect it.
#pragma once

#include <string>
#include <string_view>

namespace braid::wire {

// Each UTF-16 unit replaced by what NTFS compares it as (wire/upcase.h), so that two names are the
// same for a client exactly if their folds are the same bytes. Units outside ASCII never fold into
// ASCII. Bytes that are not UTF-8 are kept.
std::string fold(std::string_view utf8);

bool equal_fold(std::string_view a, std::string_view b);

}  // namespace braid::wire
