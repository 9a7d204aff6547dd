// SideMove: a stream gets a side file of its own.
#pragma once

#include <optional>
#include <string>

#include "vfs/posix/side_file.h"
#include "vfs/posix/stream_store.h"

namespace braid::vfs {

// Copying a stream, and having the copy on the disk, takes as long as the disk does, and whoever
// else shares the lock of the file's metadata waits for who has it. So the copy is made without the
// lock, and taken with it if the stream is still what was copied. Thread: that of the operation.
class SideMove {
 public:
  // Of a stream of the file `fd`, for `who`. They outlive it.
  SideMove(PosixContext& context, int fd, const Credentials& who)
      : context_(context), fd_(fd), who_(who) {}
  // Removes what was made and not taken.
  ~SideMove() { drop(); }
  SideMove(const SideMove&) = delete;
  SideMove& operator=(const SideMove&) = delete;

  // The side file of the stream, which has one of its own from then on: it was inline before, or
  // that of a file which this one is a copy of. In a snapshot, where nothing is written, whatever
  // there is. Invalid: `held` was let go of and taken again, and the caller looks once more at all
  // that it knows of the stream, and calls again. After some times, should others change the stream
  // all the time, it is copied with the lock held. REQUIRES that `held` is held.
  Result<UniqueFd> take(StreamLock& held, const std::string& name);
  // Makes that of an empty stream before there is one, with so many bytes reserved where the file
  // system does that: the next take() needs no copy. REQUIRES privilege; no lock.
  Result<void> make_room(uint64_t allocation);

 private:
  // Of a stream that is what was copied, or has one already; invalid: it is to be copied.
  Result<UniqueFd> settle(const std::string& name);
  Result<void> copy();
  template <class Fill>
  Result<void> make(Fill fill);
  void drop();

  PosixContext& context_;
  const int fd_;
  const Credentials& who_;
  int times_ = 0;
  // What is to be copied, or was: another's side file, or else the bytes of an inline stream.
  std::optional<Side> source_;
  Bytes content_;
  UniqueFd made_;
  Marker marker_;  // of made_
};

}  // namespace braid::vfs
