#include "vfs/posix/posix_file.h"

#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>

#include "base/serving_term.h"
#include "runtime/at_once.h"
#include "vfs/posix/kept_times.h"
#include "vfs/posix/posix_directory.h"
#include "vfs/posix/stream_store.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

// Pieces of a write handed to the kernel at a time.
constexpr size_t kPiecesMax = 64;

// A write that takes so long has waited for somebody who had the file locked; there are none at
// once for a while then.
constexpr int64_t kLockedNs = 100'000'000;
constexpr int64_t kLockedRestS = 60;

// Bytes that are reserved for the data of a file. Nothing for an O_PATH descriptor, and where they
// are in more pieces than are worth looking at.
std::optional<uint64_t> reserved_size(int fd) {
  constexpr uint32_t kExtentsMax = 16;
  alignas(fiemap) std::array<uint8_t, sizeof(fiemap) + kExtentsMax * sizeof(fiemap_extent)> room{};
  auto* map = new (room.data()) fiemap{};
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_extent_count = kExtentsMax;
  if (::ioctl(fd, FS_IOC_FIEMAP, map) != 0 || map->fm_mapped_extents >= kExtentsMax) return {};
  const std::span<const fiemap_extent> found(map->fm_extents, map->fm_mapped_extents);
  uint64_t sum = 0;
  for (const fiemap_extent& extent : found) sum += extent.fe_length;
  return sum;
}

// What RWF_NOWAIT cannot do is for a thread that may wait.
Error would_block(int error) { return Error::os(error == EOPNOTSUPP ? EAGAIN : error); }

}  // namespace

PosixFile::PosixFile(Parts parts)
    : context_(std::move(parts.context)),
      who_(std::move(parts.who)),
      fd_(parts.node ? FileFd(std::move(parts.node)) : FileFd(std::move(parts.fd))),
      access_(parts.access),
      key_(parts.attributes.key),
      kind_(parts.attributes.kind),
      hide_(parts.hide),
      unnamed_(std::move(parts.unnamed)),
      archive_ends_(context_->archive_ends(key_)),
      archive_at_(parts.archive_at ? *parts.archive_at : kNoArchive) {}

PosixFile::~PosixFile() {
  if (!unnamed_ || !assume(who_)) return;
  remove_side_files(*context_, fd_.get());
  const ScopedPrivilege privilege;
  unnamed_.reset();
}

bool PosixFile::ends_at_once() {
  // Whoever has written to a disk has something to give back. The last who has a file without a
  // name frees its blocks, and as many as these take no time.
  constexpr blkcnt_t kBlocksMax = (16 << 20) / 512;
  const bool has_written = access_.write && !context_->is_memory(key_);
  if (!context_->is_at_once(key_) || has_written || unnamed_ || kind_ != Kind::kFile) return false;
  struct stat st;
  return ::fstat(fd_.get(), &st) == 0 && st.st_nlink != 0 && st.st_blocks <= kBlocksMax;
}

Result<Attributes> PosixFile::take_name(const Place& place) {
  if (!unnamed_) return fail_os(EINVAL);
  BRAID_TRY(UniqueFd named, unnamed_->become(*context_, fd_.get(), place, access_));
  unnamed_.reset();
  // Whoever moved it since leaves us with a descriptor that the kernel knows no name of, and the
  // name with which it began.
  if (named) {
    BRAID_TRY(Attributes attributes, attributes_of(*context_, named.get()));
    if (attributes.key == key_) {
      fd_ = FileFd(std::move(named));
      return shown(std::move(attributes));
    }
  }
  return stat();
}

bool PosixFile::is_examined_at_once() {
  if (context_->has_attributes_in_memory(key_)) return true;
  if (!context_->is_at_once(key_)) return false;
  const auto known = attributes_of(*context_, fd_.get(), Wait::kNever);
  return known && !may_be_reserved(*known);
}

Result<Attributes> PosixFile::stat() {
  // What is mounted below may be a program that hangs: it is not asked for anything.
  if (must_not_wait() && !context_->is_at_once(key_)) return fail_os(EAGAIN);
  BRAID_CHECK(assume(who_));
  BRAID_TRY(Attributes attributes, attributes_of(*context_, fd_.get()));
  // That is on the disk.
  if (must_not_wait() && may_be_reserved(attributes)) return fail_os(EAGAIN);
  return shown(std::move(attributes));
}

bool PosixFile::may_be_reserved(const Attributes& attributes) const {
  return context_->counts_attribute_block && attributes.size == 0 &&
         attributes.allocation_size != 0 && kind_ == Kind::kFile;
}

Attributes PosixFile::shown(Attributes attributes) const {
  const bool asks_for_reserved = may_be_reserved(attributes);
  context_->adjust(attributes, hide_);
  if (asks_for_reserved) {
    const auto reserved = reserved_size(fd_.get());
    if (reserved) attributes.allocation_size = *reserved;
  }
  return attributes;
}

Result<void> PosixFile::check_may_change() {
  BRAID_CHECK(assume(who_));
  if (access_.write) return {};
  if (::faccessat(fd_.get(), "", W_OK, AT_EMPTY_PATH | AT_EACCESS) == 0) return {};
  BRAID_TRY(const struct statx st, stat_of(fd_.get()));
  if (st.stx_uid == who_->uid || who_->uid == 0) return {};
  return fail_os(EACCES);
}

Result<void> PosixFile::change(const AttributesChange& change) {
  BRAID_CHECK(assume(who_));
  KeptTimes kept(*this, KeptTimes::Operation::kMetadata);
  kept.leave(change);
  // First, as what the file system cannot keep is found out by trying.
  if (change.access_time || change.write_time) BRAID_CHECK(change_times(change));
  if (change.uid || change.gid) {
    const uid_t uid = change.uid.value_or(static_cast<uid_t>(-1));
    const gid_t gid = change.gid.value_or(static_cast<gid_t>(-1));
    if (::fchownat(fd_.get(), "", uid, gid, AT_EMPTY_PATH) != 0) return fail_last_os();
  }
  if (change.mode) {
    if (::chmod(descriptor_path(fd_.get()).c_str(), *change.mode & 07777) != 0) {
      return fail_last_os();
    }
  }
  if (change.dos_attributes || change.creation_time) BRAID_CHECK(change_dos(change));
  // Last, since the others change it themselves.
  if (change.change_time) BRAID_CHECK(choose_change_time(*change.change_time));
  return {};
}

Result<void> PosixFile::change_owner(std::optional<uid_t> uid, std::optional<gid_t> gid) {
  BRAID_CHECK(assume(who_));
  const KeptTimes kept(*this, KeptTimes::Operation::kMetadata);
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  if (::fchownat(fd_.get(), "", uid.value_or(static_cast<uid_t>(-1)),
                 gid.value_or(static_cast<gid_t>(-1)), AT_EMPTY_PATH) != 0) {
    return fail_last_os();
  }
  return {};
}

Result<void> PosixFile::change_dos(const AttributesChange& change) {
  if (kind_ != Kind::kFile && kind_ != Kind::kDirectory) return {};
  BRAID_CHECK(check_may_change());
  const MetadataLock lock(*context_, key_);
  BRAID_TRY(const struct statx st, stat_of(fd_.get()));
  DosAttrib attrib = load_dos_attrib(fd_.get()).value_or(DosAttrib{});
  const bool had_archive = (attrib.attributes & dos::kArchive) != 0;
  if (change.dos_attributes) {
    attrib.attributes = change.dos_attributes->applied_to(attrib.attributes) & dos::kStored;
    if (is_directory()) attrib.attributes |= dos::kDirectory;
  }
  if (change.creation_time) attrib.creation_time = change.creation_time;
  if (!attrib.creation_time) attrib.creation_time = birth_time(st);
  BRAID_CHECK(store_dos_attrib(fd_.get(), attrib));
  if (had_archive && !(attrib.attributes & dos::kArchive)) ++archive_ends_;
  return {};
}

bool PosixFile::has_archive() const { return archive_at_ == archive_ends_; }

Result<void> PosixFile::set_archive() {
  if (kind_ != Kind::kFile || has_archive()) return {};
  const MetadataLock lock(*context_, key_);
  BRAID_TRY(const struct statx st, stat_of(fd_.get()));
  BRAID_CHECK(add_dos_attributes(fd_.get(), st, dos::kArchive));
  archive_at_ = archive_ends_.load();
  return {};
}

void PosixFile::renew_archive() {
  if (archive_at_ != kNoArchive && !has_archive() && assume(who_)) (void)set_archive();
}

Result<size_t> PosixFile::read(uint64_t offset, MutableByteView into, Wait wait) {
  BRAID_CHECK(wait == Wait::kNever ? assume_on_reactor(who_) : assume(who_));
  const int flags = wait == Wait::kNever && !context_->is_memory(key_) ? RWF_NOWAIT : 0;
  size_t done = 0;
  while (done < into.size()) {
    iovec piece{into.data() + done, into.size() - done};
    const ssize_t got = ::preadv2(fd_.get(), &piece, 1, static_cast<off_t>(offset + done), flags);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(wait == Wait::kNever ? would_block(errno) : Error::last_os_error());
    if (got == 0) return done;
    // If it is short, the next says why: the file ends here, or the rest is not in memory.
    done += static_cast<size_t>(got);
  }
  return done;
}

Progress PosixFile::write(uint64_t offset, std::span<const ByteView> pieces) {
  BRAID_CHECK(assume(who_));
  const KeptTimes kept(*this, KeptTimes::Operation::kData);
  // A disk without room for it may have some for the data.
  if (access_.write) (void)set_archive();
  size_t done = 0;
  size_t skip = 0;  // bytes of pieces.front() already written
  while (!pieces.empty()) {
    std::array<iovec, kPiecesMax> vector;
    const size_t count = std::min(pieces.size(), vector.size());
    for (size_t i = 0; i < count; ++i) {
      vector[i] = {const_cast<uint8_t*>(pieces[i].data()), pieces[i].size()};
    }
    vector[0].iov_base = static_cast<uint8_t*>(vector[0].iov_base) + skip;
    vector[0].iov_len -= skip;
    const ssize_t put = [&] {
      const LongHold hold(*context_, key_);
      check_serving_term();
      return ::pwritev(fd_.get(), vector.data(), static_cast<int>(count),
                       static_cast<off_t>(offset + done));
    }();
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return {done, Error::last_os_error()};
    done += static_cast<size_t>(put);
    size_t over = skip + static_cast<size_t>(put);
    while (!pieces.empty() && over >= pieces.front().size()) {
      over -= pieces.front().size();
      pieces = pieces.subspan(1);
    }
    skip = over;
    if (put == 0 && !pieces.empty()) return {done, Error::os(EIO)};
  }
  return done;
}

// Nobody freezes tmpfs, and what is there is not swapped out: what is left to wait for is the
// kernel's lock of the file. Of this process nobody holds it for long, as other workers are none;
// local programs seldom do, and that shows once.
Progress PosixFile::write_at_once(uint64_t offset, ByteView bytes) {
  if (!access_.write || kind_ != Kind::kFile || !context_->is_memory(key_) ||
      context_->options.locks || !has_archive() || time_rules_.load().any()) {
    return fail_os(EAGAIN);
  }
  timespec began{};
  ::clock_gettime(CLOCK_MONOTONIC, &began);
  if (began.tv_sec < context_->writes_wait_until.load(std::memory_order_relaxed)) {
    return fail_os(EAGAIN);
  }
  const ShortHold hold(key_);
  if (!hold) return fail_os(EAGAIN);
  BRAID_CHECK(assume_on_reactor(who_));
  size_t done = 0;
  int error = 0;
  check_serving_term();
  while (done < bytes.size() && error == 0) {
    const ssize_t put = ::pwrite(fd_.get(), bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(offset + done));
    if (put > 0) done += static_cast<size_t>(put);
    if (put < 0 && errno != EINTR) error = errno;
    if (put == 0) error = EIO;
  }
  timespec ended{};
  ::clock_gettime(CLOCK_MONOTONIC, &ended);
  const int64_t took_ns =
      (ended.tv_sec - began.tv_sec) * 1'000'000'000LL + ended.tv_nsec - began.tv_nsec;
  if (took_ns > kLockedNs) context_->writes_wait_until = ended.tv_sec + kLockedRestS;
  {
    // Somebody has taken the mark away in these microseconds: memory, too.
    const ScopedAtOnce scope;
    renew_archive();
  }
  if (error != 0) return {done, Error::os(error)};
  return done;
}

Result<void> PosixFile::truncate(uint64_t size) {
  BRAID_CHECK(assume(who_));
  if (!access_.write) return fail_os(EBADF);
  const KeptTimes kept(*this, KeptTimes::Operation::kData);
  BRAID_CHECK(set_archive());
  const LongHold hold(*context_, key_);
  check_serving_term();
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return fail_last_os();
  return {};
}

Result<void> PosixFile::flush(Durability durability) {
  BRAID_CHECK(assume(who_));
  if (kind_ != Kind::kFile && kind_ != Kind::kDirectory) return {};  // all of it is the name
  UniqueFd opened;
  if (is_directory() || !(access_.read || access_.write)) {
    const ScopedPrivilege privilege;
    BRAID_CHECK(privilege.status());
    BRAID_TRY(opened, reopen(fd_.get(), O_RDONLY | O_NONBLOCK));
  }
  const int fd = opened ? opened.get() : fd_.get();
  const int failed = durability == Durability::kData ? ::fdatasync(fd) : ::fsync(fd);
  if (failed) return fail_last_os();
  return {};
}

Result<std::unique_ptr<Enumeration>> PosixFile::enumerate(NameRules rules) {
  BRAID_CHECK(assume(who_));
  if (!is_directory()) return fail_os(ENOTDIR);
  if (!access_.read) return fail_os(EBADF);
  BRAID_TRY(UniqueFd fd, reopen(fd_.get(), O_RDONLY | O_DIRECTORY));
  if (time_rules_.load().access == TimeRule::kKept) keep_access_time(fd.get(), true);
  return std::make_unique<PosixEnumeration>(context_, who_, std::move(fd), key_, rules);
}

Result<bool> PosixFile::is_read_only() {
  BRAID_CHECK(assume(who_));
  struct statvfs fs{};
  if (::fstatvfs(fd_.get(), &fs) != 0) return fail_last_os();
  return (fs.f_flag & ST_RDONLY) != 0;
}

Result<bool> PosixFile::is_empty() {
  BRAID_CHECK(assume(who_));
  if (!is_directory()) return fail_os(ENOTDIR);
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  BRAID_TRY(UniqueFd fd, reopen(fd_.get(), O_RDONLY | O_DIRECTORY));
  PosixEnumeration walk(context_, who_, std::move(fd), key_, NameRules::kPosix);
  std::vector<DirectoryEntry> entries;  // with "." and ".."
  for (bool more = true; more && entries.size() <= 2;) {
    BRAID_TRY(more, walk.next(8, nullptr, entries));
  }
  return entries.size() <= 2;
}

Result<std::string> PosixFile::read_link() {
  BRAID_CHECK(assume(who_));
  if (kind_ != Kind::kSymlink) return fail_os(EINVAL);
  std::string target(PATH_MAX, '\0');
  const ssize_t size = ::readlinkat(fd_.get(), "", target.data(), target.size());
  if (size < 0) return fail_last_os();
  target.resize(static_cast<size_t>(size));
  return target;
}

}  // namespace braid::vfs
