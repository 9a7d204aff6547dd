// LocalGuard: which files local programs are held off from, as clients cache what is in them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::vfs {

// Who is held off: nobody; who opens the file to write; whoever opens it for its data.
enum class GuardLevel : uint8_t { kNone, kRead, kWrite };

// The kernel's leases on open files, fcntl(2) F_SETLEASE, or what tests have in their place.
// Thread: any.
class KernelLeases {
 public:
  struct Held {
    UniqueFd descriptor;  // of its own, with the lease on it
    GuardLevel level = GuardLevel::kNone;
    bool may_be_read = true;  // it can go down to kRead; one that may write the file cannot
  };

  virtual ~KernelLeases() = default;
  // A lease on what `descriptor` has open: `wanted` or less. EAGAIN: somebody has the file open so
  // that there can be none; others say that there is none of this file for us. May block.
  virtual Result<Held> take(int descriptor, GuardLevel wanted) = 0;
  // A descriptor of its own for one that a process before has taken, whatever has become of that.
  virtual Result<UniqueFd> inherit(int descriptor) = 0;
  // Changes it, or with kNone gives it back. EAGAIN as above.
  virtual Result<void> set(int descriptor, GuardLevel level) = 0;
  // What it is, or, while somebody is held off, what it has to become.
  virtual GuardLevel due(int descriptor) = 0;
  // Has LocalGuard::advance() called soon.
  virtual void wake() = 0;
};

// A number that stands for a user, the same for all that he has open.
enum class GuardedUser : uint32_t {};

// What clients cache; implemented above. Thread: any. Called without locks.
class GuardedCaching {
 public:
  virtual ~GuardedCaching() = default;
  // What they may, with what they were asked to give up and have not yet.
  virtual GuardLevel held(const FileKey& file) = 0;
  // Whose clients hold more than `level` of it; a user may be named twice.
  virtual std::vector<GuardedUser> holders(const FileKey& file, GuardLevel level) = 0;
  // Asks them to cache no more than that. Does not wait for their answers.
  virtual void take_down(const FileKey& file, GuardLevel level) = 0;
};

// For shares of which a client caches only what the kernel guards. A state machine of each file:
// guarded at a level; breaking, as somebody local is held off until clients have given up what is
// in his way; and at rest, as somebody local has just been let in, so that a program that opens the
// file again and again is not held off each time.
//
// The order: a client is granted something, guard() says how much of it may stay, and what may not
// is taken back before the client hears of it. So whoever looks at what is held sees it, and no
// guard is given back between the two.
//
// Thread: any; no call waits for a client.
class LocalGuard {
 public:
  // How long nothing of a file is guarded after a local program came.
  static constexpr std::chrono::seconds kRest{2};
  // If clients took longer than this to give way, it is so many times as long as they took: one
  // that does not answer, and asks again and again, holds local programs off for little of the
  // time.
  static constexpr std::chrono::seconds kSlow{5};
  static constexpr int kRestAfterSlow = 20;
  // Who holds somebody off for longer than kSlow with nothing to write back, or than this with it,
  // has all that he caches taken from him at once, whatever file it is of, so that nobody waits for
  // him again and again; and nothing is guarded for him for as long as above. Others may cache the
  // file meanwhile.
  static constexpr std::chrono::seconds kSlowToWrite{20};

  // `files_max`: how many are guarded at a time, each with a descriptor. A user has three quarters
  // of what others leave. The three outlive it.
  LocalGuard(KernelLeases& kernel, GuardedCaching& caching, const Clock& clock, size_t files_max)
      : kernel_(kernel), caching_(caching), clock_(clock), files_max_(files_max) {}
  LocalGuard(const LocalGuard&) = delete;
  LocalGuard& operator=(const LocalGuard&) = delete;

  // What of `wanted` is guarded from now on. `descriptor`: the file itself, by whatever open; -1 if
  // it has none. May block.
  GuardLevel guard(const FileKey& file, int descriptor, GuardLevel wanted, GuardedUser user);
  // The same for an open of a process before this one, which has ended and may have guarded the
  // file by this very descriptor. Where the kernel wants that back, somebody is held off already,
  // whom nobody else lets in: clients are asked to give up what they cache, and then he is. With
  // kNone nothing is guarded by it any more.
  GuardLevel inherit(const FileKey& file, int descriptor, GuardLevel wanted, GuardedUser user);
  // The server is about to open the file itself: what that breaks, until the last copy is gone, was
  // no local program, unless it goes on breaking then.
  std::shared_ptr<const void> opening(const FileKey& file);
  // Somebody has closed the file: its guard may not be needed any more. Costs a look-up of nothing
  // while nothing is guarded.
  void look(const FileKey& file);

  // The kernel wants the lease of this descriptor back, or of some: it cannot say which.
  void asked_for(int descriptor);
  void look_at_all();
  // Goes on with what is breaking. False: nothing is.
  bool advance();

  size_t guarded() const { return count_; }

 private:
  struct Entry {
    UniqueFd descriptor;
    GuardLevel level = GuardLevel::kNone;
    bool may_be_read = true;
    GuardedUser user{};  // whose it was first
    bool breaking = false;
    bool is_asked = false;  // by the kernel; else one of its users was slow elsewhere
    Clock::Instant breaking_since{};
    Clock::Instant next_look{};     // while nobody is held off
    std::vector<GuardedUser> slow;  // who has held somebody off for too long
    uint64_t use = 0;               // another number with each guard()
  };
  using Until = Clock::Instant;
  struct State {
    std::unordered_map<FileKey, Entry> files;
    std::unordered_map<int, FileKey> by_descriptor;
    std::unordered_map<FileKey, Until> resting;
    std::unordered_map<GuardedUser, Until> slow;
    std::unordered_map<GuardedUser, size_t> guarded_for;  // Entry::user
    std::unordered_map<FileKey, size_t> opening;
    uint64_t last_use = 0;
  };

  GuardLevel guard_new(const FileKey& file, int descriptor, GuardLevel wanted, GuardedUser user,
                       bool is_inherited);
  void let_in(const FileKey& file, int descriptor, GuardedUser user);
  GuardLevel guard_known(State& state, const FileKey& file, Entry& entry, GuardLevel wanted);
  // Until then nothing is guarded of it, or for him.
  template <class Key>
  bool is_resting(std::unordered_map<Key, Until>& resting, const Key& key) const;
  template <class Key>
  void rest(std::unordered_map<Key, Until>& resting, const Key& key, Until::duration time);
  bool has_room(const State& state, GuardedUser user) const;
  void rest_if_slow(State& state, const FileKey& file, const Entry& entry);
  bool is_slow(const Entry& entry) const;
  void begin_break(State& state, const FileKey& file, Entry& entry);
  void step(const FileKey& file);
  // Clients have not answered yet.
  void see_who_is_slow(const FileKey& file, GuardLevel level);
  void take_all_of(const std::vector<GuardedUser>& users);
  // What the caller has to close once it holds no lock.
  UniqueFd remove(State& state, const FileKey& file);

  KernelLeases& kernel_;
  GuardedCaching& caching_;
  const Clock& clock_;
  const size_t files_max_;
  std::atomic<size_t> count_ = 0;  // of State::files
  Guarded<State> state_;
};

}  // namespace braid::vfs
