#include "smb2/write_times.h"

#include <algorithm>
#include <utility>

#include "smb2/open.h"
#include "store/worker_group.h"
#include "wire/reader.h"
#include "wire/writer.h"

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

// An entry, or none, with its lock: that of its shard, or of its record. A record is written back
// at the end.
class WriteTimes::Held {
 public:
  Held(WriteTimes& owner, const FileKey& file) : owner_(owner), file_(file) {
    if (owner_.group_) {
      record_.emplace(owner_.group_->records().lock(
          {store::RecordKind::kWriteTime, file.device, file.inode, 0}));
      shared_ = owner_.decode(record_->value());
      return;
    }
    lock_ = std::unique_lock(owner_.shard_of(file).mutex);
    auto& entries = owner_.shard_of(file).entries;
    const auto found = entries.find(file);
    if (found != entries.end()) local_ = &found->second;
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (record_) write_back();
  }
  explicit operator bool() const { return record_ ? shared_.has_value() : local_ != nullptr; }
  Entry* operator->() { return record_ ? &*shared_ : local_; }
  Entry& operator*() { return *operator->(); }

  // REQUIRES: there is none.
  void make(FileTime shown) {
    if (record_) {
      shared_.emplace();
    } else {
      local_ = &owner_.shard_of(file_).entries[file_];
      ++owner_.entry_count_;
    }
    operator->()->shown = shown;
  }
  // One open fewer counts.
  void leave() {
    Entry& entry = **this;
    if (--entry.opens != 0 || record_) return;
    owner_.shard_of(file_).entries.erase(file_);
    local_ = nullptr;
    --owner_.entry_count_;
  }

 private:
  void write_back() {
    Bytes bytes;
    if (shared_ && (shared_->opens != 0 || !shared_->others.empty())) {
      wire::Writer w(bytes);
      w.file_time(shared_->shown);
      w.u8(static_cast<uint8_t>(shared_->restore | shared_->pending.has_value() << 1));
      w.file_time(shared_->pending.value_or(FileTime{}));
      w.u64(static_cast<uint64_t>(shared_->pending_until.time_since_epoch().count()));
      if (shared_->opens != 0)
        shared_->others.emplace_back(owner_.group_->own_tag(), shared_->opens);
      for (const auto& [worker, opens] : shared_->others) {
        w.u32(worker.value);
        w.u64(opens);
      }
    }
    // Without room the times are those of the file system.
    if (!std::ranges::equal(bytes, record_->value())) {
      record_->replace(bytes, store::Urgency::kOrdinary);
    }
  }

  WriteTimes& owner_;
  const FileKey file_;
  std::unique_lock<std::mutex> lock_;
  Entry* local_ = nullptr;
  std::optional<store::RecordStore::Held> record_;
  std::optional<Entry> shared_;
};

std::optional<WriteTimes::Entry> WriteTimes::decode(ByteView record) const {
  wire::Reader r(record);
  Entry entry;
  entry.shown = r.file_time();
  const uint8_t flags = r.u8();
  entry.restore = (flags & 1) != 0;
  const FileTime pending = r.file_time();
  if (flags & 2) entry.pending = pending;
  entry.pending_until = Clock::Instant(Clock::Instant::duration(static_cast<int64_t>(r.u64())));
  while (r.remaining() != 0) {
    const store::WorkerTag worker{r.u32()};
    const uint64_t opens = r.u64();
    if (worker == group_->own_tag()) {
      entry.opens = opens;
    } else if (group_->is_alive(worker)) {
      entry.others.emplace_back(worker, opens);
    }
  }
  if (!r.ok() || (entry.opens == 0 && entry.others.empty())) return std::nullopt;
  return entry;
}

WriteTimes::Shard& WriteTimes::shard_of(const FileKey& file) {
  return shards_[std::hash<FileKey>{}(file) % shards_.size()];
}

void WriteTimes::settle(Entry& entry) const {
  if (!entry.pending || clock_.monotonic() < entry.pending_until) return;
  entry.shown = *std::exchange(entry.pending, std::nullopt);
}

WriteTimes::Held WriteTimes::at(const FileKey& file) { return {*this, file_of(file)}; }

WriteTimes::Held WriteTimes::find(const Open& open) { return at(open.attributes.file_key); }

void WriteTimes::enter(Open& open, const std::function<void(Entry&)>& change) {
  const FileKey file = open.attributes.file_key;
  std::optional<FileTime> on_disk;
  for (;;) {
    if (Held entry = at(file); entry || on_disk) {
      if (!entry) entry.make(*on_disk);
      if (!std::exchange(open.write_time.registered, true)) ++entry->opens;
      if (change) change(*entry);
      return;
    }
    on_disk = time_on_disk(open).value_or(clock_.now());
  }
}

void WriteTimes::before_write(Open& open) { enter(open, {}); }

void WriteTimes::wrote(Open& open) {
  bool shows = false;
  enter(open, [&](Entry& entry) {
    if (open.write_time.is_sticky) {
      entry.restore = true;
      return;
    }
    entry.restore = false;
    open.write_time.has_written = true;
    shows = !std::exchange(open.write_time.announced, true);
    if (!shows) open.write_time.has_more = true;
  });
  if (!shows) return;
  const FileTime now = time_on_disk(open).value_or(clock_.now());
  enter(open, [&](Entry& entry) {
    settle(entry);
    if (!entry.pending) entry.pending_until = clock_.monotonic() + kDelay;
    entry.pending = now;
  });
}

void WriteTimes::resized(Open& open, bool changed) {
  const FileTime now = time_on_disk(open).value_or(clock_.now());
  enter(open, [&](Entry& entry) {
    if (open.write_time.is_sticky) {
      entry.restore = true;
      return;
    }
    if (!changed && !open.write_time.has_written) return;
    entry.restore = false;
    entry.shown = now;
    entry.pending.reset();
    open.write_time.has_written = open.write_time.has_more = false;
    open.write_time.announced = true;
  });
}

void WriteTimes::flush(Open& open) {
  if (is_idle()) return;
  const std::optional<FileTime> now = time_on_disk(open);
  Held entry = find(open);
  open.write_time.has_more = false;
  if (!std::exchange(open.write_time.has_written, false) || open.write_time.is_sticky) return;
  if (!entry) return;
  if (now) entry->shown = *now;
  entry->pending.reset();
}

void WriteTimes::set(Open& open, FileTime time) {
  Held entry = find(open);
  open.write_time.is_sticky = true;
  open.write_time.has_written = open.write_time.has_more = false;
  if (!entry) return;
  entry->shown = time;
  entry->pending.reset();
  entry->restore = false;
}

void WriteTimes::freeze(Open& open) {
  Held entry = find(open);
  open.write_time.is_sticky = true;
  if (entry) settle(*entry);
}

void WriteTimes::thaw(Open& open) {
  const Held entry = find(open);
  open.write_time.is_sticky = false;
}

void WriteTimes::overwritten(const FileKey& file, FileTime now) {
  if (is_idle()) return;
  Held entry = at(file);
  if (!entry) return;
  entry->shown = now;
  entry->pending.reset();
  entry->restore = false;
}

void WriteTimes::close(Open& open) {
  if (is_idle()) return;
  const std::optional<FileTime> now = time_on_disk(open);
  std::optional<FileTime> to_restore;
  {
    Held entry = find(open);
    if (!std::exchange(open.write_time.registered, false) || !entry) return;
    settle(*entry);
    if (std::exchange(open.write_time.has_written, false) && !open.write_time.is_sticky) {
      // Writes after the first one show with the time of the close. One just before it has given
      // the file that time.
      const FileTime closed = clock_.now();
      if (now) entry->shown = *now;
      if (now && open.write_time.has_more && now->ticks + kTicksPerSecond < closed.ticks) {
        to_restore = entry->shown = closed;
      }
      entry->pending.reset();
    }
    open.write_time.announced = open.write_time.has_more = false;
    if (open.write_time.is_sticky && std::exchange(entry->restore, false)) {
      to_restore = entry->shown;
    }
    entry.leave();
  }
  // The client was told this time; when the file cannot have it, its writes are what changed it.
  if (to_restore) (void)base_of(open).change({.write_time = to_restore});
}

void WriteTimes::show(vfs::Attributes& attributes) {
  if (is_idle()) return;
  Held entry = at(attributes.key);
  if (!entry) return;
  settle(*entry);
  attributes.write_time = entry->shown;
}

}  // namespace braid::smb2
