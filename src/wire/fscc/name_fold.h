// Names without regard to case.
#pragma once

#include <string>
#include <string_view>

namespace braid::wire {

// The simple upper-case form of one code point, the same number of code points as before. What
// would make a letter outside ASCII equal to one inside (dotless i, long s) is left alone, as NTFS
// leaves it: else two names that Windows keeps apart would be one file.
char32_t fold(char32_t c);

// UTF-8 to folded code points. Bytes that are not UTF-8 stand for themselves above U+10FFFF, so
// that different garbage stays different.
std::u32string fold_name(std::string_view name);

// Whether two names mean the same file where case does not matter.
bool equal_names(std::string_view a, std::string_view b);

}  // namespace braid::wire
