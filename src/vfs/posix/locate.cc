#include "vfs/posix/locate.h"
#include "vfs/posix/system.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>

#include "vfs/names.h"

namespace braid::vfs {
namespace {

// A rename between two steps makes it start over; not for ever.
constexpr int kTriesMax = 16;
// What the kernel writes behind a name that the file has lost.
constexpr std::string_view kDeleted = " (deleted)";

// EOPNOTSUPP: it has a name, but one that is longer than the kernel tells.
Result<std::string> kernel_name(int fd) {
  std::string name(PATH_MAX + 1, '\0');
  const ssize_t size = ::readlink(descriptor_path(fd).c_str(), name.data(), name.size());
  if (size < 0 && errno == ENAMETOOLONG) return fail_os(EOPNOTSUPP);
  if (size < 0) return fail_last_os();
  if (static_cast<size_t>(size) == name.size()) return fail_os(EOPNOTSUPP);
  name.resize(static_cast<size_t>(size));
  return name;
}

enum class Known : uint8_t { kFromNow, kForASecond };

// With a slash at its end.
Result<std::string> root_name(const PosixContext& context, Known known) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (known == Known::kForASecond) {
    auto before = context.root_name.lock();
    if (before->second == now.tv_sec) return before->text;
  }
  BRAID_TRY(std::string text, kernel_name(context.root.get()));
  if (!text.ends_with('/')) text += '/';
  *context.root_name.lock() = {text, now.tv_sec};
  return text;
}

// From the root of the tree, "dir/file"; "" for the root.
Result<std::string> name_below(const PosixContext& context, int fd) {
  BRAID_TRY(std::string name, kernel_name(fd));
  // The kernel says it so, and a name may end like that.
  if (name.ends_with(kDeleted)) {
    BRAID_TRY(const struct statx st, stat_of(fd));
    if (st.stx_nlink == 0) return fail_os(ENOENT);
    // One that was made without a name and has got one since: unnamed.h.
    if (name.ends_with("/#" + std::to_string(st.stx_ino) + std::string(kDeleted))) {
      return fail_os(EOPNOTSUPP);
    }
  }
  name += '/';
  BRAID_TRY(std::string root, root_name(context, Known::kForASecond));
  if (!name.starts_with(root)) {
    BRAID_TRY(root, root_name(context, Known::kFromNow));
    if (!name.starts_with(root)) return fail_os(EXDEV);
  }
  if (name.size() == root.size()) return std::string();
  name.pop_back();
  name.erase(0, root.size());
  return name;
}

Result<Path> client_path(std::string_view name) {
  Path path;
  for (size_t start = 0; start < name.size();) {
    const size_t end = std::min(name.find('/', start), name.size());
    BRAID_CHECK(path.append(to_client(name.substr(start, end - start))));
    start = end + 1;
  }
  return path;
}

bool is_private(std::string_view name) {
  for (size_t start = 0; start < name.size();) {
    const size_t end = std::min(name.find('/', start), name.size());
    if (is_private_folder(name.substr(start, end - start))) return true;
    start = end + 1;
  }
  return false;
}

}  // namespace

Result<Path> posix_name_of(const PosixContext& context, int fd) {
  BRAID_TRY(const std::string name, name_below(context, fd));
  if (is_private(name)) return fail_os(ENOENT);
  return client_path(name);
}

Result<Located> posix_locate(PosixContext& context, int fd, FileKey key) {
  bool is_gone = false;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    BRAID_TRY(const std::string name, name_below(context, fd));
    if (name.empty()) return fail_os(EBUSY);
    if (is_private(name)) return fail_os(EXDEV);
    // One of several names of the file, unless it is called so.
    is_gone = name.ends_with(kDeleted);
    const size_t slash = name.rfind('/');
    const bool is_in_root = slash == std::string::npos;
    const std::string last = is_in_root ? name : name.substr(slash + 1);
    auto parent = open_beneath(context.root.get(), is_in_root ? "" : name.substr(0, slash),
                               O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!parent) {
      const int error = parent.error().os_error();
      if (error == ENOENT || error == ENOTDIR || error == ELOOP) continue;
      return fail(parent.error());
    }
    const auto there = stat_in(parent->get(), last);
    if (!there && there.error().is_os(ENOENT)) continue;
    if (!there) return fail(there.error());
    if (key_of(*there) != FileKey{key.device, key.inode, 0}) continue;
    BRAID_TRY(const struct statx st, stat_of(parent->get()));
    BRAID_TRY(Path path, client_path(name));
    return Located{{std::make_shared<PosixNode>(*std::move(parent), key_of(st)), last},
                   std::move(path)};
  }
  return fail_os(is_gone ? ENOENT : ESTALE);
}

}  // namespace braid::vfs
