#include "smb2/opens/sync.h"

#include <cerrno>

#include "smb2/opens/open.h"
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
  if (!is_write_through(open)) return {};
  return sync(open, durability);
}

bool is_write_through(const Open& open) {
  return (open.mode & wire::FileModeInformation::kWriteThrough) != 0 ||
         open.tree_connect->share->continuous_availability;
}

Result<void> sync_names(vfs::Volume& volume, const std::shared_ptr<vfs::Node>& directory) {
  vfs::Attributes attributes;
  attributes.key = directory->key();
  attributes.kind = vfs::Kind::kDirectory;
  BRAID_TRY(const auto opened,
            volume.open(server_credentials(), vfs::Found(directory, std::move(attributes)), {}));
  return opened->flush(vfs::Durability::kDataAndMetadata);
}

}  // namespace braid::smb2
