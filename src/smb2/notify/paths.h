// Paths as the kernel has them and as the watch table has them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace braid::smb2 {

// Of paths of the watch table.
inline size_t depth_of(std::string_view path) {
  return static_cast<size_t>(std::ranges::count(path, '/'));
}
inline std::string_view parent_of(std::string_view path) { return path.substr(0, path.rfind('/')); }
inline bool is_at_or_below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

// "/srv/a:b" on disk is spelled as a client sees each of its names; "/" becomes "".
std::string spelled_for_clients(std::string_view disk_path);
// The way back.
std::string spelled_on_disk(std::string_view client_path);

// Opens `directory`, which is `root` or below it, for reading, without following a symbolic link
// below the root. As the server. Empty when it cannot.
UniqueFd open_directory(const std::string& root, const std::string& directory);

}  // namespace braid::smb2
