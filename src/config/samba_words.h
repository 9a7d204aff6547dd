// Keys of smb.conf: their other names, and what is said of those that have no counterpart. Keys are
// as SmbLine::key has them. For from_samba.cc only.
#pragma once

#include <optional>
#include <string_view>

namespace braid::config {

// The one of several names that the others go by.
std::string_view samba_key(std::string_view key);

// Of samba_key(): here without being said, or about what is not here at all.
bool needs_no_word(std::string_view key);
// Of samba_key(): why it is not here, and what is nearest.
std::optional<std::string_view> nearest_to_samba(std::string_view key);

}  // namespace braid::config
