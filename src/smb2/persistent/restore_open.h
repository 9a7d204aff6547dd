// An open that an earlier life of the server has written down, had again. [MS-SMB2] 3.3.5.9.12
// finds it like one whose connection is lost.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "filestate/file_table.h"
#include "smb2/common/fd_budget.h"
#include "smb2/opens/open.h"
#include "smb2/opens/open_table.h"
#include "smb2/persistent/persistent_open.h"
#include "smb2/shares/share.h"

namespace braid::smb2 {

struct RestoreParts {
  const Clock& clock;
  filestate::FileTable& file_table;
  OpenTable& open_table;
  FileIdSource& file_ids;
  FdBudget& fds;
};

// The file of such an open as it is found.
struct SeenFile {
  FileKey key;  // of the file, whichever stream
  uint64_t size = 0;
  FileTime write_time;
  // By the name it was about to get: the rename was done, and what it has done was not written.
  std::optional<vfs::Path> renamed_to{};
};
// Finds it, by the name it has or was about to have. Nothing but what had the name and is still
// the same file: ENOENT, ESTALE. Thread: one that may wait for the disk.
Result<SeenFile> see_file(const Share& share, const PersistentOpen& open);

// Parks it: it has its FileId.Persistent and another FileId.Volatile. STATUS_SHARING_VIOLATION:
// somebody is in its way. Never waits, but for a named stream, which is opened: EMFILE, its user
// has his share of descriptors.
Result<filestate::OpenRef> restore_open(const RestoreParts& parts,
                                        std::shared_ptr<const Share> share, PersistentOpen open,
                                        SeenFile seen, Clock::Instant deadline);
// One of another worker's client, until that worker restores it: filestate has it under `token`,
// which is of a worker that does not live. Errors and thread as above.
Result<void> hold_open(const RestoreParts& parts, std::shared_ptr<const Share> share,
                       PersistentOpen open, SeenFile seen, filestate::OpenToken token);
// Both, and its time-out begins now.
Result<filestate::OpenRef> restore_open(const RestoreParts& parts,
                                        std::shared_ptr<const Share> share, PersistentOpen open);

// What filestate says of an open whose files are there, under `key`: it has `state` as of a
// disconnected one, by the token that the FileId says. STATUS_SHARING_VIOLATION as above.
Result<void> have_in_filestate(const RestoreParts& parts, PreservedOpen& preserved,
                               filestate::OpenImage state, const FileKey& key);
// The end of that, for an open whose files are there: filestate has `state` under `key`, and the
// open waits for its client until `deadline`. STATUS_SHARING_VIOLATION as above.
Result<filestate::OpenRef> put_back(const RestoreParts& parts, PreservedOpen preserved,
                                    filestate::OpenImage state, const FileKey& key,
                                    Clock::Instant deadline);

// Its client comes for it: opens the file, unless it is open. Until then a server may have more of
// them than descriptors, and to find 100,000 takes less time than to open them. What its user may
// do with the file was decided when it was opened: he has that, whatever an access list says now.
// ENOENT, ESTALE: it is not there any more. EMFILE: its user has his share of descriptors. Thread:
// one that may wait for the disk.
Result<void> open_file(const filestate::FileTable& file_table, FdBudget& fds, PreservedOpen& open);

// The other way, in two steps, as an open has an Open only while its client is there. What the
// Open says:
void look_at(const Open& open, PersistentOpen& persistent);
// And filestate, which has heard of renames by others. False: it does not have the open any more.
bool take_image(const filestate::FileTable& file_table, const Share& share,
                PersistentOpen& persistent);
// Both, of one that has a client.
std::optional<PersistentOpen> persistent_open_of(const filestate::FileTable& file_table,
                                                 const Open& open);

}  // namespace braid::smb2
