// What clients with the SMB3 POSIX Extensions see of a file.
#pragma once

#include <cstdint>
#include <string>

#include "vfs/vfs.h"
#include "wire/dtyp/sid.h"
#include "wire/fscc/file_information.h"

namespace braid::smb2 {

// wire::PosixMode.
uint32_t posix_mode(const vfs::Attributes& attributes);
// S-1-22-1-uid and S-1-22-2-gid: such clients have numbers, and know nobody's accounts.
wire::Sid posix_owner(const vfs::Attributes& attributes);
wire::Sid posix_group(const vfs::Attributes& attributes);
wire::FilePosixInformation posix_information(const vfs::Volume& volume,
                                             const vfs::Attributes& attributes);
// What an entry of a listing is called: the name on disk, where that is text.
std::string posix_name(const vfs::DirectoryEntry& entry);

}  // namespace braid::smb2
