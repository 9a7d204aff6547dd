// Where a rename or a link puts a name, and what has to make way for it. [MS-FSA] 2.1.5.15.12
// "FileRenameInformation" and 2.1.5.15.7 "FileLinkInformation".
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/ids.h"
#include "runtime/task.h"
#include "smb2/connections/request.h"
#include "vfs/vfs.h"

namespace braid::smb2 {

struct RenameHow {
  bool replace = false;
  bool posix_semantics = false;  // with replace: handles of what is replaced stay as they are
  bool ignore_readonly = false;  // with replace
};

// Where a new name goes, with its directory held, and what has the name now.
struct RenameTarget {
  vfs::Place place;  // spelled as the client wants it
  vfs::Path path;    // the same
  std::optional<vfs::Found> taken;
  // Whoever opens what is `taken` waits until the last copy of this is gone.
  std::shared_ptr<const void> until_replaced{};
};

// Finds where `name` leads, judges what is there, and then makes everybody give up what they cache
// of it, waiting as operation.h says; then it must not be open any more, and nobody opens it while
// the target is kept. What is taken may be `source` itself, and is then left alone.
//
// STATUS_OBJECT_NAME_COLLISION (taken, and not to be replaced), STATUS_ACCESS_DENIED (the source is
// to be deleted; what is taken is a directory, READONLY, nothing the user may delete, or open),
// STATUS_DELETE_PENDING, STATUS_SHARING_VIOLATION (somebody holds the directory to delete it), and
// those of a look-up. Starts on a thread of the pool and continues there.
Task<Result<RenameTarget>> take_target(Request& request, std::string name, FileKey source,
                                       RenameHow how);

// After the name went to another file: those who still have the old one open have one without.
void replaced(Request& request, const RenameTarget& target);

}  // namespace braid::smb2
