#include "vfs/posix/known_roots.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>

#include "base/guarded.h"
#include "vfs/posix/patient_open.h"
#include "vfs/posix/system.h"

namespace braid::vfs {

struct RootPath {
  const std::string path;
  PatientOpen walk;
};

namespace {

constexpr std::chrono::seconds kPatience{1};

// Links in the configured path are the administrator's. With RESOLVE_CACHED nothing is asked of a
// disk: EAGAIN when the kernel does not have it at hand.
Result<UniqueFd> open_path(const std::string& path, uint64_t resolve) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = resolve;
  const long fd = ::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how);
  if (fd < 0) return fail_last_os();
  return UniqueFd(static_cast<int>(fd));
}

Guarded<std::vector<KnownRoot>>& table() {
  static Guarded<std::vector<KnownRoot>> roots;
  return roots;
}

// As the kernel has it, with a slash at its end; empty when it cannot tell.
std::string path_of(int fd) {
  std::string path(PATH_MAX, '\0');
  const ssize_t size = ::readlink(descriptor_path(fd).c_str(), path.data(), path.size());
  if (size <= 0) return {};
  path.resize(static_cast<size_t>(size));
  if (!path.ends_with('/')) path += '/';
  return path;
}

bool is_above_or_below(int one, int other) {
  const std::string a = path_of(one);
  const std::string b = path_of(other);
  return !a.empty() && !b.empty() && (a.starts_with(b) || b.starts_with(a));
}

// What the kernel knows without asking the disk.
Result<FileKey> key_at_hand(int fd) {
  struct statx st;
  if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) != 0) {
    return fail_last_os();
  }
  return key_of(st);
}

}  // namespace

void set_known_roots(const std::vector<std::string>& paths) {
  std::vector<KnownRoot> roots;
  for (const std::string& path : paths) {
    roots.push_back(std::make_shared<RootPath>(
        path, PatientOpen([path] { return open_path(path, 0); }, kPatience)));
  }
  *table().lock() = std::move(roots);
}

std::vector<KnownRoot> known_roots() { return *table().lock(); }

void prefer_known_root(const KnownRoot& root) {
  auto roots = table().lock();
  const auto at = std::ranges::find(*roots, root);
  if (at != roots->end()) std::rotate(roots->begin(), at, at + 1);
}

Result<UniqueFd> open_known_root(const KnownRoot& root, int own, dev_t device) {
  auto opened = open_path(root->path, RESOLVE_CACHED);
  // EINVAL: of a kernel before 5.12.
  if (!opened && (opened.error().is_os(EAGAIN) || opened.error().is_os(EINVAL))) {
    opened = root->walk.ask();
  }
  BRAID_TRY(UniqueFd fd, std::move(opened));
  BRAID_TRY(const FileKey key, key_at_hand(fd.get()));
  BRAID_TRY(const FileKey own_key, key_at_hand(own));
  if (key == own_key) return fail_os(ENOENT);
  if (key.device != device && !is_above_or_below(fd.get(), own)) return fail_os(ENOENT);
  return fd;
}

}  // namespace braid::vfs
