// WriteTimes: which LastWriteTime clients see while a file is being written.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/worker_tag.h"
#include "vfs/vfs.h"

namespace braid::store {
class WorkerGroup;
}

namespace braid::smb2 {

class Open;

// Part of an Open; guarded by WriteTimes.
struct WriteTimeOfOpen {
  bool registered = false;   // counted in WriteTimes
  bool is_sticky = false;    // UserSetModificationTime of [MS-FSA] 2.1.1.4 "Per Open"
  bool has_written = false;  // since the last time its writes were made to show
  bool has_more = false;     // more than the one whose time shows, or will
  bool announced = false;    // a write of this open has shown, or will without more being done
};

// [MS-FSA] 2.1.4.17 "Algorithm for Noting That a File Has Been Modified", and when its effect
// shows:
//  - The first write of an open shows two seconds later, the ones after it when the open is flushed
//    or closed. A program that writes in a loop does not change the time with every write.
//  - A new size shows at once, and so does what was written before an open has attributes set.
//  - An open that set the time itself, or froze it, does not change it any more by writing.
// The kernel changes a file's time with every write; this keeps what is shown instead, for as long
// as an open that wrote is there, and sets it on disk at the end where it has to differ.
//
// With several workers an entry is a record that they share, so that all clients see the same.
//
// Owned by the Server. Thread: any. Calls block like File::stat() and File::change().
class WriteTimes {
 public:
  explicit WriteTimes(const Clock& clock, store::WorkerGroup* group = nullptr)
      : clock_(clock), group_(group) {}

  // Before and after a WRITE through `open`.
  void before_write(Open& open);
  void wrote(Open& open);
  // Before and after a change of the size. `changed`: it was another one before.
  void before_resize(Open& open) { before_write(open); }
  void resized(Open& open, bool changed);
  // FLUSH, and FileBasicInformation without a time: writes until now show.
  void flush(Open& open);
  // `time` was set through `open`, to stay.
  void set(Open& open, FileTime time);
  // -1 and -2 of FileBasicInformation: whether writes of this open count no more.
  void freeze(Open& open);
  void thaw(Open& open);
  // The file was overwritten by a CREATE and has the time `now`.
  void overwritten(const FileKey& file, FileTime now);
  // `open` writes no more. May be called again, and after it before_write().
  void close(Open& open);

  // Puts the time that clients see in the place of the file system's.
  void show(vfs::Attributes& attributes);

 private:
  struct Entry {
    FileTime shown;
    // Replaces `shown` when it is time.
    std::optional<FileTime> pending;
    Clock::Instant pending_until;
    // A sticky open wrote: the file has a later time than it should keep.
    bool restore = false;
    size_t opens = 0;                                           // of this worker
    std::vector<std::pair<store::WorkerTag, uint64_t>> others;  // opens of each other worker
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<FileKey, Entry> entries;
  };
  class Held;

  // Without any entry there is nothing to look for.
  bool is_idle() const { return !group_ && entry_count_ == 0; }
  Shard& shard_of(const FileKey& file);
  // The entry of the file, or none.
  Held at(const FileKey& file);
  void settle(Entry& entry) const;
  // Changes the entry of the file of `open`, made if need be with the time the file has now.
  void enter(Open& open, const std::function<void(Entry&)>& change);
  Held find(const Open& open);
  std::optional<Entry> decode(ByteView record) const;

  const Clock& clock_;
  store::WorkerGroup* const group_;
  std::array<Shard, 16> shards_;
  std::atomic<size_t> entry_count_ = 0;
};

}  // namespace braid::smb2
