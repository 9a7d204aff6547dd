// PosixFile: space, holes, compression, and copies within the server.
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "vfs/copy.h"
#include "vfs/posix/posix_file.h"

namespace braid::vfs {
namespace {

constexpr size_t kZerosAtOnce = 64 * 1024;

// copy_file_range() refuses these pairs of files; reading and writing does not.
bool wants_plain_copy(int error) {
  return error == EXDEV || error == EINVAL || error == EOPNOTSUPP || error == ENOSYS;
}

}  // namespace

Result<void> PosixFile::allocate(uint64_t size) {
  BRAID_CHECK(assume(who_));
  if (!access_.write) return fail_os(EBADF);
  BRAID_TRY(const struct statx st, stat_of(fd_.get()));
  const uint64_t allocated = st.stx_blocks * 512;
  if (size < allocated && st.stx_size < allocated) {
    // Truncating to the size it has gives back what was reserved beyond.
    if (::ftruncate(fd_.get(), static_cast<off_t>(st.stx_size)) != 0) return fail_last_os();
  }
  if (size == 0) return {};
  if (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)) != 0) {
    return fail_last_os();
  }
  return {};
}

Result<std::vector<Range>> PosixFile::allocated_ranges(Range within, size_t max) {
  BRAID_CHECK(assume(who_));
  BRAID_TRY(const struct statx st, stat_of(fd_.get()));
  std::vector<Range> out;
  if (within.offset >= st.stx_size) return out;
  const uint64_t end =
      within.offset + std::min<uint64_t>(within.length, st.stx_size - within.offset);
  for (uint64_t at = within.offset; at < end && out.size() < max;) {
    const off_t data = ::lseek(fd_.get(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // a hole up to the end
    if (data < 0) return fail_last_os();
    if (static_cast<uint64_t>(data) >= end) break;
    const off_t hole = ::lseek(fd_.get(), data, SEEK_HOLE);
    if (hole < 0) return fail_last_os();
    const uint64_t stop = std::min(static_cast<uint64_t>(hole), end);
    out.push_back({static_cast<uint64_t>(data), stop - static_cast<uint64_t>(data)});
    at = stop;
  }
  return out;
}

Result<void> PosixFile::zero_range(Range range) {
  BRAID_CHECK(assume(who_));
  if (!access_.write) return fail_os(EBADF);
  BRAID_CHECK(set_archive());
  BRAID_TRY(const struct statx st, stat_of(fd_.get()));
  if (range.offset >= st.stx_size || range.length == 0) return {};
  const uint64_t length = std::min<uint64_t>(range.length, st.stx_size - range.offset);
  if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(range.offset), static_cast<off_t>(length)) == 0) {
    return {};
  }
  if (errno != EOPNOTSUPP) return fail_last_os();
  const Bytes zeros(kZerosAtOnce);
  for (uint64_t done = 0; done < length;) {
    const size_t piece = std::min<uint64_t>(length - done, zeros.size());
    BRAID_TRY(const size_t put, write(range.offset + done, ByteView(zeros).first(piece)));
    done += put;
  }
  return {};
}

Result<uint64_t> PosixFile::copy_range(File& source, uint64_t source_offset, uint64_t offset,
                                       uint64_t length) {
  BRAID_CHECK(assume(who_));
  if (!access_.write) return fail_os(EBADF);
  auto* from = dynamic_cast<PosixFile*>(&source);
  if (!from) return copy_through_memory(source, source_offset, *this, offset, length);
  if (!from->access_.read) return fail_os(EBADF);
  BRAID_CHECK(set_archive());
  uint64_t done = 0;
  while (done < length) {
    auto in = static_cast<off_t>(source_offset + done);
    auto out = static_cast<off_t>(offset + done);
    const ssize_t copied = ::copy_file_range(from->fd(), &in, fd_.get(), &out, length - done, 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0 && done == 0 && wants_plain_copy(errno)) {
      return copy_through_memory(source, source_offset, *this, offset, length);
    }
    if (copied < 0) return fail_last_os();
    if (copied == 0) return done;
    done += static_cast<uint64_t>(copied);
  }
  return done;
}

Result<void> PosixFile::clone_range(File& source, uint64_t source_offset, uint64_t offset,
                                    uint64_t length) {
  BRAID_CHECK(assume(who_));
  auto* from = dynamic_cast<PosixFile*>(&source);
  if (!from) return fail_os(EOPNOTSUPP);
  if (!access_.write || !from->access_.read) return fail_os(EBADF);
  if (length == 0) return {};  // the kernel takes 0 for "to the end"
  BRAID_CHECK(set_archive());
  const file_clone_range range{from->fd(), source_offset, length, offset};
  if (::ioctl(fd_.get(), FICLONERANGE, &range) == 0) return {};
  const bool never = errno == ENOTTY || errno == ENOSYS || errno == EOPNOTSUPP;
  return fail_os(never ? EOPNOTSUPP : errno);
}

Result<void> PosixFile::set_compressed(bool compressed) {
  BRAID_CHECK(assume(who_));
  if (!context_->features.compression) return fail_os(EOPNOTSUPP);
  if (!is_directory() && !access_.write) return fail_os(EBADF);
  // The kernel lets the owner alone choose; Windows whoever may write the data.
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  return change_compression(fd_.get(), compressed);
}

}  // namespace braid::vfs
