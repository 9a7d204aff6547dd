#include "vfs/posix/renaming.h"

#include <unistd.h>

#include <cstdio>

namespace braid::vfs {
namespace {

// Below a device: there is nothing, and nobody can make it.
constexpr const char* kStandIn = "/dev/null/.braid-new-name";

Result<void> make_placeholder(NameIn to, bool is_directory) {
  if (is_directory) {
    if (::mkdirat(to.directory, to.name.c_str(), 0700) != 0) return fail_last_os();
    return {};
  }
  if (::symlinkat(kStandIn, to.directory, to.name.c_str()) == 0) return {};
  if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) return fail_last_os();
  BRAID_CHECK(open_beneath(to.directory, to.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  return {};
}

Result<void> rename_once(PosixContext& context, NameIn from, NameIn to, bool is_directory) {
  const auto rename = [&](unsigned flags) {
    return context.options.rename(from.directory, from.name.c_str(), to.directory, to.name.c_str(),
                                  flags);
  };
  if (!context.refuses_rename_flags) {
    if (rename(RENAME_NOREPLACE) == 0) return {};
    // Also what a directory that is to go below itself gets, now and again below.
    if (errno != EINVAL) return fail_last_os();
    if (!is_directory) context.refuses_rename_flags = true;
  }
  BRAID_CHECK(make_placeholder(to, is_directory));
  BRAID_TRY(const struct statx taken, stat_in(to.directory, to.name));
  if (rename(0) == 0) {
    context.refuses_rename_flags = true;
    return {};
  }
  const int error = errno;
  if (const auto now = stat_in(to.directory, to.name); now && key_of(*now) == key_of(taken)) {
    ::unlinkat(to.directory, to.name.c_str(), is_directory ? AT_REMOVEDIR : 0);
  }
  const bool is_taken = error == ENOTEMPTY || error == ENOTDIR || error == EISDIR;
  return fail_os(is_taken ? EEXIST : error);
}

}  // namespace

Result<void> rename_to_free(PosixContext& context, NameIn from, NameIn to, bool is_directory) {
  return past_stand_in(to, [&] { return rename_once(context, from, to, is_directory); });
}

bool is_stand_in(std::string_view link_target) { return link_target == kStandIn; }

bool is_stand_in(int directory, const std::string& name) {
  std::string target(std::string_view(kStandIn).size() + 1, '\0');
  const ssize_t size = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  return size > 0 && is_stand_in(std::string_view(target).substr(0, static_cast<size_t>(size)));
}

bool remove_stand_in(NameIn name) {
  return is_stand_in(name.directory, name.name) &&
         ::unlinkat(name.directory, name.name.c_str(), 0) == 0;
}

}  // namespace braid::vfs
