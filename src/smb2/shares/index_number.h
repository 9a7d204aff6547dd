// The 64-bit number by which clients know a file of a share.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "vfs/volume.h"

namespace braid::smb2 {

// [MS-FSCC] 2.4.27 "FileInternalInformation", IndexNumber: the inode number. Clients take two names
// with one number for one file, and a share may hold several file systems: subvolumes of btrfs
// number their files each from the same start, and so do file systems mounted below the share. The
// numbers of these are mixed with the device's, which stays the same until they are mounted anew.
inline uint64_t index_number(const vfs::Volume& volume, const FileKey& key) {
  if (key.device == volume.features().device) return key.inode;
  uint64_t mixed = key.device * 0x9e3779b97f4a7c15ULL;
  mixed ^= mixed >> 29;
  return (mixed * 0xbf58476d1ce4e5b9ULL) ^ key.inode;
}

}  // namespace braid::smb2
