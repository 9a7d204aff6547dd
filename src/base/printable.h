// Text of others, made safe to show in a line of a log or on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace braid {

// UTF-8 in which nothing moves the cursor, starts a line or turns the order of reading: control
// characters (C0, DEL, C1), U+2028 and U+2029, and the marks that change the direction of text
// become \u{9b}; bytes that are no UTF-8 become \x9b. Everything else stays as it is, so that
// names remain names and paths of Windows keep their backslashes.
std::string printable(std::string_view text);

// At most `size_max` bytes of it, never a part of a character.
std::string_view cut_text(std::string_view text, size_t size_max);

}  // namespace braid
