// File attributes and reparse tags.
#pragma once

#include <cstdint>

namespace braid::wire {

// [MS-FSCC] 2.6 "File Attributes". In FileBasicInformation of a set, 0 leaves the attributes alone.
namespace file_attribute {
inline constexpr uint32_t kReadOnly = 0x00000001;
inline constexpr uint32_t kHidden = 0x00000002;
inline constexpr uint32_t kSystem = 0x00000004;
inline constexpr uint32_t kDirectory = 0x00000010;
inline constexpr uint32_t kArchive = 0x00000020;
inline constexpr uint32_t kNormal = 0x00000080;  // alone, or not at all
inline constexpr uint32_t kTemporary = 0x00000100;
inline constexpr uint32_t kSparseFile = 0x00000200;
inline constexpr uint32_t kReparsePoint = 0x00000400;
inline constexpr uint32_t kCompressed = 0x00000800;
inline constexpr uint32_t kOffline = 0x00001000;
inline constexpr uint32_t kNotContentIndexed = 0x00002000;
inline constexpr uint32_t kEncrypted = 0x00004000;
inline constexpr uint32_t kIntegrityStream = 0x00008000;
inline constexpr uint32_t kNoScrubData = 0x00020000;
inline constexpr uint32_t kRecallOnOpen = 0x00040000;
inline constexpr uint32_t kPinned = 0x00080000;
inline constexpr uint32_t kUnpinned = 0x00100000;
inline constexpr uint32_t kRecallOnDataAccess = 0x00400000;
}  // namespace file_attribute

// [MS-FSCC] 2.1.2.1 "Reparse Tags", those a file server tells apart.
namespace reparse_tag {
inline constexpr uint32_t kMountPoint = 0xA0000003;
inline constexpr uint32_t kSymlink = 0xA000000C;
inline constexpr uint32_t kDedup = 0x80000013;
inline constexpr uint32_t kNfs = 0x80000014;
inline constexpr uint32_t kAfUnix = 0x80000023;
inline constexpr uint32_t kLxSymlink = 0xA000001D;
inline constexpr uint32_t kLxFifo = 0x80000024;
inline constexpr uint32_t kLxChr = 0x80000025;
inline constexpr uint32_t kLxBlk = 0x80000026;
}  // namespace reparse_tag

}  // namespace braid::wire
