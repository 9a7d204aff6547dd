// PosixFile: space, holes, compression, and copies within the server.
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "base/serving_term.h"
#include "vfs/copy.h"
#include "vfs/posix/kept_times.h"
#include "vfs/posix/space.h"

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
  // [MS-FSA] 2.1.5.15.1: the write time moves with the size only.
  const KeptTimes kept(*this, KeptTimes::Operation::kMetadata, {.write = TimeRule::kKept});
  {
    const LongHold hold(*context_, key_);
    BRAID_CHECK(reserve(fd_.get(), size, who_->uid == 0));
  }
  return set_archive();
}

Result<std::vector<Range>> PosixFile::allocated_ranges(Range within, size_t max) {
  BRAID_CHECK(assume(who_));
  const LongHold hold(*context_, key_);
  return data_ranges(fd_.get(), within, max);
}

Result<void> PosixFile::zero_range(Range range) {
  BRAID_CHECK(assume(who_));
  if (!access_.write) return fail_os(EBADF);
  const KeptTimes kept(*this, KeptTimes::Operation::kData);
  BRAID_CHECK(set_archive());
  BRAID_TRY(const struct statx st, stat_of(fd_.get()));
  if (range.offset >= st.stx_size || range.length == 0) return {};
  const uint64_t length = std::min<uint64_t>(range.length, st.stx_size - range.offset);
  const auto punched = [&] {
    const LongHold hold(*context_, key_);
    return punch(fd_.get(), {range.offset, length});
  }();
  if (!punched) return fail(punched.error());
  if (*punched) return {};
  const Bytes zeros(kZerosAtOnce);
  for (uint64_t done = 0; done < length;) {
    const size_t piece = std::min<uint64_t>(length - done, zeros.size());
    BRAID_TRY(const uint64_t put, write(range.offset + done, ByteView(zeros).first(piece)));
    done += put;
  }
  return {};
}

Progress PosixFile::copy_range(File& source, uint64_t source_offset, uint64_t offset,
                               uint64_t length) {
  BRAID_CHECK(assume(who_));
  if (!access_.write) return fail_os(EBADF);
  auto* from = dynamic_cast<PosixFile*>(&source);
  if (!from) return copy_through_memory(source, source_offset, *this, offset, length);
  if (!from->access_.read) return fail_os(EBADF);
  const KeptTimes kept(*this, KeptTimes::Operation::kData);
  BRAID_CHECK(set_archive());
  uint64_t done = 0;
  while (done < length) {
    auto in = static_cast<off_t>(source_offset + done);
    auto out = static_cast<off_t>(offset + done);
    const ssize_t copied = [&] {
      const LongHold hold(*context_, key_);
      check_serving_term();
      return ::copy_file_range(from->fd(), &in, fd_.get(), &out, length - done, 0);
    }();
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0 && done == 0 && wants_plain_copy(errno)) {
      return copy_through_memory(source, source_offset, *this, offset, length);
    }
    if (copied < 0) return {done, Error::last_os_error()};
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
  const KeptTimes kept(*this, KeptTimes::Operation::kData);
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
  const KeptTimes kept(*this, KeptTimes::Operation::kMetadata);
  const MetadataLock lock(*context_, key_);  // one flag of several
  // The kernel lets the owner alone choose; Windows whoever may write the data.
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  return change_compression(fd_.get(), compressed);
}

Result<Space> PosixFile::space() {
  BRAID_CHECK(assume(who_));
  return space_of(fd_.get());
}

Result<bool> PosixFile::has_checksums() {
  BRAID_CHECK(assume(who_));
  return keeps_checksums(fd_.get());
}

}  // namespace braid::vfs
