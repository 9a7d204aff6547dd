// Where named streams are kept.
#pragma once

#include <optional>
#include <string>

#include "vfs/posix/context.h"

namespace braid::vfs {

// A small stream is the extended attribute user.DosStream.NAME:$DATA of its file, its bytes and a
// NUL after them, as Samba's streams_xattr keeps it. One that grows out of that moves to a side
// file in the private folder of the share for good; user.braid.stream.NAME on the file then says
// which:
//   u8 version 1, 7 zeros, u64 inode of the file it belongs to, 16 bytes id
// The id is random, so a file deleted behind the server's back leaves a side file that nothing
// names, never one that a later file could inherit. The inode tells a file copied with its
// attributes, which gets a copy of the side file when the stream is next opened.
//
// All act as the server, on the file `fd` holds (any descriptor), and need its metadata lock.
struct StreamRef {
  std::string name;  // spelled as stored
  bool side = false;
};

Result<std::vector<StreamRef>> list_streams(int fd);
// ENOENT when there is none; case does not matter.
Result<StreamRef> find_stream(int fd, std::string_view name);
Result<void> create_stream(int fd, const std::string& name);

// ENOENT when the stream is gone, or was moved to a side file.
Result<Bytes> load_inline(int fd, const std::string& name);
// ENOSPC when it does not fit.
Result<void> store_inline(PosixContext& context, int fd, const std::string& name, ByteView bytes);

// The side file of a stream, for reading and writing.
Result<Descriptor> open_side(PosixContext& context, int fd, const std::string& name);
// Moves a stream from the attribute to a new side file.
Result<Descriptor> move_to_side(PosixContext& context, int fd, const std::string& name);

Result<uint64_t> stream_size(PosixContext& context, int fd, const StreamRef& stream);
Result<void> remove_stream(PosixContext& context, int fd, const StreamRef& stream);
Result<void> rename_stream(int fd, const StreamRef& from, const std::string& to);
// For a file about to be deleted: its side files.
void remove_side_files(PosixContext& context, int fd);

}  // namespace braid::vfs
