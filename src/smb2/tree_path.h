// How filestate knows files by their names: those of all shares together, so that a name means the
// same file whichever share it is reached through, and files of other shares never look like being
// below a directory of this one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace braid::smb2 {

class Open;
class Server;
struct Share;

// `path`: relative to the share, as vfs::Path::text().
std::string in_all_shares(const Share& share, std::string_view path);

// The other way round; nothing when it is a name in another share.
std::optional<std::string> in_this_share(const Share& share, std::string_view path);

// The name of the file of `open` in its share, as the last CREATE or rename of any open left it.
std::string current_path(const Server& server, const Open& open);

}  // namespace braid::smb2
