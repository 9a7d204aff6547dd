#include "vfs/posix/name_index.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>

#include "runtime/identity.h"
#include "vfs/names.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

constexpr uint32_t kWatched = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
// File systems keep times in steps of up to this; a directory changed more recently than that may
// change again without showing it.
constexpr int64_t kCoarsestTimeNs = 2'000'000'000;

// What is read again in less time than it takes to miss it.
constexpr size_t kSmallDirectory = 256;
// A watch takes the kernel a kilobyte, and another for the directory it then keeps in memory.
constexpr size_t kDirectoriesMax = 16'384;
// One over this, of all watches there may be: other programs of the same user, the indexes of
// other shares and workers, and CHANGE_NOTIFY want some.
constexpr size_t kWatchesShare = 8;

int64_t nanoseconds(const struct statx_timestamp& t) {
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

uint64_t hash_of(std::string_view disk_name) {
  return is_plain(disk_name) ? fold_hash(disk_name) : fold_hash(to_client(disk_name));
}

}  // namespace

size_t NameIndex::usual_directories_max() {
  size_t watches = 0;
  std::ifstream("/proc/sys/fs/inotify/max_user_watches") >> watches;
  if (watches == 0) return kDirectoriesMax;
  return std::clamp<size_t>(watches / kWatchesShare, 1, kDirectoriesMax);
}

NameIndex::NameIndex(size_t names_max, Events events, size_t directories_max)
    : names_max_(names_max),
      directories_max_(directories_max),
      inotify_(events == Events::kTrusted ? ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1) {}

NameIndex::Counters NameIndex::counters() const { return state_.lock()->counters; }

Result<std::optional<std::string>> NameIndex::find(int directory_fd, FileKey key,
                                                   std::string_view client_name) {
  auto state = state_.lock();
  for (;;) {
    drain(*state);
    const auto found = state->directories.find(key);
    if (found == state->directories.end()) break;
    const DirectoryRef directory = found->second;
    if (directory->building) {
      built_.wait(state.mutex_lock());
      continue;
    }
    if (directory->watch < 0) {
      BRAID_TRY(const Stamp now, stamp_of(directory_fd));
      if (!directory->stamp.settled || now != directory->stamp) {
        forget(*state, directory);
        break;
      }
    }
    state->use(*directory);
    return pick(directory->names, client_name);
  }

  const DirectoryRef directory = begin(*state, directory_fd, key);
  state.mutex_lock().unlock();
  const auto stamp = stamp_of(directory_fd);
  auto names = scan(directory_fd);
  state.mutex_lock().lock();
  built_.notify_all();
  if (!stamp || !names) {
    directory->building = false;
    forget(*state, directory);
    return fail(stamp ? names.error() : stamp.error());
  }
  drain(*state);
  directory->stamp = *stamp;
  settle(*state, *directory, *std::move(names));
  std::optional<std::string> answer = pick(directory->names, client_name);
  if (directory->stale || directory->names.size() > names_max_) forget(*state, directory);
  keep_within_bounds(*state);
  return answer;
}

void NameIndex::keep_within_bounds(State& state) {
  const auto last_of = [&](const std::list<FileKey>& order) -> DirectoryRef {
    return order.empty() ? nullptr : state.directories.find(order.back())->second;
  };
  while (state.counters.names > names_max_ || state.counters.directories > directories_max_) {
    const DirectoryRef small = last_of(state.small), large = last_of(state.large);
    DirectoryRef victim = small ? small : large;
    if (small && large && state.counters.names > names_max_ && large->used_at < small->used_at) {
      victim = large;
    }
    if (!victim || victim->building) return;
    forget(state, victim);
  }
}

// Starts to collect the changes of a directory about to be read.
NameIndex::DirectoryRef NameIndex::begin(State& state, int directory_fd, FileKey key) {
  auto directory = std::make_shared<Directory>();
  directory->key = key;
  state.small.push_front(key);
  directory->used = state.small.begin();
  directory->used_at = ++state.uses;
  state.directories[key] = directory;
  state.counters.directories++;
  state.counters.scans++;
  ScopedPrivilege privilege;
  if (inotify_.valid() && privilege.status()) {
    directory->watch =
        ::inotify_add_watch(inotify_.get(), descriptor_path(directory_fd).c_str(), kWatched);
    if (directory->watch >= 0) state.by_watch[directory->watch] = directory;
  }
  return directory;
}

// Takes the names read, and the changes made while they were.
void NameIndex::settle(State& state, Directory& directory, Names names) {
  directory.names = std::move(names);
  directory.building = false;
  if (directory.names.size() > kSmallDirectory) {
    directory.is_small = false;
    state.large.splice(state.large.begin(), state.small, directory.used);
  }
  state.counters.names += directory.names.size();
  for (const Change& change : directory.pending) apply(state, directory, change);
  directory.pending = {};
}

void NameIndex::drain(State& state) {
  if (!inotify_.valid()) return;
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
    const auto all = state.directories;
    for (const auto& [key, directory] : all) {
      directory->stale = true;
      if (!directory->building) forget(state, directory);
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
  if (directory->building) {
    directory->pending.push_back(std::move(change));
  } else {
    apply(state, *directory, change);
  }
}

void NameIndex::apply(State& state, Directory& directory, const Change& change) {
  const uint64_t hash = hash_of(change.name);
  auto [at, end] = directory.names.equal_range(hash);
  while (at != end && at->second != change.name) ++at;
  const bool present = at != end;
  if (change.added == present) return;
  if (change.added) {
    directory.names.emplace(hash, change.name);
    state.counters.names++;
  } else {
    directory.names.erase(at);
    state.counters.names--;
  }
}

void NameIndex::forget(State& state, const DirectoryRef& directory) {
  const auto found = state.directories.find(directory->key);
  if (found == state.directories.end() || found->second != directory) return;
  if (directory->watch >= 0) {
    state.by_watch.erase(directory->watch);
    ::inotify_rm_watch(inotify_.get(), directory->watch);
    directory->watch = -1;
  }
  state.counters.names -= directory->names.size();
  state.counters.directories--;
  state.order_of(*directory).erase(directory->used);
  state.directories.erase(found);
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

Result<NameIndex::Names> NameIndex::scan(int directory_fd) {
  ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  BRAID_TRY(const Descriptor fd, reopen(directory_fd, O_RDONLY | O_DIRECTORY));
  Names names;
  alignas(dirent64) std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t size = ::getdents64(fd.get(), buffer.data(), buffer.size());
    if (size < 0) return fail_last_os();
    if (size == 0) return names;
    for (size_t at = 0; at < static_cast<size_t>(size);) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace(hash_of(name), name);
      at += entry->d_reclen;
    }
  }
}

std::optional<std::string> NameIndex::pick(const Names& names, std::string_view client_name) {
  std::optional<std::string> best;
  auto [at, end] = names.equal_range(fold_hash(client_name));
  for (; at != end; ++at) {
    if (equal_folded(to_client(at->second), client_name) && (!best || at->second < *best)) {
      best = at->second;
    }
  }
  return best;
}

}  // namespace braid::vfs
