// What a file system knows about one file.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/ids.h"

namespace braid::vfs {

// [MS-FSCC] 2.6 "File Attributes".
namespace dos {
inline constexpr uint32_t kReadonly = 0x00000001;
inline constexpr uint32_t kHidden = 0x00000002;
inline constexpr uint32_t kSystem = 0x00000004;
inline constexpr uint32_t kDirectory = 0x00000010;
inline constexpr uint32_t kArchive = 0x00000020;
inline constexpr uint32_t kNormal = 0x00000080;
inline constexpr uint32_t kTemporary = 0x00000100;
inline constexpr uint32_t kSparse = 0x00000200;
inline constexpr uint32_t kReparsePoint = 0x00000400;
inline constexpr uint32_t kCompressed = 0x00000800;
inline constexpr uint32_t kOffline = 0x00001000;
inline constexpr uint32_t kNotContentIndexed = 0x00002000;
inline constexpr uint32_t kEncrypted = 0x00004000;
// What a client may set and what is stored; the others follow from what the file is.
inline constexpr uint32_t kSettable =
    kReadonly | kHidden | kSystem | kArchive | kTemporary | kOffline | kNotContentIndexed;
inline constexpr uint32_t kStored = kSettable | kSparse;
}  // namespace dos

// [MS-FSCC] 2.1.2.1 "Reparse Tags".
inline constexpr uint32_t kReparseTagSymlink = 0xA000000C;
inline constexpr uint32_t kReparseTagNfs = 0x80000014;  // pipes, sockets and devices

enum class Kind : uint8_t {
  kFile,
  kDirectory,
  kSymlink,
  kFifo,
  kSocket,
  kCharDevice,
  kBlockDevice
};

struct Attributes {
  FileKey key;  // stream is 0 for a file itself
  Kind kind = Kind::kFile;
  uint32_t nlink = 1;
  uint64_t size = 0;
  uint64_t allocation_size = 0;
  uint32_t dos_attributes = 0;  // never 0: kNormal when nothing else is set
  // kHidden is there because of the name only, and stands in nobody's way.
  bool hidden_by_name = false;
  uint32_t reparse_tag = 0;  // 0 unless dos_attributes has kReparsePoint
  FileTime creation_time;
  FileTime access_time;
  FileTime write_time;
  FileTime change_time;
  // Of the last change, which nobody chooses or keeps: whoever has to know whether the file is
  // still as it was asks for this.
  FileTime changed;
  // When the inode was made, which nobody chooses either: another file that has got its number has
  // another. 0: the file system does not keep it.
  FileTime born;
  uint32_t mode = 0;  // permission bits with set-id and sticky, 07777
  uid_t uid = 0;
  gid_t gid = 0;
  uint64_t device = 0;  // st_rdev of a device

  bool is_directory() const { return kind == Kind::kDirectory; }
  bool is_symlink() const { return kind == Kind::kSymlink; }
};

// Some of the dos::kStored bits and how they are to be; kNormal alone means none of them. The
// others stay as somebody else may be changing them meanwhile.
struct DosChange {
  DosChange(uint32_t wanted, uint32_t among = dos::kStored)
      : bits(wanted & among & dos::kStored), mask(among & dos::kStored) {}
  uint32_t applied_to(uint32_t attributes) const { return (attributes & ~mask) | bits; }

  uint32_t bits;
  uint32_t mask;
};

// A change of what Attributes shows; what is empty stays. The special values 0, -1 and -2 of the
// protocol are the caller's business.
struct AttributesChange {
  std::optional<DosChange> dos_attributes = {};
  std::optional<FileTime> creation_time = {};
  std::optional<FileTime> access_time = {};
  std::optional<FileTime> write_time = {};
  // Shown until the file changes again.
  std::optional<FileTime> change_time = {};
  std::optional<uint32_t> mode = {};
  std::optional<uid_t> uid = {};
  std::optional<gid_t> gid = {};
};

}  // namespace braid::vfs
