// RecordStore: small records that several processes change, each under a lock of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/lock_order.h"
#include "runtime/executor.h"
#include "runtime/task.h"

namespace braid::store {

// What kind of record a key names; one number space for all users of a store.
enum class RecordKind : uint64_t {
  kFile = 1,  // filestate: who has a file open
};

struct RecordKey {
  RecordKind kind{};
  uint64_t a = 0;
  uint64_t b = 0;
  uint64_t c = 0;
  bool operator==(const RecordKey&) const = default;
};

// Whose share of the store something takes; 0: nobody's, which has no limit of its own.
enum class Account : uint32_t { kNone = 0 };

// A record may have numbered parts beside its value, so that a change of one does not write the
// others again.
struct PartChange {
  uint32_t part = 0;
  ByteView value;  // empty: it goes
  Account account = Account::kNone;
};
// Parts of one record: numbers below this. Every worker that has to do with a file knows all of
// them, 300 bytes each.
inline constexpr uint32_t kPartsMax = 1u << 18;

// Parts from `first` to before `end`: one with its value, or any number that are not there.
using PartVisit = std::function<void(uint32_t first, uint32_t end, ByteView value)>;

// What a replace() is for, when room becomes scarce: things that must not fail have a reserve.
enum class Urgency : uint8_t { kOrdinary, kMustNotFail };

// A change of a record is all or nothing, whenever the process that makes it ends: who takes the
// lock next finds the old value or the new one. That process's lock is free then.
// Thread: any. Lock order: keys share locks, so a thread that holds one record takes no other.
class RecordStore {
 public:
  // One locked record, until it is destroyed.
  class Held {
   public:
    Held(Held&& other) noexcept
        : store_(std::exchange(other.store_, nullptr)),
          key_(other.key_),
          place_(other.place_),
          value_(other.value_),
          version_(other.version_) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (!store_) return;
      store_->unlock(*this);
      drop_rank(LockRank::kRecord);
    }

    const RecordKey& key() const { return key_; }
    // Empty when there is no record. Valid until replace() or the end of this.
    ByteView value() const { return value_; }
    // No two values of a key ever have the same version, also when it was gone between; 0 for none.
    uint64_t version() const { return version_; }
    // Larger than every version the key has had.
    uint64_t next_version() const { return store_->next_version(*this); }
    // As of now, empty when it is not there. Valid as long as value().
    ByteView part(uint32_t number) const { return store_->part(*this, number); }
    // The parts that are not as they were at version `since` (0: all), in the order of their
    // numbers. What is visited besides is not there.
    void visit_parts(uint64_t since, const PartVisit& visit) const {
      store_->visit_parts(*this, since, visit);
    }
    // An empty value removes the record with its parts. False when there is no room, in all or in a
    // share that it would count to, and then nothing changed. `parts` have ascending numbers.
    bool replace(ByteView value, Urgency urgency, Account account = Account::kNone,
                 std::span<const PartChange> parts = {}) {
      return store_->replace(*this, value, urgency, account, parts);
    }

   private:
    friend class RecordStore;
    Held(RecordStore& store, const RecordKey& key) : store_(&store), key_(key) {
      take_rank(LockRank::kRecord);
    }

    RecordStore* store_;
    RecordKey key_;
    void* place_ = nullptr;  // the store's own
    ByteView value_;
    uint64_t version_ = 0;
  };

  virtual ~RecordStore() = default;
  // Where several machines share the store the record may be on another: then this waits until it
  // has come, for milliseconds, so whoever must not wait for that has it fetched first.
  virtual Held lock(const RecordKey& key) = 0;
  // Whether lock() may ever wait for another machine. Never changes.
  virtual bool is_spread() const { return false; }
  // Whether lock() waits for no other machine now. For a moment after fetch() it does not.
  virtual bool is_here(const RecordKey&) { return true; }
  // Waits until it is, for lock(), with no lock held.
  virtual void await_here(const RecordKey&) {}
  virtual Task<void> fetch(RecordKey, Executor&) { co_return; }
  // Whether an ordinary replace() could add so many bytes to the share of `account` now. For who
  // has to know before something is done that cannot be taken back, and is then told to the record
  // with kMustNotFail: what a client makes grow is asked for here first.
  virtual bool has_room(size_t bytes, Account account) const = 0;
  // Grows with every change of the key's record, and of those that share its lock, before it is to
  // be seen. The same as when the record was last held: it is as it was then.
  virtual uint64_t changes(const RecordKey& key) const = 0;
  // Calls `visit` with each record that is there all the while, in no order, with its lock held.
  virtual void for_each(const std::function<void(const RecordKey&, ByteView)>& visit) = 0;

 protected:
  // Before the lock is taken.
  static Held make_held(RecordStore& store, const RecordKey& key) { return {store, key}; }
  static void*& place(Held& held) { return held.place_; }
  static void* place(const Held& held) { return held.place_; }
  static void set_value(Held& held, ByteView value, uint64_t version) {
    held.value_ = value;
    held.version_ = version;
  }

  virtual void unlock(Held& held) = 0;
  virtual uint64_t next_version(const Held& held) const = 0;
  virtual ByteView part(const Held& held, uint32_t number) const = 0;
  virtual void visit_parts(const Held& held, uint64_t since, const PartVisit& visit) const = 0;
  virtual bool replace(Held& held, ByteView value, Urgency urgency, Account account,
                       std::span<const PartChange> parts) = 0;
};

}  // namespace braid::store

template <>
struct std::hash<braid::store::RecordKey> {
  size_t operator()(const braid::store::RecordKey& key) const {
    uint64_t h = static_cast<uint64_t>(key.kind) * 0x9e3779b97f4a7c15ULL;
    for (const uint64_t part : {key.a, key.b, key.c}) {
      h = (h ^ part) * 0xff51afd7ed558ccdULL;
      h ^= h >> 32;
    }
    return h;
  }
};
