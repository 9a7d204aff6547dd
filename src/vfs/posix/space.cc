#include "vfs/posix/space.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/identity.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

constexpr uint64_t kUnitOfBlocks = 512;  // of stx_blocks

// What lies behind the last byte is given back. A file that grew since `before` was looked at is
// left alone: it would lose what somebody local has just written.
Result<void> give_back(int fd, const struct statx& before) {
  BRAID_TRY(const struct statx now, stat_of(fd));
  if (now.stx_size != before.stx_size) return {};
  if (::ftruncate(fd, static_cast<off_t>(now.stx_size)) != 0) return fail_last_os();
  return {};
}

}  // namespace

Result<Space> space_of(int fd) {
  struct statvfs fs{};
  if (::fstatvfs(fd, &fs) != 0) return fail_last_os();
  Space space;
  space.block_size = static_cast<uint32_t>(fs.f_frsize ? fs.f_frsize : fs.f_bsize);
  space.total_blocks = fs.f_blocks;
  space.free_blocks = fs.f_bfree;
  space.available_blocks = fs.f_bavail;
  space.total_nodes = fs.f_files;
  space.free_nodes = fs.f_ffree;
  space.transfer_size = static_cast<uint32_t>(fs.f_bsize);
  return space;
}

uint64_t allocated_bytes(const struct statx& st) { return st.stx_blocks * kUnitOfBlocks; }

Result<void> reserve(int fd, uint64_t size, bool as_root) {
  BRAID_TRY(const struct statx before, stat_of(fd));
  const uint64_t allocated = allocated_bytes(before);
  // What plainly is not there is not begun with: meanwhile others would find the disk full.
  if (size > allocated) {
    BRAID_TRY(const Space space, space_of(fd));
    const uint64_t free_blocks = as_root ? space.free_blocks : space.available_blocks;
    if ((size - allocated) / space.block_size > free_blocks) return fail_os(ENOSPC);
  }
  if (size < allocated && before.stx_size < allocated) BRAID_CHECK(give_back(fd, before));
  if (size == 0) return {};
  if (::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)) == 0) return {};
  // The kernel keeps what it got until it failed.
  const Error error = Error::last_os_error();
  BRAID_CHECK(give_back(fd, before));
  if (allocated > before.stx_size) {
    (void)::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(allocated));
  }
  return fail(error);
}

Result<std::vector<Range>> data_ranges(int fd, Range within, size_t max) {
  BRAID_TRY(const struct statx st, stat_of(fd));
  std::vector<Range> out;
  if (within.offset >= st.stx_size) return out;
  const uint64_t end =
      within.offset + std::min<uint64_t>(within.length, st.stx_size - within.offset);
  for (uint64_t at = within.offset; at < end && out.size() < max;) {
    const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // a hole up to the end
    if (data < 0) return fail_last_os();
    if (static_cast<uint64_t>(data) >= end) break;
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    if (hole < 0) return fail_last_os();
    const uint64_t stop = std::min(static_cast<uint64_t>(hole), end);
    out.push_back({static_cast<uint64_t>(data), stop - static_cast<uint64_t>(data)});
    at = stop;
  }
  return out;
}

Result<bool> punch(int fd, Range range) {
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range.offset),
                  static_cast<off_t>(range.length)) == 0) {
    return true;
  }
  if (errno != EOPNOTSUPP) return fail_last_os();
  return false;
}

Result<bool> keeps_checksums(int fd) {
  struct statfs fs{};
  if (::fstatfs(fd, &fs) != 0) return fail_last_os();
  if (fs.f_type != BTRFS_SUPER_MAGIC) return fail_os(EOPNOTSUPP);
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  BRAID_TRY(const UniqueFd file, reopen(fd, O_RDONLY | O_NONBLOCK));
  int flags = 0;
  if (::ioctl(file.get(), FS_IOC_GETFLAGS, &flags) != 0) return fail_last_os();
  return (flags & FS_NOCOW_FL) == 0;
}

}  // namespace braid::vfs
