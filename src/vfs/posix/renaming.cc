#include "vfs/posix/renaming.h"

#include <cstdio>

namespace braid::vfs {
namespace {

Result<FileKey> take_name(NameIn to, bool is_directory) {
  if (is_directory) {
    if (::mkdirat(to.directory, to.name.c_str(), 0700) != 0) return fail_last_os();
    BRAID_TRY(const struct statx st, stat_in(to.directory, to.name));
    return key_of(st);
  }
  BRAID_TRY(const UniqueFd made,
            open_beneath(to.directory, to.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  BRAID_TRY(const struct statx st, stat_of(made.get()));
  return key_of(st);
}

}  // namespace

Result<void> rename_to_free(PosixContext& context, NameIn from, NameIn to, bool is_directory) {
  if (!context.refuses_rename_flags) {
    if (context.options.rename(from.directory, from.name.c_str(), to.directory, to.name.c_str(),
                               RENAME_NOREPLACE) == 0) {
      return {};
    }
    // Also what a directory that is to go below itself gets, now and again below.
    if (errno != EINVAL) return fail_last_os();
    if (!is_directory) context.refuses_rename_flags = true;
  }
  BRAID_TRY(const FileKey taken, take_name(to, is_directory));
  if (::renameat(from.directory, from.name.c_str(), to.directory, to.name.c_str()) == 0) {
    context.refuses_rename_flags = true;
    return {};
  }
  const int error = errno;
  if (const auto now = stat_in(to.directory, to.name); now && key_of(*now) == taken) {
    ::unlinkat(to.directory, to.name.c_str(), is_directory ? AT_REMOVEDIR : 0);
  }
  const bool is_taken = error == ENOTEMPTY || error == ENOTDIR || error == EISDIR;
  return fail_os(is_taken ? EEXIST : error);
}

}  // namespace braid::vfs
