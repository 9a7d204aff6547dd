// Group: the workers that serve the same files, as one of them sees the others.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/ids.h"
#include "base/sip_hash.h"
#include "store/message_bus.h"
#include "store/record_store.h"
#include "store/watch_notice.h"
#include "store/worker_tag.h"

namespace braid::store {

// What is counted by all workers together, and only grows.
enum class Counter : uint8_t {
  kNamesGone,        // filestate: names that went, moved or were replaced
  kDirectoryLeases,  // smb2: not 0 once any was granted
  kCount,
};

// All that is said here holds wherever the others run. What only those of one machine have
// (processes, memory, descriptors that are handed on) is WorkerGroup's.
//
// What every request asks for is asked of a Group once, and is plain memory from then on: the
// references that it returns stay valid for as long as it lives, and reading them costs a load.
// Owned by main; outlives everything that uses the store. Thread: any.
class Group {
 public:
  virtual ~Group() = default;

  // This worker, its life included. Never changes.
  virtual WorkerTag own_tag() const = 0;
  // Indexes of workers are below this. Never changes.
  virtual size_t size() const = 0;
  // Who lives at `index`, as far as is known here; no worker: nobody, or there is no such index.
  virtual WorkerTag living(size_t index) const = 0;
  bool is_alive(WorkerTag tag) const { return tag.value != 0 && living(tag.index()) == tag; }
  // Changes when a worker begins or ends.
  virtual const std::atomic<uint64_t>& roster_version() const = 0;
  // Called after it is known that a worker has ended, on some thread. Before start().
  virtual void on_ended(std::function<void()> callback) = 0;

  virtual RecordStore& records() = 0;
  virtual MessageBus& bus() = 0;

  // What a worker raised before it let go of a record is seen by whoever has that record after it.
  virtual const std::atomic<uint64_t>& counter(Counter which) const = 0;
  virtual void raise(Counter which) = 0;

  // The same for all workers, and nobody else knows it: for hashes that they compare, of what
  // clients choose. Never changes.
  virtual const SipKey& hash_key() const = 0;

  // That this worker is just making what has a name with this hash, which is not 0: seen by all who
  // look the name up after it returned. Where it is, for end_making(); nothing: there are too many.
  virtual std::optional<size_t> begin_making(uint64_t name) = 0;
  virtual void end_making(size_t at) = 0;
  // Whether anybody makes anything: mostly nobody does.
  virtual bool anyone_makes() const = 0;
  // Who makes this. What one that has died was making is made, or is not.
  virtual std::optional<WorkerTag> maker_of(uint64_t name) const = 0;

  // REQUIRES: index < size(). One that has ended watches nothing.
  virtual const WatchNotice& watch_notice(size_t index) const = 0;
  // Of this worker. Whoever changes something after these returned tells it.
  virtual void say_watches(uint32_t count) = 0;
  virtual void say_watched(const WatchedPlaces& places) = 0;

  // One worker and thread at a time changes the metadata of a file, or what stands beside it under
  // FileKey::stream. Waits, also for others of the file's device but for none of another: a disk
  // may hang while it is held. One that dies with it leaves it free, and the metadata as its last
  // call did.
  virtual void lock_metadata(const FileKey& file) = 0;
  virtual void unlock_metadata(const FileKey& file) = 0;
  // Counts how often the ARCHIVE of the file, or of one that shares its lock, was cleared. Raised
  // with that lock held.
  virtual std::atomic<uint32_t>& archive_ends(const FileKey& file) = 0;

  // From when all handlers and callbacks are there. Messages that came before wait.
  // Sends the others an empty message for Topic::kRecords: somebody else may have gone.
  virtual void start() = 0;
  // No handler runs any more. Idempotent. REQUIRES: not called by a handler.
  virtual void stop() = 0;
};

}  // namespace braid::store
