// MemoryBudget: how much memory clients may make a worker hold, and how it is shared.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/memory_charge.h"

namespace braid {

// What it is for. Things that last until their client lets go of them may have half of a share, so
// that work goes on, and some room beside it, as a client that has much under way may still open a
// file. Frames on their way in leave room for what is answered to them.
enum class MemoryUse : uint8_t { kLasting, kFrame, kAnswer };

class MemoryBudget;

// What one connection holds, within the shares of its user and its address. Made by
// MemoryBudget::open_account(); lives as long as the connection and every charge. Thread: any.
class MemoryAccount : public std::enable_shared_from_this<MemoryAccount> {
 public:
  // What a connection costs by itself. Counted from the start, so that small requests touch nothing
  // that connections have in common.
  static constexpr size_t kOwn = 16u << 10;
  // The most that one connection holds: what its peer has not read, several of the largest requests
  // at work, and some on their way in.
  static constexpr size_t kConnectionMax = 96u << 20;

  ~MemoryAccount();
  MemoryAccount(const MemoryAccount&) = delete;
  MemoryAccount& operator=(const MemoryAccount&) = delete;

  // None when a share has no room for it.
  std::optional<MemoryCharge> try_take(size_t size, MemoryUse use);
  // In any case: for what is small, and bounded by something else.
  MemoryCharge take(size_t size, MemoryUse use = MemoryUse::kAnswer);

  // A user has logged on: from here on it counts with what the user holds. Only the first counts.
  void became_known(const std::string& user);
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  // More than take() may ever have made it.
  bool is_overdrawn() const { return used() > 2 * kConnectionMax; }
  MemoryBudget& budget() { return *budget_; }

  // Calls back, on any thread and once, when something was given back; 0 is no id.
  uint64_t when_given_back(std::move_only_function<void()> callback);
  void forget(uint64_t id);

 private:
  friend class MemoryBudget;
  friend class MemoryCharge;
  struct Share;
  MemoryAccount(std::shared_ptr<MemoryBudget> budget, std::shared_ptr<Share> address);

  void give_back(size_t size, bool lasts) noexcept;
  bool try_take_lasting(size_t size);
  void add_lasting(int64_t size);
  // Counts in all shares what `used` needs. With a `use`: false, and nothing changed, if one has no
  // room.
  bool reserve_for(uint64_t used, std::optional<MemoryUse> use);
  void add_to_shares(int64_t size);
  // How far the shares may grow now, before `more` is counted. REQUIRES: the mutex.
  int64_t share_now(int64_t more) const;
  // What is not needed any more. REQUIRES: the mutex.
  void give_back_steps();

  const std::shared_ptr<MemoryBudget> budget_;
  const std::shared_ptr<Share> address_;
  std::atomic<uint64_t> used_ = 0;
  std::atomic<uint64_t> reserved_ = 0;  // what the shares count; changed under the mutex
  std::atomic<bool> has_waiters_ = false;
  std::mutex mutex_;
  std::shared_ptr<Share> user_;  // null: nobody has logged on
  int64_t lasting_ = 0;
  std::vector<std::pair<uint64_t, std::move_only_function<void()>>> waiters_;
  uint64_t last_waiter_ = 0;
};

// One for each worker. How far a share may grow depends on what is free: who is alone has a quarter
// of everything, and when fifty have taken all they could, something is left for who comes next.
// Connections on which nobody has logged on have an eighth among them, shared in the same manner by
// their addresses. Thread: any.
class MemoryBudget : public std::enable_shared_from_this<MemoryBudget> {
 public:
  // Less would not hold a few of the largest requests.
  static constexpr uint64_t kLimitMin = 64u << 20;

  static std::shared_ptr<MemoryBudget> make(uint64_t limit);
  // Half of the memory that this process may use, by the machine and by its control group.
  static uint64_t default_limit();

  // Null when those without a logon have no room for another connection. `address`: what counts as
  // one peer; empty for one that shares it with nobody.
  std::shared_ptr<MemoryAccount> open_account(const std::string& address);

  void set_limit(uint64_t limit) { limit_ = std::max(limit, kLimitMin); }
  uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  uint64_t used() const;
  // Little is left: who only holds on to what is taken goes sooner.
  bool is_short() const;
  uint64_t used_before_logon() const;
  // Requests that were refused, and connections that had to wait or were refused, for want of
  // memory.
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  // Said in the log once a minute.
  void count_refusal();

 private:
  friend class MemoryAccount;
  using Share = MemoryAccount::Share;
  struct Shares {
    static constexpr size_t kSweepMin = 64;
    std::unordered_map<std::string, std::weak_ptr<Share>> by_name;
    size_t sweep_at = kSweepMin;  // how many there are before those that nobody has are removed
  };
  explicit MemoryBudget(uint64_t limit) { set_limit(limit); }
  std::shared_ptr<Share> share_of(Guarded<Shares>& shares, const std::string& name);

  std::atomic<uint64_t> limit_ = 0;
  std::atomic<int64_t> used_ = 0;
  std::atomic<int64_t> used_before_logon_ = 0;
  std::atomic<uint64_t> refused_ = 0;
  std::atomic<std::chrono::steady_clock::time_point> refusal_told_at_{};
  Guarded<Shares> addresses_;
  Guarded<Shares> users_;
};

}  // namespace braid
