#include "vfs/posix/unnamed.h"
#include "vfs/posix/system.h"

#include <dirent.h>
#include <sys/random.h>

#include <cstdio>
#include <ctime>
#include <vector>

#include "base/unique_fd.h"
#include "runtime/identity.h"
#include "vfs/names.h"
#include "vfs/posix/renaming.h"

namespace braid::vfs {
namespace {

int flags_for(DataAccess access) {
  return !access.write ? O_RDONLY : access.read ? O_RDWR : O_WRONLY;
}

// A file system may have no files without names.
bool is_unknown(const Error& error) {
  return error.is_os(EOPNOTSUPP) || error.is_os(EISDIR) || error.is_os(EINVAL);
}

// No file is made that long.
constexpr int64_t kMakingSecondsMax = 60;

bool is_leftover(int directory, const std::string& name) {
  const auto st = stat_in(directory, name);
  if (!st || !(is_unfinished(name) || is_stand_in(directory, name))) return false;
  if (st->stx_mtime.tv_sec + kMakingSecondsMax > ::time(nullptr)) return false;
  // The server puts nothing into a file before it has its name.
  return !S_ISREG(st->stx_mode) || st->stx_size == 0 || st->stx_nlink > 1;
}

}  // namespace

std::string unfinished_name() {
  uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) number = 0;
  return std::string(kUnfinishedPrefix) + std::to_string(number);
}

Unnamed::~Unnamed() {
  if (own_name_.empty()) return;
  const auto remove = [this] {
    return ::unlinkat(descriptor_of(parent_), own_name_.c_str(), is_directory_ ? AT_REMOVEDIR : 0);
  };
  if (remove() == 0 || (errno != EACCES && errno != EPERM)) return;
  // Its maker may make names here no more. It is the server's, and nobody else sees it.
  const ScopedPrivilege privilege;
  if (privilege.status()) remove();
}

Result<UniqueFd> Unnamed::become(PosixContext& context, int fd, const Place& place,
                                 DataAccess access) {
  const int parent = descriptor_of(place.parent);
  if (!own_name_.empty()) {
    BRAID_CHECK(rename_to_free(context, {parent, own_name_}, {parent, place.name}, is_directory_));
    own_name_.clear();
    return UniqueFd();
  }
  if (::linkat(AT_FDCWD, descriptor_path(fd).c_str(), parent, place.name.c_str(),
               AT_SYMLINK_FOLLOW) != 0) {
    return fail_last_os();
  }
  const auto reopened = [&] {
    // What was put there instead may be a pipe.
    return open_beneath(parent, place.name, flags_for(access) | O_NOFOLLOW | O_NONBLOCK);
  };
  auto named = reopened();
  if (!named && named.error().is_os(EACCES)) {
    // What it was made with may allow its maker less than making it did.
    const ScopedPrivilege privilege;
    if (privilege.status()) named = reopened();
  }
  return named ? std::move(*named) : UniqueFd();
}

Result<UniqueFd> make_new(int parent, const std::string& name, const CreateHow& how) {
  const uint32_t mode = how.mode & 07777;
  if (how.directory) {
    if (::mkdirat(parent, name.c_str(), mode) != 0) return fail_last_os();
    const int flags = O_DIRECTORY | O_NOFOLLOW | (how.access.read ? O_RDONLY : O_PATH);
    return open_beneath(parent, name, flags);
  }
  return open_beneath(parent, name, flags_for(how.access) | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
}

Result<NewFile> make_unnamed(const std::shared_ptr<Node>& parent, const CreateHow& how) {
  const int directory = descriptor_of(parent);
  // The kernel makes none that cannot be written.
  if (!how.directory && how.access.write) {
    auto made = open_beneath(directory, "", flags_for(how.access) | O_TMPFILE, how.mode & 07777);
    if (made) return NewFile{*std::move(made), std::make_unique<Unnamed>(parent, "", false)};
    if (!is_unknown(made.error())) return fail(made.error());
  }
  const std::string name = unfinished_name();
  auto made = make_new(directory, name, how);
  if (!made) {
    if (how.directory && !made.error().is_os(EEXIST)) {
      ::unlinkat(directory, name.c_str(), AT_REMOVEDIR);
    }
    return fail(made.error());
  }
  return NewFile{*std::move(made), std::make_unique<Unnamed>(parent, name, how.directory)};
}

bool remove_leftovers(int directory) {
  UniqueFd fd(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd.get()), ::closedir);
  if (!listing) return false;
  (void)fd.release();
  std::vector<std::string> names;
  while (const dirent* const entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (!is_leftover(directory, name)) return false;
    names.push_back(name);
  }
  for (const std::string& name : names) {
    if (::unlinkat(directory, name.c_str(), 0) != 0) {
      ::unlinkat(directory, name.c_str(), AT_REMOVEDIR);
    }
  }
  return !names.empty();
}

}  // namespace braid::vfs
