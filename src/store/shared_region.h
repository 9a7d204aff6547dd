// SharedRegion: the memory that all workers of a machine share, and how it is laid out.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/lock_order.h"
#include "base/result.h"
#include "base/sip_hash.h"
#include "base/unique_fd.h"
#include "store/group.h"
#include "store/names_in_making.h"
#include "store/record_store.h"
#include "store/watch_notice.h"
#include "store/worker_tag.h"

namespace braid::store {

// Everything in the region is either a lock that the kernel frees when its holder dies (a robust
// mutex), a word that is changed by one store, or bytes that nothing points at yet. So a process
// may be killed between any two instructions. Places are offsets from the start of the region.

struct RegionSizes {
  size_t workers = 1;
  // A lock and a chain each: with a million files in use a chain is 16 long.
  size_t buckets = 65'536;
  // Room for the records a worker writes, 320 bytes for a file opened once. Only what is used takes
  // memory.
  size_t arena_bytes = size_t{1} << 30;
  // Of each worker: where regions come after each other, so that none has the tags of one before.
  uint32_t first_life = 0;
};

static_assert(kWorkersMax <= 64);  // a set of workers is a word

// What the keeper of a cluster's node says about it, some times a second.
struct NodeCounts {
  std::atomic<uint64_t> records = 0;  // that this node has
  std::atomic<uint64_t> coming = 0;
  std::atomic<uint64_t> leaving = 0;  // sent, and not known to have come
  // Sets of 1 << node: whose keeper is there, and whose worker serves. This one among them.
  std::atomic<uint32_t> there = 0;
  std::atomic<uint32_t> serving = 0;
};

// What a worker says about itself.
struct WorkerSlot {
  std::atomic<uint32_t> tag = 0;  // of the worker that lives; 0: none
  std::atomic<uint32_t> lives = 0;
  std::atomic<int32_t> pid = 0;
  // Messages to it were lost: a set of 1 << Topic.
  std::atomic<uint32_t> missed_topics = 0;
  // Workers that it has yet to tell what was lost: a set of 1 << index.
  std::atomic<uint64_t> owed = 0;
  // Blocks of its arena that others let go of, chained.
  std::atomic<uint64_t> released = 0;
  alignas(64) WatchNotice watch_notice;
  alignas(64) NamesInMaking names_in_making{};
  alignas(64) NodeCounts counts;  // of a keeper's slot
};

struct alignas(64) Bucket {
  pthread_mutex_t mutex;
  std::atomic<uint64_t> first;  // a Block
  std::atomic<uint64_t> version;
};

// What arenas are cut into. Only `next` changes while something points at it.
struct Block {
  std::atomic<uint64_t> next;  // in its bucket's chain, or among what others released
  uint64_t version;            // of its record when it was written
  uint32_t bytes;              // of the whole block
  uint32_t size;               // of the value, which follows what the kind of block begins with
  Account account;
};

// A part of a record.
struct PartBlock : Block {
  uint8_t* value() { return reinterpret_cast<uint8_t*>(this + 1); }
};

// What leads to the parts of a record, by the digits of their numbers: part_tree.h.
struct TreeBlock : Block {
  static constexpr unsigned kDigitBits = 4;
  static constexpr size_t kChildren = size_t{1} << kDigitBits;
  uint64_t children[kChildren];
};

struct PartRoot {
  uint64_t place = 0;   // 0: no parts
  uint32_t levels = 0;  // of TreeBlocks; with none `place` is part 0
};

struct RecordBlock : Block {
  RecordKey key;
  PartRoot parts;

  uint8_t* value() { return reinterpret_cast<uint8_t*>(this + 1); }
};

// For whom a record is not what is to be guarded: locks for what is kept beside the files of one
// device, and a count beside each, for whoever shares what is known about the files
// (vfs/file_locks.h).
struct alignas(4096) DeviceLocks {
  // More than a worker has threads that wait for one disk, so that two files seldom share one.
  static constexpr size_t kLocks = 64;
  pthread_mutex_t mutexes[kLocks];
  std::atomic<uint32_t> archive_ends[kLocks];
};

class SharedRegion {
 public:
  // A memory file with everything at its beginning; `lives`: how many each worker has had before.
  static Result<UniqueFd> create(const RegionSizes& sizes, std::span<const uint32_t> lives = {});
  // How many lives each worker has had. Read as of any file: a worker that has gone wrong cannot
  // make more of it than an error.
  static Result<std::vector<uint32_t>> lives(int fd, size_t workers);
  // Maps one. Any number of times, in any process.
  static Result<SharedRegion> map(int fd);

  SharedRegion(SharedRegion&& other) noexcept;
  SharedRegion& operator=(SharedRegion&&) = delete;
  ~SharedRegion();

  size_t workers() const { return header().sizes.workers; }
  size_t buckets() const { return header().sizes.buckets; }
  WorkerSlot& slot(size_t worker) const { return header().slots[worker]; }
  Bucket& bucket(size_t index) const;
  // Which keys share one nobody can tell who does not know the region: clients choose files.
  Bucket& bucket_of(const RecordKey& key) const;
  template <class Kind = Block>
  Kind& block(uint64_t place) const {
    return *reinterpret_cast<Kind*>(base_ + place);
  }
  RecordBlock& record(uint64_t place) const { return block<RecordBlock>(place); }
  const SipKey& hash_key() const { return header().hash_key; }
  std::atomic<uint64_t>& counter(Counter which) const {
    return header().counters[static_cast<size_t>(which)].value;
  }
  // Of a device, for as long as the region is there: whoever holds one may wait for that disk for
  // ever, and works on others must not wait for it. A page each, of which only what is used takes
  // memory. Devices that come after kDevicesMax - 1 others share the last: so many are never
  // mounted, and the kernel gives the numbers of those that went to new ones.
  static constexpr size_t kDevicesMax = 4096;
  DeviceLocks& locks_of(uint64_t device) const;
  // Counts the lives of workers that began or ended.
  std::atomic<uint64_t>& roster_version() const { return header().roster_version; }
  // On a node of a cluster: of boot_time_ns(), and only grows. Its keeper writes it.
  std::atomic<int64_t>& serves_until() const { return header().serves_until; }

  uint64_t arena_begin(size_t worker) const;
  uint64_t arena_end(size_t worker) const { return arena_begin(worker + 1); }
  size_t arena_of(uint64_t place) const;

 private:
  struct Header {
    RegionSizes sizes;
    SipKey hash_key;
    std::atomic<uint64_t> roster_version;
    struct alignas(64) Count {  // each not beside what is only read
      std::atomic<uint64_t> value;
    };
    Count counters[static_cast<size_t>(Counter::kCount)];
    alignas(64) std::atomic<int64_t> serves_until;
    alignas(64) WorkerSlot slots[kWorkersMax];
    pthread_mutex_t devices_mutex;               // held to add one
    std::atomic<uint64_t> devices[kDevicesMax];  // its number plus one; 0: free
  };
  SharedRegion(uint8_t* base, size_t size) : base_(base), size_(size) {}
  Header& header() const { return *reinterpret_cast<Header*>(base_); }
  static DeviceLocks& locks_at(uint8_t* base, size_t index);
  // Where the device is, or would be: the index of a slot that is free, or the last.
  size_t slot_of(uint64_t device) const;
  static size_t locks_begin();
  static size_t buckets_begin();
  static size_t arenas_begin(const RegionSizes& sizes);

  uint8_t* base_;
  size_t size_;
};

// A process-shared mutex that is free again when its holder dies.
struct RobustMutex {
  static bool init(pthread_mutex_t& mutex);
  static void lock(pthread_mutex_t& mutex);
  static void unlock(pthread_mutex_t& mutex) { ::pthread_mutex_unlock(&mutex); }
};

class BucketLock {
 public:
  explicit BucketLock(Bucket& bucket) : bucket_(bucket) {
    take_rank(LockRank::kRecord);
    RobustMutex::lock(bucket.mutex);
  }
  BucketLock(const BucketLock&) = delete;
  BucketLock& operator=(const BucketLock&) = delete;
  ~BucketLock() {
    RobustMutex::unlock(bucket_.mutex);
    drop_rank(LockRank::kRecord);
  }

 private:
  Bucket& bucket_;
};

}  // namespace braid::store
