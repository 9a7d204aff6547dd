// Reparse point data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace braid::wire {

// [MS-FSCC] 2.1.2.4 "Symbolic Link Reparse Data Buffer". UTF-8, backslashes.
struct SymlinkReparse {
  std::string substitute_name;
  std::string print_name;
  bool relative = false;
  bool operator==(const SymlinkReparse&) const = default;
};

// [MS-FSCC] 2.1.2.5 "Mount Point Reparse Data Buffer".
struct MountPointReparse {
  std::string substitute_name;
  std::string print_name;
  bool operator==(const MountPointReparse&) const = default;
};

// [MS-FSCC] 2.1.2.6 "Network File System (NFS) Reparse Data Buffer".
struct NfsReparse {
  enum class Type : uint64_t {
    kSymlink = 0x00000000014B4E4C,
    kCharacterDevice = 0x0000000000524843,
    kBlockDevice = 0x00000000004B4C42,
    kFifo = 0x000000004F464946,
    kSocket = 0x000000004B434F53,
  };
  Type type = Type::kSymlink;
  std::string target;  // of a symlink: UTF-8, slashes as the maker wrote them
  uint32_t major = 0;  // of devices
  uint32_t minor = 0;
  bool operator==(const NfsReparse&) const = default;
};

// [MS-FSCC] 2.1.2.7 "LX SYMLINK REPARSE_DATA_BUFFER". The target is bytes, by rule UTF-8.
struct LxSymlinkReparse {
  std::string target;
  bool operator==(const LxSymlinkReparse&) const = default;
};

// Any other tag: kept as it is. `guid` is there for tags that are not Microsoft's
// ([MS-FSCC] 2.1.2.3 "REPARSE_GUID_DATA_BUFFER").
struct OpaqueReparse {
  std::optional<Guid> guid;
  Bytes data;
  bool operator==(const OpaqueReparse&) const = default;
};

// [MS-FSCC] 2.1.2.2 "REPARSE_DATA_BUFFER".
struct ReparseData {
  // What a set may bring at most: MAXIMUM_REPARSE_DATA_BUFFER_SIZE of Windows.
  static constexpr size_t kSizeMax = 16384;

  uint32_t tag = 0;
  std::variant<OpaqueReparse, SymlinkReparse, MountPointReparse, NfsReparse, LxSymlinkReparse> data;

  // The buffer must be exactly one structure. Errors are statuses, those of
  // FSCTL_SET_REPARSE_POINT: kIoReparseDataInvalid, and kIoReparseTagInvalid for the reserved tags
  // 0 and 1.
  static Result<ReparseData> decode(ByteView buffer);
  Bytes encode() const;

  bool operator==(const ReparseData&) const = default;
};

}  // namespace braid::wire
