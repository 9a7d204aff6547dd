// What a share's local_access makes of an oplock or lease that filestate has granted.
#pragma once

#include <cstdint>
#include <memory>

#include "base/ids.h"
#include "filestate/file_table.h"
#include "vfs/file.h"

namespace braid::smb2 {

class FileServices;
struct Share;

struct LocalAccessTerms {
  // What of it may stay.
  filestate::Caching kept = filestate::Caching::kReadWriteHandle;
  // The Open keeps it until it closes its file.
  std::shared_ptr<const void> watch;
};

// Who has had it up to now: a client of this process, or one of the process before this.
enum class GuardedBefore : uint8_t { kHere, kByProcessBefore };

// From now on local programs are held off from what `granted` lets the client of an open of `file`
// by `account` cache ("strict"), or it is heard of what they do ("notify"): a look at the file
// before may be old by now. Thread: one that may wait for the disk.
LocalAccessTerms see_to_local_programs(FileServices& files, const Share& share, const FileKey& key,
                                       const vfs::File& file, filestate::Caching granted,
                                       filestate::Account account,
                                       GuardedBefore before = GuardedBefore::kHere);

}  // namespace braid::smb2
