// What the kernel writes about one fanotify event.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "smb2/notify/local_changes.h"

namespace braid::smb2 {

// Names a directory, or another file, for as long as its file system knows it. Compares as a value.
struct DirectoryHandle {
  uint64_t file_system = 0;  // f_fsid
  int32_t type = 0;          // of the handle
  std::string bytes;

  auto operator<=>(const DirectoryHandle&) const = default;
};

// A name in a directory; "." for the directory itself.
struct NamedEntry {
  DirectoryHandle directory;
  std::string name;
};

// One event of a group made with FAN_REPORT_DFID_NAME_TARGET, or with FAN_REPORT_DIR_FID and
// FAN_REPORT_FID.
struct FanotifyRecord {
  uint64_t mask = 0;
  int32_t pid = 0;
  std::optional<DirectoryHandle> directory;  // FAN_REPORT_DIR_FID: where it happened
  std::optional<DirectoryHandle> object;     // what it happened to, where the kernel says so
  std::optional<NamedEntry> entry;           // all but FAN_RENAME
  std::optional<NamedEntry> old_name;        // FAN_RENAME
  std::optional<NamedEntry> new_name;
};

// The events of one read(). What the kernel wrote is trusted to be well formed; a length that is
// not ends the list.
std::vector<FanotifyRecord> decode_fanotify(ByteView events);

// What a record says happened, in order. `path_of` gives a directory's path, or nothing when it is
// gone or nobody's business; `exists` settles whether a name that came and went is there now.
std::vector<LocalChange> changes_of(
    const FanotifyRecord& record,
    const std::function<std::optional<std::string>(const DirectoryHandle&)>& path_of,
    const std::function<bool(const std::string&)>& exists);

}  // namespace braid::smb2
