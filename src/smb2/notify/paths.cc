#include "smb2/notify/paths.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "runtime/identity.h"
#include "vfs/names.h"

namespace braid::smb2 {
namespace {

template <class Spell>
std::string each_name(std::string_view path, Spell spell) {
  std::string out;
  out.reserve(path.size());
  while (!path.empty()) {
    const size_t start = path.find_first_not_of('/');
    if (start == std::string_view::npos) break;
    path.remove_prefix(start);
    const std::string_view name = path.substr(0, path.find('/'));
    out += '/';
    out += spell(name);
    path.remove_prefix(name.size());
  }
  return out;
}

}  // namespace

std::string spelled_for_clients(std::string_view disk_path) {
  return each_name(disk_path, vfs::to_client);
}

std::string spelled_on_disk(std::string_view client_path) {
  return each_name(client_path, vfs::to_disk);
}

UniqueFd open_directory(const std::string& root, const std::string& directory) {
  ScopedPrivilege privilege;
  if (!privilege.status()) return {};
  const UniqueFd top(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top) return {};
  const std::string below = directory.size() > root.size() && directory.starts_with(root)
                                ? "." + directory.substr(root == "/" ? 0 : root.size())
                                : ".";
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(
      static_cast<int>(::syscall(SYS_openat2, top.get(), below.c_str(), &how, sizeof how)));
}

}  // namespace braid::smb2
