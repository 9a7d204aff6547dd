// PosixFile: its times.
#include <fcntl.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <thread>

#include "vfs/posix/kept_times.h"

namespace braid::vfs {
namespace {

// How long after the decision the store of a chosen change time may take (ticks of 100 ns), the
// more the oftener it had to be repeated. A change of the file within that time does not show.
constexpr uint64_t kChangeTimeGraces[] = {kTicksPerSecond / 20'000, kTicksPerSecond / 2'000,
                                          kTicksPerSecond / 200, kTicksPerSecond / 20};

constexpr timespec kOmit{0, UTIME_OMIT};
constexpr timespec kNow{0, UTIME_NOW};

timespec time_or_omit(const std::optional<FileTime>& time) {
  return time ? to_timespec(*time) : kOmit;
}

timespec as_timespec(const statx_timestamp& time) { return {time.tv_sec, time.tv_nsec}; }

bool same(const statx_timestamp& a, const statx_timestamp& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool is_omitted(const timespec& time) { return time.tv_nsec == UTIME_OMIT; }

// Seconds of 32 bits with a sign, the least that any file system has: 1901 to 2038.
bool is_kept_everywhere(const timespec& time) {
  return is_omitted(time) || (time.tv_sec >= INT32_MIN && time.tv_sec <= INT32_MAX);
}

// The kernel takes the nearest time that the file system has a number for. A file without a name in
// `directory` is asked, so that nothing that anybody can see changes.
Result<TimeRange> find_time_range(int directory) {
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  const UniqueFd file(::openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (!file) return fail_last_os();
  const timespec extremes[2] = {{INT64_MIN, 0}, {INT64_MAX, 0}};
  if (::futimens(file.get(), extremes) != 0) return fail_last_os();
  BRAID_TRY(const struct statx kept, stat_of(file.get()));
  return TimeRange{kept.stx_atime.tv_sec, kept.stx_mtime.tv_sec};
}

std::optional<TimeRange> time_range_of(PosixContext& context, const FileKey& file) {
  if (file.device != context.root_key.device) return std::nullopt;
  if (const auto known = *context.time_range.lock()) return known;
  const auto found = find_time_range(context.root.get());
  if (!found) return std::nullopt;
  *context.time_range.lock() = *found;
  return *found;
}

// But for the fraction: some file systems count whole seconds, or every other.
bool is_kept(const timespec& wanted, const statx_timestamp& kept) {
  return is_omitted(wanted) || std::abs(wanted.tv_sec - kept.tv_sec) <= 1;
}

}  // namespace

Result<void> PosixFile::change_times(const AttributesChange& change) {
  const timespec times[2] = {time_or_omit(change.access_time), time_or_omit(change.write_time)};
  bool may_be_refused = !is_kept_everywhere(times[0]) || !is_kept_everywhere(times[1]);
  if (may_be_refused) {
    if (const auto range = time_range_of(*context_, key_)) {
      for (const timespec& time : times) {
        if (!is_omitted(time) && !range->has(time)) return fail_os(ERANGE);
      }
      may_be_refused = false;
    }
  }
  // Where that cannot be asked it is found out by trying.
  struct statx before{};
  if (may_be_refused) {
    BRAID_TRY(before, stat_of(fd_.get()));
  }
  BRAID_CHECK(store_times(times));
  if (!may_be_refused) return {};
  BRAID_TRY(const struct statx now, stat_of(fd_.get()));
  if (is_kept(times[0], now.stx_atime) && is_kept(times[1], now.stx_mtime)) return {};
  const timespec old[2] = {change.access_time ? as_timespec(before.stx_atime) : kOmit,
                           change.write_time ? as_timespec(before.stx_mtime) : kOmit};
  BRAID_CHECK(store_times(old));
  return fail_os(ERANGE);
}

Result<void> PosixFile::store_times(std::span<const timespec, 2> times) {
  if (::utimensat(fd_.get(), "", times.data(), AT_EMPTY_PATH) == 0) return {};
  if (errno != EPERM && errno != EACCES) return fail_last_os();
  // The kernel lets only the owner choose times; Windows whoever may write them.
  BRAID_CHECK(check_may_change());
  ScopedPrivilege privilege(Privilege::kNothingNew);
  BRAID_CHECK(privilege.status());
  if (::utimensat(fd_.get(), "", times.data(), AT_EMPTY_PATH) != 0) return fail_last_os();
  return {};
}

Result<void> PosixFile::choose_change_time(FileTime time) {
  if (kind_ != Kind::kFile && kind_ != Kind::kDirectory) return {};
  BRAID_CHECK(check_may_change());
  return store_change_time(time);
}

Result<void> PosixFile::store_change_time(std::optional<FileTime> time) {
  BRAID_TRY(const FileTime until, put_change_time(time));
  // Whoever changes the file after us is seen.
  const FileTime now = system_clock().now();
  if (until >= now) {
    std::this_thread::sleep_for(std::chrono::nanoseconds((until.ticks - now.ticks + 1) * 100));
  }
  return {};
}

Result<FileTime> PosixFile::put_change_time(std::optional<FileTime> time) {
  const MetadataLock lock(*context_, key_);
  BRAID_TRY(struct statx st, stat_of(fd_.get()));
  DosAttrib attrib = load_dos_attrib(fd_.get()).value_or(DosAttrib{});
  if (!time) {
    if (!std::exchange(attrib.change_time, std::nullopt)) return FileTime{};
    BRAID_CHECK(store_dos_attrib(fd_.get(), attrib));
    return FileTime{};
  }
  if (!attrib.creation_time) attrib.creation_time = birth_time(st);
  // Keeping it is a change of the file itself: the time of that is not known before.
  for (const uint64_t grace : kChangeTimeGraces) {
    const FileTime until{system_clock().now().ticks + grace};
    attrib.change_time = DosAttrib::ChosenTime{.time = *time, .until = until};
    BRAID_CHECK(store_dos_attrib(fd_.get(), attrib));
    BRAID_TRY(st, stat_of(fd_.get()));
    if (time_of(st.stx_ctime) <= until) return until;
  }
  return FileTime{};
}

void PosixFile::keep_access_time(int fd, bool keep) {
  // The kernel lets only the owner ask for it. An O_PATH descriptor has no such flag and reads
  // nothing.
  const ScopedPrivilege privilege(Privilege::kNothingNew);
  const int flags = ::fcntl(fd, F_GETFL);
  if (!privilege.status() || flags < 0) return;
  (void)::fcntl(fd, F_SETFL, keep ? flags | O_NOATIME : flags & ~O_NOATIME);
}

void PosixFile::set_time_rules(const TimeRules& rules) {
  const TimeRules before = time_rules_.exchange(rules);
  const bool keep = rules.access == TimeRule::kKept;
  if (keep == (before.access == TimeRule::kKept) || !assume(who_)) return;
  keep_access_time(fd_.get(), keep);
}

Result<void> PosixFile::note_modified() {
  BRAID_CHECK(check_may_change());
  const KeptTimes kept(*this, KeptTimes::Operation::kData);
  BRAID_CHECK(set_archive());
  const ScopedPrivilege privilege(Privilege::kNothingNew);
  BRAID_CHECK(privilege.status());
  const timespec times[2] = {kOmit, kNow};
  if (::utimensat(fd_.get(), "", times, AT_EMPTY_PATH) != 0) return fail_last_os();
  return {};
}

void KeptTimes::leave(const AttributesChange& change) {
  if (change.access_time) rules_.access = TimeRule::kSystem;
  if (change.write_time) rules_.write = TimeRule::kSystem;
  if (change.change_time) rules_.change = TimeRule::kSystem;
}

void KeptTimes::remember() {
  const int fd = file_.fd();
  const auto now = assume(file_.who()) ? stat_of(fd) : fail_os(EACCES);
  if (!now) {
    // It is gone with its file system; nothing is put back of what is not known.
    rules_ = {};
    return;
  }
  before_ = *now;
  if (rules_.change == TimeRule::kKept) {
    change_time_before_ = make_attributes(before_, load_dos_attrib(fd)).change_time;
  }
}

void KeptTimes::restore() {
  const ScopedPrivilege privilege(Privilege::kNothingNew);
  const auto now = stat_of(file_.fd());
  if (!privilege.status() || !now) return;
  const bool modified = operation_ == Operation::kData;
  timespec times[2] = {kOmit, kOmit};
  if (rules_.access == TimeRule::kMoves && modified) times[0] = kNow;
  if (rules_.write == TimeRule::kMoves && modified) times[1] = kNow;
  if (rules_.write == TimeRule::kKept &&
      (moves_change_time_ || !same(now->stx_mtime, before_.stx_mtime))) {
    times[1] = as_timespec(before_.stx_mtime);
  }
  if (times[0].tv_nsec != UTIME_OMIT || times[1].tv_nsec != UTIME_OMIT) {
    (void)::utimensat(file_.fd(), "", times, AT_EMPTY_PATH);
  }
  // Last, since putting back the others is a change.
  if (rules_.change == TimeRule::kSystem) return;
  const auto after = stat_of(file_.fd());
  if (!after || same(after->stx_ctime, before_.stx_ctime)) return;
  // What an open has chosen or kept before hides later changes for a moment.
  const bool keeps = rules_.change == TimeRule::kKept;
  (void)file_.store_change_time(keeps ? std::optional(change_time_before_) : std::nullopt);
}

}  // namespace braid::vfs
