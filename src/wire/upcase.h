// Upper case as NTFS has it.
#pragma once

namespace braid::wire {

// What NTFS compares a UTF-16 unit of a name as: itself, or another unit. Surrogates stay, so that
// names are compared one unit at a time and nothing beyond U+FFFF has case. No locale: the table is
// that of Windows 7 and later, which knows the letters of Unicode 5.1. [MS-UCODEREF] 3.1.5.3
// "Mapping UTF-16 Strings to Upper Case" publishes the same as that of Windows 8.
char16_t upcase(char16_t unit);

}  // namespace braid::wire
