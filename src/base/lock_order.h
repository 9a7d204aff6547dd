// The order in which a thread takes locks: declared here, and checked in debug and sanitizer
// builds.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>

namespace braid {

// A thread that holds a lock takes only locks of a later rank. Most are kLast: taken for one
// look-up or change, with nothing taken inside. ARCHITECTURE.md, "Threads and locks", says more.
enum class LockRank : uint8_t {
  kPipe,            // rpc: a pipe whose call runs, which may ask whatever there is
  kPlaces,          // smb2: the places of shares that have a number of them
  kSleepers,        // SleepingOpens: opens that are made when somebody asks for them
  kHandles,         // PersistentHandles: what an open is now, and writing it down
  kFiles,           // FileTable: a shard of files
  kRecord,          // RecordStore: a record; records share buckets, so one at a time
  kLeaseKeys,       // FileTable: a shard of lease keys
  kArena,           // store: the blocks of this worker
  kWatches,         // NotifyHub: how many watches there are; what one was not told yet
  kCreates,         // CreateReservations: which CREATEs are under way
  kLocalChanges,    // LocalChanges: what is watched in the kernel
  kMetadata,        // PosixContext: what is kept beside a file's data, or a name that is being made
  kSharedMetadata,  // FileLocks: the same in all workers
  kNamePiece,       // NameIndex: a directory that is being read
  kNameIndex,       // NameIndex: what is known of all
  kLast,
  // With anything held, as malloc's own lock:
  kLog,     // a line is written
  kBuffers  // memory for a Buffer is taken or given back
};

// For locks that are no RankedMutex: before one is taken, and after it was let go of. The process
// ends, with the ranks, when this thread holds one of the same or a later rank, and when a thread
// lets go of what it does not hold: then a lock was held across a co_await.
#ifdef BRAID_CHECK_LOCK_ORDER
void take_rank(LockRank rank);
void drop_rank(LockRank rank);
#else
inline void take_rank(LockRank) {}
inline void drop_rank(LockRank) {}
#endif

template <LockRank kRank>
class RankedMutex {
 public:
  void lock() {
    take_rank(kRank);
    mutex_.lock();
  }
  void unlock() {
    mutex_.unlock();
    drop_rank(kRank);
  }

 private:
  std::mutex mutex_;
};

}  // namespace braid
