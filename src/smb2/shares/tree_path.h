// How filestate knows files by their names: those of all shares together, so that a name means the
// same file whichever share it is reached through, and files of other shares never look like being
// below a directory of this one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace braid::smb2 {

struct Share;

// `path`: relative to the share, as vfs::Path::text().
std::string in_all_shares(const Share& share, std::string_view path);

// The other way round; nothing when it is a name in another share.
std::optional<std::string> in_this_share(const Share& share, std::string_view path);

}  // namespace braid::smb2
