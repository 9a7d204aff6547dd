#include "vfs/posix/name_index.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <fstream>

#include "runtime/identity.h"
#include "vfs/compared_name.h"
#include "vfs/names.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

constexpr uint32_t kWatched = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
// File systems keep times in steps of up to this; a directory changed more recently than that may
// change again without showing it.
constexpr int64_t kCoarsestTimeNs = 2'000'000'000;
// The kernel keeps 16,384 events (fs.inotify.max_queued_events), and a change is two at most.
constexpr uint32_t kChangesBeforeDrain = 1024;

// What is read again in less time than it takes to miss it.
constexpr size_t kSmallDirectory = 256;
// Too much changed while it was read, or others took its place: not for ever.
constexpr int kReadsMax = 3;
// A watch takes the kernel a kilobyte, and another for the directory it then keeps in memory.
constexpr size_t kDirectoriesMax = 16'384;
// One over this, of all watches there may be: other programs of the same user, the indexes of
// other shares and workers, and CHANGE_NOTIFY want some.
constexpr size_t kWatchesShare = 8;
// The same of the machine's memory, for all indexes of a process.
constexpr size_t kMemoryShare = 32;
constexpr size_t kAllBytesMin = 16u << 20;
constexpr size_t kAllBytesMax = 512u << 20;
// Changes that wait for a directory to be read. More is a directory that nobody reads on.
constexpr size_t kPendingMax = 65'536;
// Whoever reads a directory comes for the next piece sooner.
constexpr std::chrono::seconds kReaderIsGone{30};

int64_t nanoseconds(const struct statx_timestamp& t) {
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

// Calls `take` with each name in what getdents64() gave, "." and ".." left out.
template <class Take>
void for_each_name(const char* entries, size_t size, const Take& take) {
  for (size_t at = 0; at < size;) {
    const auto* entry = reinterpret_cast<const dirent64*>(entries + at);
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") take(name);
    at += entry->d_reclen;
  }
}

}  // namespace

size_t NameIndex::usual_directories_max() {
  size_t watches = 0;
  std::ifstream("/proc/sys/fs/inotify/max_user_watches") >> watches;
  if (watches == 0) return kDirectoriesMax;
  return std::clamp<size_t>(watches / kWatchesShare, 1, kDirectoriesMax);
}

size_t NameIndex::usual_bytes_of_all() {
  const auto memory =
      static_cast<size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return std::clamp(memory / kMemoryShare, kAllBytesMin, kAllBytesMax);
}

NameIndex::All& NameIndex::all_of_process() {
  static All all(usual_bytes_of_all());
  return all;
}

NameIndex::NameIndex(size_t bytes_max, Events events, size_t directories_max, All& all, Marks marks)
    : all_(all),
      bytes_max_(bytes_max),
      directories_max_(directories_max),
      composes_(marks == Marks::kComposed),
      inotify_(events == Events::kTrusted ? ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1) {}

NameIndex::~NameIndex() {
  auto state = state_.lock();
  add_bytes(*state, state->counters.bytes, 0);
}

NameIndex::Counters NameIndex::counters() const { return state_.lock()->counters; }

Result<std::optional<std::string>> NameIndex::find(int directory_fd, FileKey directory,
                                                   std::string_view client_name, bool in_pieces) {
  if (!composes_) return find_as_compared(directory_fd, directory, client_name, in_pieces);
  return find_as_compared(directory_fd, directory, compared_name(client_name), in_pieces);
}

Result<std::optional<std::string>> NameIndex::find_as_compared(int directory_fd, FileKey key,
                                                               std::string_view client_name,
                                                               bool in_pieces) {
  for (int reads = 0;;) {
    DirectoryRef directory;
    {
      auto state = state_.lock();
      BRAID_TRY(directory, known(*state, directory_fd, key));
      if (directory && !directory->building) {
        state->use(*directory);
        if (directory->names.has_names()) return directory->names.find(client_name);
        if (!directory->names.may_have(client_name)) return std::nullopt;
        state.mutex_lock().unlock();
        return search(directory_fd, client_name);
      }
      if (!directory) directory = begin(*state, directory_fd, key);
    }
    BRAID_TRY(const bool complete, advance(directory, directory_fd));
    if (!complete && in_pieces) return fail_os(EINPROGRESS);
    if (!complete) continue;
    if (directory->is_too_large) return search(directory_fd, client_name);
    auto state = state_.lock();
    if (directory->stale && ++reads < kReadsMax) continue;
    drain(*state);
    if (directory->names.has_names()) return directory->names.find(client_name);
    if (!directory->names.may_have(client_name)) return std::nullopt;
    state.mutex_lock().unlock();
    return search(directory_fd, client_name);
  }
}

Result<NameIndex::DirectoryRef> NameIndex::known(State& state, int directory_fd, FileKey key) {
  drain(state);
  const auto found = state.directories.find(key);
  if (found == state.directories.end()) return nullptr;
  DirectoryRef directory = found->second;
  if (directory->building) return directory;
  if (directory->watch >= 0) {
    BRAID_TRY(const bool holds, still_holds(state, directory, directory_fd));
    if (!holds) forget(state, directory);
    return holds ? directory : nullptr;
  }
  BRAID_TRY(const Stamp now, stamp_of(directory_fd));
  if (directory->stamp.settled && now == directory->stamp) return directory;
  forget(state, directory);
  return nullptr;
}

Result<bool> NameIndex::still_holds(State& state, const DirectoryRef& directory, int directory_fd) {
  if (directory->is_doubtful) {
    if (directory->has_changed) return false;
    BRAID_TRY(const Stamp now, stamp_of(directory_fd));
    directory->is_doubtful = now != directory->stamp;
    return !directory->is_doubtful;
  }
  // Quiet since: from now on its times say so. Once for a series of changes.
  const auto coarsest = std::chrono::nanoseconds(kCoarsestTimeNs);
  if (directory->has_changed &&
      std::chrono::steady_clock::now() - directory->changed_at > coarsest) {
    BRAID_TRY(directory->stamp, stamp_of(directory_fd));
    directory->note_change(!directory->stamp.settled);
    drain(state);  // what the stamp has seen
  }
  return is_held(state, directory);
}

Result<bool> NameIndex::advance(const DirectoryRef& directory, int directory_fd) {
  const std::lock_guard piece(directory->piece);
  if (directory->is_complete) return true;
  const auto last = read_piece(*directory, directory_fd);
  auto state = state_.lock();
  state->counters.pieces++;
  if (!last) {
    forget(*state, directory);
    return fail(last.error());
  }
  if (!*last && fits_while_building(*state, *directory)) return false;
  directory->is_too_large |= !*last;
  directory->is_complete = true;
  directory->reading.reset();
  settle(*state, directory);
  return true;
}

// Nobody may come back for the rest: what was read is held like any other. False when there is no
// room for it even without the others.
bool NameIndex::fits_while_building(State& state, Directory& directory) {
  directory.read_at = std::chrono::steady_clock::now();
  const auto found = state.directories.find(directory.key);
  if (found == state.directories.end() || found->second.get() != &directory) return true;
  state.use(directory);
  count(state, directory);
  return keep_within_bounds(state);
}

bool NameIndex::is_held(const State& state, const DirectoryRef& directory) {
  const auto found = state.directories.find(directory->key);
  return found != state.directories.end() && found->second == directory;
}

// REQUIRES the lock of its pieces.
Result<bool> NameIndex::read_piece(Directory& directory, int directory_fd) {
  if (!directory.reading) {
    BRAID_TRY(directory.stamp, stamp_of(directory_fd));
    const ScopedPrivilege privilege;
    BRAID_CHECK(privilege.status());
    BRAID_TRY(directory.reading, reopen(directory_fd, O_RDONLY | O_DIRECTORY));
  }
  alignas(dirent64) std::array<char, 64 * 1024> buffer;
  const ssize_t size = ::getdents64(directory.reading.get(), buffer.data(), buffer.size());
  if (size < 0) return fail_last_os();
  if (size == 0) return true;
  for_each_name(buffer.data(), static_cast<size_t>(size),
                [&](std::string_view name) { directory.names.add(name); });
  const size_t allowed = bytes_allowed();
  if (directory.names.bytes() > allowed && directory.names.has_names()) {
    directory.names.drop_names();
  }
  directory.is_too_large = directory.names.bytes() > allowed;
  return directory.is_too_large;
}

Result<std::optional<std::string>> NameIndex::search(int directory_fd,
                                                     std::string_view client_name) const {
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  BRAID_TRY(const UniqueFd fd, reopen(directory_fd, O_RDONLY | O_DIRECTORY));
  std::optional<std::string> best;
  alignas(dirent64) std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t size = ::getdents64(fd.get(), buffer.data(), buffer.size());
    if (size < 0) return fail_last_os();
    if (size == 0) return best;
    for_each_name(buffer.data(), static_cast<size_t>(size), [&](std::string_view name) {
      if (best && name >= *best) return;
      const std::string shown = composes_ ? compared_name(to_client(name)) : to_client(name);
      if (equal_folded(shown, client_name)) best = name;
    });
  }
}

// What somebody is reading stays: two that take each other's room would never come to an end.
bool NameIndex::keep_within_bounds(State& state) {
  const auto may_go = [&](const Directory& directory) {
    return !directory.building ||
           std::chrono::steady_clock::now() - directory.read_at > kReaderIsGone;
  };
  const auto last_of = [&](const std::list<FileKey>& order) -> DirectoryRef {
    for (auto key = order.rbegin(); key != order.rend(); ++key) {
      const DirectoryRef& each = state.directories.find(*key)->second;
      if (may_go(*each)) return each;
    }
    return nullptr;
  };
  for (;;) {
    const bool is_too_much = state.counters.bytes > bytes_allowed();
    if (!is_too_much && state.counters.directories <= directories_max_) return true;
    const DirectoryRef small = last_of(state.small), large = last_of(state.large);
    DirectoryRef victim = small ? small : large;
    if (small && large && is_too_much && large->used_at < small->used_at) victim = large;
    if (!victim) return !is_too_much;
    forget(state, victim);
  }
}

// Starts to collect the changes of a directory about to be read.
NameIndex::DirectoryRef NameIndex::begin(State& state, int directory_fd, FileKey key) {
  auto directory = std::make_shared<Directory>();
  directory->key = key;
  directory->names = FoldedNames(composes_);
  state.small.push_front(key);
  directory->used = state.small.begin();
  directory->used_at = ++state.uses;
  directory->read_at = std::chrono::steady_clock::now();
  state.directories[key] = directory;
  state.counters.directories++;
  state.counters.scans++;
  ScopedPrivilege privilege;
  if (inotify_ && privilege.status()) {
    directory->watch =
        ::inotify_add_watch(inotify_.get(), descriptor_path(directory_fd).c_str(), kWatched);
    if (directory->watch >= 0) state.by_watch[directory->watch] = directory;
  }
  return directory;
}

// Takes what was read for what there is, with the changes made meanwhile.
void NameIndex::settle(State& state, const DirectoryRef& directory) {
  drain(state);
  const bool held = is_held(state, directory);
  for (const Change& change : directory->pending) apply(state, *directory, change);
  directory->note_change(!directory->stamp.settled || !directory->pending.empty());
  directory->pending = {};
  directory->building = false;
  // Nobody told it of changes since it went out.
  if (!held) directory->stale = true;
  if (!held) return;
  if (directory->stale || directory->is_too_large) return forget(state, directory);
  if (directory->names.size() > kSmallDirectory) {
    directory->is_small = false;
    state.large.splice(state.large.begin(), state.small, directory->used);
  }
  count(state, *directory);
  keep_within_bounds(state);
}

void NameIndex::count(State& state, Directory& directory) {
  state.counters.names += directory.names.size() - directory.counted_names;
  add_bytes(state, directory.counted_bytes, directory.names.bytes());
  directory.counted_names = directory.names.size();
  directory.counted_bytes = directory.names.bytes();
}

void NameIndex::add_bytes(State& state, size_t before, size_t now) {
  size_t& bytes = state.counters.bytes;
  const bool held_any = bytes != 0;
  bytes += now - before;
  all_.bytes += now - before;
  if (bytes != 0 && !held_any) ++all_.holders;
  if (bytes == 0 && held_any) --all_.holders;
}

size_t NameIndex::bytes_allowed() const {
  const size_t holders = all_.holders;
  if (holders == 0 || all_.bytes <= all_.bytes_max) return bytes_max_;
  return std::min(bytes_max_, all_.bytes_max / holders);
}

void NameIndex::drain(State& state) {
  if (!inotify_) return;
  alignas(inotify_event) std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (size <= 0) return;
    for (size_t at = 0; at < static_cast<size_t>(size);) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      handle(state, event->wd, event->mask, event->len > 0 ? event->name : "");
      at += sizeof *event + event->len;
    }
  }
}

void NameIndex::handle(State& state, int watch, uint32_t mask, std::string name) {
  if (mask & IN_Q_OVERFLOW) {
    // Nobody knows whose they were. Each is looked at when it is asked about.
    for (const auto& [key, directory] : state.directories) {
      (directory->building ? directory->stale : directory->is_doubtful) = true;
    }
    return;
  }
  const auto found = state.by_watch.find(watch);
  if (found == state.by_watch.end()) return;
  const DirectoryRef directory = found->second;
  if (mask & (IN_IGNORED | IN_UNMOUNT)) {
    directory->stale = true;
    if (mask & IN_IGNORED) {
      state.by_watch.erase(found);
      directory->watch = -1;
    }
    if (!directory->building) forget(state, directory);
    return;
  }
  state.counters.events++;
  Change change{(mask & (IN_CREATE | IN_MOVED_TO)) != 0, std::move(name)};
  if (directory->building && directory->pending.size() >= kPendingMax) {
    directory->stale = true;  // whoever reads it reads it again
    directory->pending = {};
  } else if (directory->building && !directory->stale) {
    directory->pending.push_back(std::move(change));
  } else if (!directory->building) {
    apply(state, *directory, change);
  }
}

void NameIndex::apply(State& state, Directory& directory, const Change& change) {
  if (change.added) {
    directory.names.add(change.name);
  } else if (directory.names.has_names() || !directory.building) {
    // Hashes do not tell whether what is being read had the name already: one too many stays, and
    // costs a search, where one too few would hide another name.
    directory.names.remove(change.name);
  }
  if (directory.building) return;
  directory.note_change(true);
  count(state, directory);
  keep_within_bounds(state);
}

void NameIndex::changed_name() {
  if (!inotify_ || (changed_names_.fetch_add(1) + 1) % kChangesBeforeDrain != 0) return;
  auto state = state_.lock();
  drain(*state);
}

void NameIndex::forget(State& state, const DirectoryRef& directory) {
  if (!is_held(state, directory)) return;
  if (directory->watch >= 0) {
    state.by_watch.erase(directory->watch);
    ::inotify_rm_watch(inotify_.get(), directory->watch);
    directory->watch = -1;
  }
  state.counters.names -= directory->counted_names;
  add_bytes(state, directory->counted_bytes, 0);
  directory->counted_names = directory->counted_bytes = 0;
  state.counters.directories--;
  state.order_of(*directory).erase(directory->used);
  state.directories.erase(directory->key);
}

Result<NameIndex::Stamp> NameIndex::stamp_of(int directory_fd) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  BRAID_TRY(const struct statx st, stat_of(directory_fd));
  Stamp stamp{nanoseconds(st.stx_mtime), nanoseconds(st.stx_ctime), false};
  const int64_t latest = std::max(stamp.mtime_ns, stamp.ctime_ns);
  stamp.settled = latest + kCoarsestTimeNs < now.tv_sec * 1'000'000'000 + now.tv_nsec;
  return stamp;
}

}  // namespace braid::vfs
