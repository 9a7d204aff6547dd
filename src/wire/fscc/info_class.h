// The information classes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace braid::wire {

// [MS-FSCC] 2.4 "File Information Classes", those that travel.
enum class FileInfoClass : uint8_t {
  kDirectory = 1,
  kFullDirectory = 2,
  kBothDirectory = 3,
  kBasic = 4,
  kStandard = 5,
  kInternal = 6,
  kEa = 7,
  kAccess = 8,
  kName = 9,
  kRename = 10,
  kLink = 11,
  kNames = 12,
  kDisposition = 13,
  kPosition = 14,
  kFullEa = 15,
  kMode = 16,
  kAlignment = 17,
  kAll = 18,
  kAllocation = 19,
  kEndOfFile = 20,
  kAlternateName = 21,
  kStream = 22,
  kPipe = 23,
  kPipeLocal = 24,
  kPipeRemote = 25,
  kCompression = 28,
  kObjectId = 29,
  kQuota = 32,
  kReparsePoint = 33,
  kNetworkOpen = 34,
  kAttributeTag = 35,
  kIdBothDirectory = 37,
  kIdFullDirectory = 38,
  kValidDataLength = 39,
  kShortName = 40,
  kSfioReserve = 44,
  kHardLink = 46,
  kNormalizedName = 48,
  kStandardLink = 54,
  kId = 59,
  kIdExtdDirectory = 60,
  kDispositionEx = 64,
  kRenameEx = 65,
  kId64ExtdDirectory = 78,
  kId64ExtdBothDirectory = 79,
  kIdAllExtdDirectory = 80,
  kIdAllExtdBothDirectory = 81,
  kPosix = 100,  // SMB 3.1.1 POSIX extensions: FilePosixInformation, also of directory entries
};

// [MS-FSCC] 2.5 "File System Information Classes".
enum class FsInfoClass : uint8_t {
  kVolume = 1,
  kLabel = 2,
  kSize = 3,
  kDevice = 4,
  kAttribute = 5,
  kControl = 6,
  kFullSize = 7,
  kObjectId = 8,
  kDriverPath = 9,
  kVolumeFlags = 10,
  kSectorSize = 11,
  kPosix = 100,  // SMB 3.1.1 POSIX extensions
};

// Whether QUERY_DIRECTORY takes the class, and the offset of FileName in its entries: for kPosix
// where both SIDs have two sub-authorities, as those of Unix ids have.
std::optional<uint32_t> directory_name_offset(FileInfoClass info_class);

}  // namespace braid::wire
