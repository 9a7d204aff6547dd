// PreservedOpen: what is left of an Open whose client is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "smb2/opens/open.h"
#include "smb2/opens/open_values.h"
#include "smb2/shares/share.h"
#include "vfs/vfs.h"

namespace braid::smb2 {

// Everything of an Open that outlives its connection, [MS-SMB2] 3.3.7.1 "Handling Loss of a
// Connection"; its locks, caching and share mode stay with filestate under the same token. Values,
// and the descriptors of the file: nothing here points at a Session, a TreeConnect or a thread, so
// that it can be written down or handed to another process. What an Open gains and must survive is
// a member of OpenValues or OpenChanges.
//
// Owned by the OpenTable while nobody has it. Thread: its owner's.
struct PreservedOpen : OpenValues {
  OpenChanges changes;
  std::shared_ptr<const Share> share;
  std::shared_ptr<const vfs::StreamName> named_stream() const {
    return file ? file->stream_name() : nullptr;
  }
  std::string stream_name() const {
    const auto name = named_stream();
    return name ? name->text() : std::string();
  }

  // Of the Open and its locks, which stay. Another worker that takes it over counts it itself.
  HeldMemory::Kept memory;
  size_t counted_locks = LockRoom::kInOpenSize;
  FdBudget::Files descriptors;
  // Null of one that an earlier life of the server has written down, until somebody claims it:
  // persistent/restore_open.h. It is of no named stream then.
  std::unique_ptr<vfs::File> file;
  std::unique_ptr<vfs::File> base_file;
  std::shared_ptr<const void> local_watch;  // as in Open

  // What the file was like: a client must not find its cache confirmed when something local has
  // changed the file.
  uint64_t size = 0;
  FileTime write_time;
};

// Takes it out of `open`, which nobody may use any more. REQUIRES: open is closing and unused; it
// is of a file. May block.
PreservedOpen preserve(Open& open);

// The Open again, for a session and one of its trees; not in any table yet. The FileId is the old
// one: it is unique in the server, and so in the new session.
std::shared_ptr<Open> restore(PreservedOpen preserved, std::shared_ptr<Session> session,
                              std::shared_ptr<TreeConnect> tree);

// REQUIRES, of the two below: its file is open.
// Whether the file still has a name. May block.
bool has_name(const PreservedOpen& preserved);
// Whether the file is as it was when its Open was preserved. May block.
bool is_unchanged(const PreservedOpen& preserved);

}  // namespace braid::smb2
