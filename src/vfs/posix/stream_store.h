// Where named streams are kept.
#pragma once

#include <optional>
#include <string>

#include "runtime/identity.h"
#include "vfs/posix/context.h"

namespace braid::vfs {

// Held for one operation on the streams of a file for `who`: as the server, one at a time.
class StreamLock {
 public:
  StreamLock(PosixContext& context, const Credentials& who, FileKey key)
      : context_(context), key_(key), assumed_(assume(who)) {
    take_again();
  }
  const Result<void>& status() const { return assumed_ ? privilege_.status() : assumed_; }
  // As the server still, and others get at the streams of the file.
  void let_go() { lock_.reset(); }
  void take_again() { lock_.emplace(context_, key_); }

 private:
  PosixContext& context_;
  const FileKey key_;
  const Result<void> assumed_;
  std::optional<MetadataLock> lock_;
  const ScopedPrivilege privilege_;
};

// A small stream is the extended attribute user.DosStream.NAME:$DATA of its file, its bytes and a
// NUL after them, as Samba's streams_xattr keeps it. One that grows out of that moves to a side
// file in the private folder of the share for good. A marker on the file then names the side file:
//   u8 version 1, 7 zeros, u64 inode of the file, 16 bytes id
// and the attribute user.braid.base of the side file says whose it is:
//   u8 version 1, 7 zeros, u64 inode, u64 birth time in nanoseconds (0: not known)
//
// What decides is the side file, which nobody but the server can reach. Whoever may write a file
// can put a marker on it, and with the id of another's stream it would name that one: then the
// side file does not name the file, and the stream is not there. Birth times tell a file from a
// later one that got its inode number.
//
// As root the marker is trusted.braid.stream.NAME, which users can neither write nor read, so that
// a file copied with all its attributes, or restored from a backup, gets a copy of the side file
// when the stream is next opened. Otherwise, and on file systems that refuse it, the marker is
// user.braid.stream.NAME, and a copy is made only if nobody but the owner of both can have written
// it. So are side files made before they named their file believed.
//
// What a marker names is on the disk before the marker is, and the attribute goes after it: where a
// crash left both, the attribute counts. Where the attributes have no room for both the marker
// takes the place of the bytes first (stream_marker.h), and may stay there.
//
// The data of a side file belongs to the owner of the file and is written with the rights of the
// user, so that quota and the blocks kept for root hold as they do for the file.
//
// All act as the server, on the file `fd` holds (any descriptor), and need its metadata lock, which
// is held for what is read and changed in its attributes alone: the data of a side file is read,
// written and brought to the disk without, through a descriptor. A stream never goes back from its
// side file.
struct StreamRef {
  std::string name;  // spelled as stored
  bool side = false;
  friend bool operator==(const StreamRef&, const StreamRef&) = default;
};

// What the attributes say; the side file of a stream may be lost (is_lost()), or another's. One
// that is lost is there all the same for everybody who asks for its name, and cannot be used.
Result<std::vector<StreamRef>> list_streams(int fd);
// ENOENT when there is none, is_lost(); case does not matter.
Result<StreamRef> find_stream(PosixContext& context, int fd, std::string_view name);
// REQUIRES that find_stream() finds none, or one that is lost and to be ended. Takes the place of
// markers of the name.
Result<void> create_stream(int fd, const std::string& name);
// REQUIRES that find_stream() finds it lost.
Result<void> remove_lost_stream(int fd, std::string_view name);

// ENOENT when the stream is gone, or was moved to a side file.
Result<Bytes> load_inline(int fd, const std::string& name);
// ENOSPC when it does not fit.
Result<void> store_inline(PosixContext& context, int fd, const std::string& name, ByteView bytes);

// A marker that a crash has left beside the attribute, which is what counts.
Result<void> forget_leftover(PosixContext& context, int fd, const std::string& name);

Result<StreamInfo> stream_info(PosixContext& context, int fd, const StreamRef& stream);
// Its side file, if it had one, which is to be closed without the lock: a large one takes a while
// to go.
Result<UniqueFd> remove_stream(PosixContext& context, int fd, const StreamRef& stream);
// REQUIRES of one in a side file that this is its own (side_move.h): a marker that was only claimed
// would be believed later. ENOSPC and nothing changed for an inline one that the attributes have no
// room for twice: a marker takes less.
Result<void> rename_stream(PosixContext& context, int fd, const StreamRef& from,
                           const std::string& to);
// For a file about to be deleted: its side files.
void remove_side_files(PosixContext& context, int fd);

}  // namespace braid::vfs
