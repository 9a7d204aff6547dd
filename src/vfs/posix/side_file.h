// The side files of large streams: stream_store.h tells what they are.
#pragma once

#include "runtime/identity.h"
#include "vfs/posix/context.h"
#include "vfs/posix/stream_marker.h"

namespace braid::vfs {

// What a side file is to the file that names it.
enum class Claim : uint8_t {
  kOwn,
  kCopy,   // of the file it belongs to: may be read
  kOther,  // not its business
};

struct Side {
  UniqueFd file;
  struct statx file_now;  // of what it belongs to
  struct statx side_now;
  FoundMarker found;
  Claim claim = Claim::kOther;
  bool is_read_only = false;
};

// The side file of a stream of the file `fd`. ENOENT when it is lost, or another's.
Result<Side> find_side(PosixContext& context, int fd, const std::string& stream);
// Brings what is kept of a side file up to date: files made before it was kept, and new owners.
void settle(int fd, const std::string& stream, const Side& side);

// A new side file of the file that `owner` is, for reading and writing; `id` is how a marker names
// it. What fails after it is to remove it.
Result<UniqueFd> new_side_file(PosixContext& context, SideId& id, const struct statx& owner);
// What was put into a new side file is on the disk, under its name. Before a marker says that it is
// there: after a crash that marker leads to all of it.
Result<void> settle_on_disk(PosixContext& context, int side, const SideId& id);
// One left behind takes space and does no other harm.
void remove_side_file(PosixContext& context, const SideId& id);

}  // namespace braid::vfs
