// Snapshots: the previous versions of a share.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "smb2/shares/share.h"
#include "vfs/vfs.h"

namespace braid::smb2 {

// "@GMT-YYYY.MM.DD-HH.MM.SS", [MS-SMB2] 2.2.32.2 "SRV_SNAPSHOT_ARRAY".
inline constexpr size_t kSnapshotTokenSize = 24;
// Seconds since 1970 of a token; nothing when `text` is not exactly one.
std::optional<int64_t> parse_snapshot_token(std::string_view text);
// The token that is all or a part of the name of a snapshot's directory; "" when there is none.
std::string_view find_snapshot_token(std::string_view name);

// The directories in one folder of a share whose names carry a token: snapshots of btrfs, or copies
// made in any other way. They are looked for as the server, so that the folder itself may be closed
// to users; what is in a snapshot is reached with the user's rights. Owned by the Share, which must
// outlive it. Thread: any; may block.
class Snapshots {
 public:
  // `folder` is below the root of the share.
  Snapshots(const Share& share, vfs::Path folder) : share_(share), folder_(std::move(folder)) {}

  const vfs::Path& folder() const { return folder_; }
  // Tokens, the newest first, as clients expect. A missing folder has none.
  Result<std::vector<std::string>> list() const;
  // The share as it was: read-only, without change notification. STATUS_OBJECT_NAME_NOT_FOUND when
  // no snapshot is of that second.
  Result<std::shared_ptr<const Share>> open(FileTime time);

 private:
  // Each holds a descriptor and an index of names.
  static constexpr size_t kOpenMax = 32;

  struct OpenSnapshot {
    FileKey key;  // of its directory
    std::string name;
    std::shared_ptr<const Share> share;
  };

  // Names of directories by their time.
  Result<std::map<int64_t, std::string>> scan() const;
  Result<FileKey> key_of(const std::string& name) const;

  const Share& share_;
  const vfs::Path folder_;
  Guarded<std::map<int64_t, OpenSnapshot>> open_;
};

}  // namespace braid::smb2
