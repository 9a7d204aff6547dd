// The byte-range locks of one stream, granted and waiting.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/fair_share.h"
#include "filestate/held_locks.h"
#include "filestate/types.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::filestate {

class PartTable;
struct HeldLock;
struct LockWait;

// [MS-FSA] 2.1.4.10 "Algorithm for Determining If a Range Access Conflicts with Byte-Range Locks"
// and 2.1.5.8, 2.1.5.9. Ranges are 64 bit and may end at the last byte there is. A lock belongs to
// an open; those of one open count as one owner. Each range costs a path of a tree, however many
// are held, and a release looks only at those waiting that a lock it released kept waiting.
// Thread: its FileState's.
class ByteRangeLocks {
 public:
  // A stream that one client fills with locks must not make every READ of others slow; Windows
  // applications hold tens, databases some hundreds. A user has a fair_share() of them, so that
  // others can lock, too.
  static constexpr size_t kLocksMax = 32768;
  static constexpr size_t kWaitersMax = 8192;
  static constexpr size_t kLocksAlone = fair_share(kLocksMax, 0);
  static constexpr size_t kWaitersAlone = fair_share(kWaitersMax, 0);

  ByteRangeLocks() = default;
  // Of a stream of a file that other workers have, too: each range is a part of its record.
  // `parts` outlives this.
  ByteRangeLocks(PartTable* parts, uint64_t stream) : parts_(parts), stream_(stream) {}

  // False for a range with bytes past 2^64 - 1.
  static bool is_valid(const LockRange& range) {
    return range.length == 0 || range.offset + (range.length - 1) >= range.offset;
  }

  // kHad: they were granted before, by an earlier life of the server, and are refused for no want
  // of room.
  enum class Room : uint8_t { kFairShare, kHad };
  // All ranges or none: kSuccess, LOCK_NOT_GRANTED, INSUFFICIENT_RESOURCES.
  // `account` is that of the owner's user, the same each time.
  // REQUIRES: is_valid() of each.
  NtStatus lock(OpenToken owner, std::span<const LockRange> ranges, Account account = {},
                Room room = Room::kFairShare);
  // In order, until one is not held: RANGE_NOT_LOCKED.
  NtStatus unlock(OpenToken owner, std::span<const LockRange> ranges);
  // Of these very ranges and modes those that are held.
  void give_back(OpenToken owner, std::span<const LockRange> ranges);
  void unlock_all(OpenToken owner);
  // REQUIRES: `owner` waits for none.
  void change_owner(OpenToken owner, OpenToken to);
  // Would this READ or WRITE meet a lock? A zero-length one never does.
  bool blocks_io(OpenToken by, uint64_t offset, uint64_t length, bool write) const;

  struct Waiter {
    OpenToken owner;
    LockId id;
    LockRange range;
    LockSequence sequence;  // index 0: none
    Account account{};      // of the owner's user
  };
  // False if there are too many, or too many of his. REQUIRES: the owner waits for none with this
  // id.
  bool wait(const Waiter& waiter);
  bool cancel(OpenToken owner, LockId id);
  // Grants what can be granted now, first come first served, and takes it out of the queue.
  std::vector<Waiter> grant_waiting();
  // Takes out what an open waits for.
  std::vector<Waiter> drop_waiting(OpenToken owner);
  // Those that are older than `sequence`, in its entry.
  std::vector<Waiter> drop_overtaken(OpenToken owner, const LockSequence& sequence);

  LocksOfOpen locks_of(OpenToken owner) const;

  // As bytes, for records. REQUIRES, for all of these: there is a table of parts.
  //
  // Says whose share it counts to.
  Account encode_part(const HeldLock& lock, wire::Writer& w) const;
  Account encode_part(const LockWait& wait, wire::Writer& w) const;
  // What another worker made part `number`: the reader says what is wrong with it. Of one event
  // what is held comes before what waits.
  void put_held(uint32_t number, wire::Reader& r);
  void put_waiting(uint32_t number, wire::Reader& r);
  // What another worker ended, or is about to put anew; settle() comes when all is as it is now.
  void take_out(const HeldLock& lock);
  void take_out(const LockWait& wait);
  void settle();

  bool empty() const { return !state_ || state_->held.size() == 0; }
  // Whether a lock is held that begins before this byte.
  bool any_before(uint64_t offset) const { return state_ && state_->held.any_before(offset); }
  bool has_waiting() const { return state_ && !state_->waiting.empty(); }
  // Locks and waiters looked at since the start: what tests count instead of time.
  uint64_t steps() const { return state_ ? state_->held.steps() + state_->looked_at : 0; }

 private:
  using Arrival = uint64_t;
  struct Waiting {
    Waiter waiter;
    HeldLocks::Slot blocked_by;
    uint32_t part{};
  };
  struct Count {
    size_t held = 0;
    size_t waiting = 0;
  };
  struct Owner {
    Account account{};
    Count count;
  };
  // Made with the first lock: most files have none.
  struct State {
    HeldLocks held;
    std::map<OpenToken, Owner> owners;  // of what is held or waiting
    std::unordered_map<Account, Count> by_account;
    std::map<Arrival, Waiting> waiting;
    std::map<std::pair<OpenToken, LockId>, Arrival> by_owner;
    // Each waits for one of the locks in its way. Behind kNone are those whose lock has gone: they
    // have to look for another, and get what they want if there is none.
    std::set<std::pair<HeldLocks::Slot, Arrival>> blocked;
    Arrival next_arrival{};
    uint64_t looked_at{};
    PartTable* parts = nullptr;
    uint64_t stream{};

    bool has_room(Account account, size_t more, size_t Count::* of, size_t now, size_t most) const;
    void count(OpenToken owner, Account account, size_t Count::* of);
    void uncount(OpenToken owner, size_t Count::* of);
    const Arrival* first_blocked_by(HeldLocks::Slot slot) const;
    void hold(OpenToken owner, Account account, const LockRange& range);
    void drop(HeldLocks::Slot slot);
    // As drop(), for whoever waits for it.
    void release(HeldLocks::Slot slot);
    void unblock(HeldLocks::Slot slot);
    void block(Arrival arrival, Waiting& entry, HeldLocks::Slot by);
    void add(const Waiter& waiter);
    Waiter take(std::map<Arrival, Waiting>::iterator of);
    // The same without a word in the table of parts.
    HeldLocks::Slot put_held(OpenToken owner, Account account, const LockRange& range);
    void forget(HeldLocks::Slot slot);
    Waiting& put_waiting(Arrival arrival, const Waiter& waiter);
    Waiter forget(std::map<Arrival, Waiting>::iterator of);
  };
  State& state();
  // One owner has one account.
  bool is_his(OpenToken owner, Account account) const;
  template <class Predicate>
  std::vector<Waiter> take_waiting(OpenToken owner, Predicate is_meant);

  PartTable* parts_ = nullptr;
  uint64_t stream_{};
  std::unique_ptr<State> state_;
};

void encode_range(const LockRange& range, wire::Writer& w);
LockRange decode_range(wire::Reader& r);

}  // namespace braid::filestate
