#include "smb2/sync.h"

#include <cerrno>

#include "smb2/open.h"
#include "wire/fscc/file_information.h"

namespace braid::smb2 {

Result<void> sync(Open& open, vfs::Durability durability) {
  if (const int before = open.flush_error.load()) return fail_os(before);
  auto done = open.file->flush(durability);
  if (!done &&
      (done.error().is_os(EIO) || done.error().is_os(ENOSPC) || done.error().is_os(EDQUOT))) {
    open.flush_error = done.error().os_error();
  }
  return done;
}

Result<void> write_through(Open& open, vfs::Durability durability) {
  if (!(open.mode & wire::FileModeInformation::kWriteThrough)) return {};
  return sync(open, durability);
}

}  // namespace braid::smb2
