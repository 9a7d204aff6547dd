#include "smb2/shares/posix_view.h"

#include "smb2/shares/index_number.h"
#include "vfs/names.h"

namespace braid::smb2 {
namespace {

uint32_t type_of(vfs::Kind kind) {
  using wire::PosixMode;
  switch (kind) {
    case vfs::Kind::kFile:
      return PosixMode::kFile;
    case vfs::Kind::kDirectory:
      return PosixMode::kDirectory;
    case vfs::Kind::kSymlink:
      return PosixMode::kSymlink;
    case vfs::Kind::kFifo:
      return PosixMode::kFifo;
    case vfs::Kind::kSocket:
      return PosixMode::kSocket;
    case vfs::Kind::kCharDevice:
      return PosixMode::kCharDevice;
    case vfs::Kind::kBlockDevice:
      return PosixMode::kBlockDevice;
  }
  return PosixMode::kFile;
}

}  // namespace

uint32_t posix_mode(const vfs::Attributes& attributes) {
  return (attributes.mode & wire::PosixMode::kPermissions) | type_of(attributes.kind);
}

wire::Sid posix_owner(const vfs::Attributes& attributes) {
  return wire::sids::kUnixUsers.with_rid(attributes.uid);
}

wire::Sid posix_group(const vfs::Attributes& attributes) {
  return wire::sids::kUnixGroups.with_rid(attributes.gid);
}

wire::FilePosixInformation posix_information(const vfs::Volume& volume,
                                             const vfs::Attributes& attributes) {
  return {.creation_time = attributes.creation_time,
          .last_access_time = attributes.access_time,
          .last_write_time = attributes.write_time,
          .change_time = attributes.change_time,
          .end_of_file = attributes.size,
          .allocation_size = attributes.allocation_size,
          .file_attributes = attributes.dos_attributes,
          .inode = index_number(volume, attributes.key),
          .device_id = static_cast<uint32_t>(attributes.key.device),
          .number_of_links = attributes.nlink,
          .reparse_tag = attributes.reparse_tag,
          .mode = posix_mode(attributes),
          .owner = posix_owner(attributes),
          .group = posix_group(attributes)};
}

std::string posix_name(const vfs::DirectoryEntry& entry) {
  return vfs::to_posix_client(entry.disk_name.empty() ? entry.name : entry.disk_name);
}

}  // namespace braid::smb2
