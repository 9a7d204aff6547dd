// Change notifications.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace braid::wire {

// [MS-FSCC] 2.7.1 "FILE_NOTIFY_INFORMATION", Action.
enum class FileAction : uint32_t {
  kAdded = 1,
  kRemoved = 2,
  kModified = 3,
  kRenamedOldName = 4,
  kRenamedNewName = 5,
  kAddedStream = 6,
  kRemovedStream = 7,
  kModifiedStream = 8,
  kRemovedByDelete = 9,
  kIdNotTunnelled = 10,
  kTunnelledIdCollision = 11,
};

// [MS-FSCC] 2.7.1 "FILE_NOTIFY_INFORMATION". The name is UTF-8, relative to the watched directory,
// with backslashes.
struct FileNotifyInformation {
  FileAction action = FileAction::kModified;
  std::string file_name;

  bool operator==(const FileNotifyInformation&) const = default;
};

// The same, of a name that is kept elsewhere.
struct FileNotifyView {
  FileAction action = FileAction::kModified;
  std::string_view file_name;
};

Result<std::vector<FileNotifyInformation>> decode_notify(ByteView buffer);

// The whole list, or empty bytes if it takes more than `limit`: a list with holes would lie, so the
// caller answers STATUS_NOTIFY_ENUM_DIR then.
Bytes encode_notify(std::span<const FileNotifyView> changes, size_t limit);
Bytes encode_notify(std::span<const FileNotifyInformation> changes, size_t limit);
// What one change adds at most to a list's size, for accounts kept while changes queue up.
// `name_size`: of its name, in UTF-16LE.
size_t notify_entry_size(size_t name_size);

}  // namespace braid::wire
