#include "smb2/write_times.h"

#include <utility>

#include "smb2/open.h"

namespace braid::smb2 {
namespace {

// What Windows and Samba take for the first write of a handle.
constexpr auto kDelay = std::chrono::seconds(2);

FileKey file_of(FileKey key) {
  key.stream = 0;
  return key;
}

vfs::File& base_of(Open& open) { return open.base_file ? *open.base_file : *open.file; }

// What the file system has.
std::optional<FileTime> time_on_disk(Open& open) {
  if (auto attributes = base_of(open).stat()) return attributes->write_time;
  return {};
}

}  // namespace

// An entry, or none, with its shard locked.
class WriteTimes::Held {
 public:
  Held(Entry* entry, std::unique_lock<std::mutex> lock) : entry_(entry), lock_(std::move(lock)) {}
  explicit operator bool() const { return entry_ != nullptr; }
  Entry* operator->() const { return entry_; }
  Entry& operator*() const { return *entry_; }

 private:
  Entry* entry_;
  std::unique_lock<std::mutex> lock_;
};

WriteTimes::Shard& WriteTimes::shard_of(const FileKey& file) {
  return shards_[std::hash<FileKey>{}(file) % shards_.size()];
}

void WriteTimes::settle(Entry& entry) const {
  if (!entry.pending || clock_.monotonic() < entry.pending_until) return;
  entry.shown = *std::exchange(entry.pending, std::nullopt);
}

WriteTimes::Held WriteTimes::enter(Open& open) {
  const FileKey file = file_of(open.attributes.file_key);
  Shard& shard = shard_of(file);
  std::unique_lock lock(shard.mutex);
  auto found = shard.entries.find(file);
  if (found == shard.entries.end()) {
    lock.unlock();
    const FileTime now = time_on_disk(open).value_or(clock_.now());
    lock.lock();
    const auto [place, made] = shard.entries.try_emplace(file);
    if (made) {
      place->second.shown = now;
      ++entry_count_;
    }
    found = place;
  }
  if (!std::exchange(open.write_time.registered, true)) ++found->second.opens;
  return {&found->second, std::move(lock)};
}

WriteTimes::Held WriteTimes::find(const Open& open) {
  const FileKey file = file_of(open.attributes.file_key);
  Shard& shard = shard_of(file);
  std::unique_lock lock(shard.mutex);
  const auto found = shard.entries.find(file);
  return {found == shard.entries.end() ? nullptr : &found->second, std::move(lock)};
}

void WriteTimes::before_write(Open& open) { (void)enter(open); }

void WriteTimes::wrote(Open& open) {
  {
    const Held entry = enter(open);
    if (open.write_time.is_sticky) {
      entry->restore = true;
      return;
    }
    entry->restore = false;
    open.write_time.has_written = true;
    if (std::exchange(open.write_time.announced, true)) {
      open.write_time.has_more = true;
      return;
    }
  }
  const FileTime now = time_on_disk(open).value_or(clock_.now());
  const Held entry = enter(open);
  settle(*entry);
  if (!entry->pending) entry->pending_until = clock_.monotonic() + kDelay;
  entry->pending = now;
}

void WriteTimes::resized(Open& open, bool changed) {
  const FileTime now = time_on_disk(open).value_or(clock_.now());
  const Held entry = enter(open);
  if (open.write_time.is_sticky) {
    entry->restore = true;
    return;
  }
  if (!changed && !open.write_time.has_written) return;
  entry->restore = false;
  entry->shown = now;
  entry->pending.reset();
  open.write_time.has_written = open.write_time.has_more = false;
  open.write_time.announced = true;
}

void WriteTimes::flush(Open& open) {
  if (entry_count_ == 0) return;
  const std::optional<FileTime> now = time_on_disk(open);
  const Held entry = find(open);
  open.write_time.has_more = false;
  if (!std::exchange(open.write_time.has_written, false) || open.write_time.is_sticky) return;
  if (now) entry->shown = *now;
  entry->pending.reset();
}

void WriteTimes::set(Open& open, FileTime time) {
  const Held entry = find(open);
  open.write_time.is_sticky = true;
  open.write_time.has_written = open.write_time.has_more = false;
  if (!entry) return;
  entry->shown = time;
  entry->pending.reset();
  entry->restore = false;
}

void WriteTimes::freeze(Open& open) {
  const Held entry = find(open);
  open.write_time.is_sticky = true;
  if (entry) settle(*entry);
}

void WriteTimes::thaw(Open& open) {
  const Held entry = find(open);
  open.write_time.is_sticky = false;
}

void WriteTimes::overwritten(const FileKey& file, FileTime now) {
  if (entry_count_ == 0) return;
  Shard& shard = shard_of(file_of(file));
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(file_of(file));
  if (found == shard.entries.end()) return;
  found->second.shown = now;
  found->second.pending.reset();
  found->second.restore = false;
}

void WriteTimes::close(Open& open) {
  if (entry_count_ == 0) return;
  const FileKey file = file_of(open.attributes.file_key);
  const std::optional<FileTime> now = time_on_disk(open);
  std::optional<FileTime> to_restore;
  Shard& shard = shard_of(file);
  {
    const std::lock_guard lock(shard.mutex);
    if (!std::exchange(open.write_time.registered, false)) return;
    const auto found = shard.entries.find(file);
    Entry& entry = found->second;
    settle(entry);
    if (std::exchange(open.write_time.has_written, false) && !open.write_time.is_sticky) {
      // Writes after the first one show with the time of the close. One just before it has given
      // the file that time.
      const FileTime closed = clock_.now();
      if (now) entry.shown = *now;
      if (now && open.write_time.has_more && now->ticks + kTicksPerSecond < closed.ticks) {
        to_restore = entry.shown = closed;
      }
      entry.pending.reset();
    }
    open.write_time.announced = open.write_time.has_more = false;
    if (open.write_time.is_sticky && std::exchange(entry.restore, false)) {
      to_restore = entry.shown;
    }
    if (--entry.opens == 0) {
      shard.entries.erase(found);
      --entry_count_;
    }
  }
  // The client was told this time; when the file cannot have it, its writes are what changed it.
  if (to_restore) (void)base_of(open).change({.write_time = to_restore});
}

void WriteTimes::show(vfs::Attributes& attributes) {
  if (entry_count_ == 0) return;
  const FileKey file = file_of(attributes.key);
  Shard& shard = shard_of(file);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(file);
  if (found == shard.entries.end()) return;
  settle(found->second);
  attributes.write_time = found->second.shown;
}

}  // namespace braid::smb2
