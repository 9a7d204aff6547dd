#include "smb2/files/local_locks.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>

#include "smb2/files/file_services.h"
#include "smb2/opens/open.h"

namespace braid::smb2 {
namespace {

constexpr uint64_t kOffsetMax = std::numeric_limits<int64_t>::max();

// What the kernel can lock of it; a length of 0 is all there may ever be.
std::optional<struct flock> kernel_range(const filestate::LockRange& range, short type) {
  if (range.offset > kOffsetMax || range.length == 0) return std::nullopt;
  struct flock out{};
  out.l_type = type;
  out.l_whence = SEEK_SET;
  out.l_start = static_cast<off_t>(range.offset);
  const uint64_t room = kOffsetMax - range.offset;
  out.l_len = range.length <= room ? static_cast<off_t>(range.length) : 0;
  return out;
}

bool overlap(const filestate::LockRange& a, const filestate::LockRange& b) {
  if (a.length == 0 || b.length == 0) return false;
  // By the last byte of each, which is there.
  return a.offset <= b.offset + (b.length - 1) && b.offset <= a.offset + (a.length - 1);
}

// Nothing: it was opened for attributes.
std::optional<int> access_of(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || (flags & O_PATH)) return std::nullopt;
  return flags & O_ACCMODE;
}

Result<void> take_one(int descriptor, int access, const filestate::LockRange& range) {
  if (!range.exclusive && access == O_WRONLY) return {};
  const bool is_exclusive = range.exclusive && access != O_RDONLY;
  const auto wanted = kernel_range(range, is_exclusive ? F_WRLCK : F_RDLCK);
  if (!wanted) return {};
  if (::fcntl(descriptor, F_OFD_SETLK, &*wanted) != 0) {
    return fail_os(errno == EACCES ? EAGAIN : errno);
  }
  return {};
}

}  // namespace

bool has_local_locks(const Share& share) {
  return share.local_locks || share.local_access == config::LocalAccess::kStrict;
}

bool has_local_locks(const Open& open) {
  const Share& share = *open.tree_connect->share;
  return has_local_locks(share) && share.volume && share.volume->features().leases && open.file &&
         !open.attributes.is_stream && !open.attributes.is_directory &&
         open.file->descriptor() >= 0;
}

Result<void> take_local_locks(const Open& open, std::span<const filestate::LockRange> ranges) {
  const int descriptor = open.file->descriptor();
  const auto access = access_of(descriptor);
  if (!access) return {};
  for (const filestate::LockRange& range : ranges) {
    BRAID_CHECK(take_one(descriptor, *access, range));
  }
  return {};
}

void give_local_locks(const Open& open, std::span<const filestate::LockRange> ranges) {
  for (const filestate::LockRange& range : ranges) {
    const auto given = kernel_range(range, F_UNLCK);
    if (given) ::fcntl(open.file->descriptor(), F_OFD_SETLK, &*given);
  }
}

void keep_local_locks(FileServices& files, const Open& open,
                      std::span<const filestate::LockRange> ranges) {
  const int descriptor = open.file->descriptor();
  const auto access = access_of(descriptor);
  if (!access) return;
  for (const filestate::LockRange& held : files.file_table.locks_of(open.ref()).held) {
    const bool is_meant = std::ranges::any_of(
        ranges, [&](const filestate::LockRange& range) { return overlap(held, range); });
    if (is_meant) (void)take_one(descriptor, *access, held);
  }
}

void drop_local_locks(const Open& open) {
  if (!has_local_locks(open)) return;
  struct flock all{};
  all.l_type = F_UNLCK;
  all.l_whence = SEEK_SET;
  ::fcntl(open.file->descriptor(), F_OFD_SETLK, &all);
}

}  // namespace braid::smb2
