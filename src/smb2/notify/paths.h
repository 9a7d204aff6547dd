// Paths as the kernel has them and as the watch table has them.
#pragma once

#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace braid::smb2 {

// "/srv/a:b" on disk is spelled as a client sees each of its names; "/" becomes "".
std::string spelled_for_clients(std::string_view disk_path);
// The way back.
std::string spelled_on_disk(std::string_view client_path);

// Opens `directory`, which is `root` or below it, for reading, without following a symbolic link
// below the root. As the server. Empty when it cannot.
UniqueFd open_directory(const std::string& root, const std::string& directory);

}  // namespace braid::smb2
