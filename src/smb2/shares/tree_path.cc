#include "smb2/shares/tree_path.h"

#include "smb2/shares/share.h"

namespace braid::smb2 {
namespace {

// No path of the kernel begins with a line feed, and no name of a client's holds one.
std::string root_of(const Share& share) {
  std::string root = share.real_path.empty() ? "\n" + share.name : share.real_path;
  // As in the paths of clients, where a share in a folder of another one goes on.
  for (char& c : root) {
    if (c == '/') c = '\\';
  }
  if (!root.ends_with('\\')) root += '\\';
  return root;
}

}  // namespace

std::string in_all_shares(const Share& share, std::string_view path) {
  return root_of(share).append(path);
}

std::optional<std::string> in_this_share(const Share& share, std::string_view path) {
  const std::string root = root_of(share);
  if (!path.starts_with(root)) return {};
  return std::string(path.substr(root.size()));
}

}  // namespace braid::smb2
