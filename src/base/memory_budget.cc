#include "base/memory_budget.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <fstream>
#include <string_view>

#include "base/log.h"

namespace braid {
namespace {

// What is taken from the shares at a time, so that not every request goes there.
constexpr uint64_t kStep = 32u << 10;

uint64_t steps_for(uint64_t used) {
  if (used <= MemoryAccount::kOwn) return MemoryAccount::kOwn;
  return (used + kStep - 1) / kStep * kStep;
}

int64_t part_of(int64_t share, MemoryUse use) {
  switch (use) {
    case MemoryUse::kLasting:  // within its half
      return share / 8 * 9;
    case MemoryUse::kFrame:
      return share / 4 * 3;
    case MemoryUse::kAnswer:
      break;
  }
  return share;
}

// How far one share of `limit` may grow while `free` of it is not taken: those who come one after
// the other and take all they can leave limit / (1 + n / divisor), not a power of something.
int64_t share_of_free(int64_t free, int64_t limit, int64_t divisor) {
  const double part = static_cast<double>(free) / static_cast<double>(limit);
  return static_cast<int64_t>(part * static_cast<double>(free)) / divisor;
}

// A share may always grow up to here, if there is anything left: sixty of them leave some.
int64_t share_min(int64_t limit) { return limit / 512; }
// The same for an address before a logon: a few connections, a SESSION_SETUP or two.
constexpr int64_t kShareMinBeforeLogon = 256 << 10;

// What those without a logon have among them: an eighth, and enough for fifty addresses.
int64_t part_before_logon(int64_t limit) { return std::max<int64_t>(limit / 8, 32 << 20); }

// The number in a file of the kernel's; none where it says "max", or there is no such file.
std::optional<uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  uint64_t number = 0;
  if (!(file >> text)) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The least of the limits from the group `path` up to the root of its hierarchy.
std::optional<uint64_t> least_limit(const std::string& root, std::string path,
                                    const std::string& file) {
  std::optional<uint64_t> least;
  for (;;) {
    if (path == "/") path.clear();
    if (const auto limit = number_in(root + path + file)) {
      least = std::min(least.value_or(*limit), *limit);
    }
    if (path.empty()) return least;
    path.resize(path.rfind('/'));
  }
}

// cgroups(7), both versions.
std::optional<uint64_t> control_group_limit() {
  std::ifstream groups("/proc/self/cgroup");
  std::optional<uint64_t> least;
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos || line.compare(second + 1, 1, "/") != 0) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::optional<uint64_t> limit;
    if (controllers.empty()) {
      limit = least_limit("/sys/fs/cgroup", line.substr(second + 1), "/memory.max");
    } else if (("," + controllers + ",").contains(",memory,")) {
      limit =
          least_limit("/sys/fs/cgroup/memory", line.substr(second + 1), "/memory.limit_in_bytes");
    }
    if (limit) least = std::min(least.value_or(*limit), *limit);
  }
  return least;
}

}  // namespace

// Of a user, or of an address.
struct MemoryAccount::Share {
  std::atomic<int64_t> used = 0;
  std::atomic<int64_t> lasting = 0;
  std::atomic<int64_t> before_logon = 0;
};

void MemoryCharge::merge(MemoryCharge other) noexcept {
  if (other.size_ == 0) return;
  assert(size_ == 0 || (account_ == other.account_ && lasts_ == other.lasts_));
  account_ = std::move(other.account_);
  lasts_ = other.lasts_;
  size_ += std::exchange(other.size_, 0);
}

void MemoryCharge::give_back(size_t size) noexcept {
  size_ -= size;
  account_->give_back(size, lasts_);
  if (size_ == 0) account_.reset();
}

MemoryAccount::MemoryAccount(std::shared_ptr<MemoryBudget> budget, std::shared_ptr<Share> address)
    : budget_(std::move(budget)), address_(std::move(address)) {}

MemoryAccount::~MemoryAccount() {
  add_to_shares(-static_cast<int64_t>(reserved_.load(std::memory_order_relaxed)));
}

std::optional<MemoryCharge> MemoryAccount::try_take(size_t size, MemoryUse use) {
  if (size == 0) return MemoryCharge();
  const bool lasts = use == MemoryUse::kLasting;
  if (lasts && !try_take_lasting(size)) return std::nullopt;
  const uint64_t now = used_.fetch_add(size) + size;
  if (now > reserved_.load() && !reserve_for(now, use)) {
    // Nobody is told: what was not there before is not there now, and who waits would look in vain.
    used_.fetch_sub(size);
    if (lasts) {
      std::lock_guard lock(mutex_);
      add_lasting(-static_cast<int64_t>(size));
    }
    return std::nullopt;
  }
  return MemoryCharge(shared_from_this(), size, lasts);
}

MemoryCharge MemoryAccount::take(size_t size, MemoryUse use) {
  if (size == 0) return {};
  const bool lasts = use == MemoryUse::kLasting;
  if (lasts) {
    std::lock_guard lock(mutex_);
    add_lasting(static_cast<int64_t>(size));
  }
  const uint64_t now = used_.fetch_add(size) + size;
  if (now > reserved_.load()) reserve_for(now, std::nullopt);
  return MemoryCharge(shared_from_this(), size, lasts);
}

bool MemoryAccount::try_take_lasting(size_t size) {
  const auto more = static_cast<int64_t>(size);
  std::lock_guard lock(mutex_);
  // Before a logon there is a narrower limit.
  if (user_) {
    const int64_t share = share_now(0) / 2;
    if (lasting_ + more > static_cast<int64_t>(kConnectionMax / 2) ||
        address_->lasting.load() + more > share || user_->lasting.load() + more > share) {
      return false;
    }
  }
  add_lasting(more);
  return true;
}

void MemoryAccount::add_lasting(int64_t size) {
  lasting_ += size;
  address_->lasting.fetch_add(size);
  if (user_) user_->lasting.fetch_add(size);
}

int64_t MemoryAccount::share_now(int64_t more) const {
  const auto limit = static_cast<int64_t>(budget_->limit());
  const int64_t free = std::max<int64_t>(limit - (budget_->used_.load() - more), 0);
  return std::max(share_min(limit), share_of_free(free, limit, 2));
}

bool MemoryAccount::reserve_for(uint64_t used, std::optional<MemoryUse> use) {
  std::lock_guard lock(mutex_);
  const auto wanted = static_cast<int64_t>(steps_for(used));
  const int64_t more = wanted - static_cast<int64_t>(reserved_.load());
  if (more <= 0) return true;
  add_to_shares(more);
  const auto fits = [&] {
    const auto limit = static_cast<int64_t>(budget_->limit());
    if (budget_->used_.load() > limit || wanted > part_of(kConnectionMax, *use)) return false;
    if (user_) {
      const int64_t share = part_of(share_now(more), *use);
      return address_->used.load() <= share && user_->used.load() <= share;
    }
    // What others at this address do once they are known must not keep anybody from a logon.
    const int64_t all = part_before_logon(limit);
    const int64_t room = all - (budget_->used_before_logon_.load() - more);
    return more <= room && address_->before_logon.load() <=
                               std::max(kShareMinBeforeLogon, share_of_free(room, all, 8));
  };
  if (use && !fits()) {
    add_to_shares(-more);
    return false;
  }
  reserved_.store(static_cast<uint64_t>(wanted));
  return true;
}

void MemoryAccount::add_to_shares(int64_t size) {
  budget_->used_.fetch_add(size);
  address_->used.fetch_add(size);
  if (user_) {
    user_->used.fetch_add(size);
  } else {
    budget_->used_before_logon_.fetch_add(size);
    address_->before_logon.fetch_add(size);
  }
}

void MemoryAccount::give_back(size_t size, bool lasts) noexcept {
  if (lasts) {
    std::lock_guard lock(mutex_);
    add_lasting(-static_cast<int64_t>(size));
  }
  const uint64_t now = used_.fetch_sub(size) - size;
  const uint64_t reserved = reserved_.load(std::memory_order_relaxed);
  const bool gives_steps = reserved > kOwn && (now <= kOwn || reserved - now > 2 * kStep);
  if (!gives_steps && !has_waiters_.load()) return;
  std::vector<std::pair<uint64_t, std::move_only_function<void()>>> waiters;
  {
    std::lock_guard lock(mutex_);
    give_back_steps();
    waiters.swap(waiters_);
    has_waiters_ = false;
  }
  for (auto& [id, callback] : waiters) callback();
}

void MemoryAccount::give_back_steps() {
  // Who takes something at this moment sees either the steps that are left, and takes more, or is
  // seen here.
  for (bool has_shrunk = false;; has_shrunk = true) {
    const uint64_t held = reserved_.load();
    const uint64_t enough = steps_for(used_.load());
    if (enough == held || (enough > held && !has_shrunk)) return;
    reserved_.store(enough);
    add_to_shares(static_cast<int64_t>(enough) - static_cast<int64_t>(held));
  }
}

void MemoryAccount::became_known(const std::string& user) {
  std::lock_guard lock(mutex_);
  if (user_) return;
  const auto reserved = static_cast<int64_t>(reserved_.load(std::memory_order_relaxed));
  add_to_shares(-reserved);
  user_ = budget_->share_of(budget_->users_, user);
  add_to_shares(reserved);
  user_->lasting.fetch_add(lasting_);
}

uint64_t MemoryAccount::when_given_back(std::move_only_function<void()> callback) {
  std::lock_guard lock(mutex_);
  waiters_.emplace_back(++last_waiter_, std::move(callback));
  has_waiters_ = true;
  return last_waiter_;
}

void MemoryAccount::forget(uint64_t id) {
  std::lock_guard lock(mutex_);
  std::erase_if(waiters_, [id](const auto& waiter) { return waiter.first == id; });
  has_waiters_ = !waiters_.empty();
}

std::shared_ptr<MemoryBudget> MemoryBudget::make(uint64_t limit) {
  return std::shared_ptr<MemoryBudget>(new MemoryBudget(limit));
}

uint64_t MemoryBudget::default_limit() {
  uint64_t memory =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (const auto limit = control_group_limit()) memory = std::min(memory, *limit);
  return memory / 2;
}

std::shared_ptr<MemoryAccount> MemoryBudget::open_account(const std::string& address) {
  std::shared_ptr<MemoryAccount> account(
      new MemoryAccount(shared_from_this(), share_of(addresses_, address)));
  if (account->reserve_for(MemoryAccount::kOwn, MemoryUse::kAnswer)) return account;
  count_refusal();
  return nullptr;
}

void MemoryBudget::count_refusal() {
  const uint64_t count = refused_.fetch_add(1, std::memory_order_relaxed) + 1;
  const auto now = std::chrono::steady_clock::now();
  auto told = refusal_told_at_.load(std::memory_order_relaxed);
  const bool is_first = told == std::chrono::steady_clock::time_point{};
  if (!is_first && now - told < std::chrono::minutes(1)) return;
  if (!refusal_told_at_.compare_exchange_strong(told, now)) return;
  log::warn(
      "a request was refused for want of memory, the {}. of this worker: {} of {} MiB are held, "
      "and no user, address or connection gets more than its share; see memory_limit",
      count, used() >> 20, limit() >> 20);
}

bool MemoryBudget::is_short() const { return used() > limit() / 4 * 3; }

uint64_t MemoryBudget::used() const {
  return static_cast<uint64_t>(std::max<int64_t>(used_.load(std::memory_order_relaxed), 0));
}

uint64_t MemoryBudget::used_before_logon() const {
  return static_cast<uint64_t>(
      std::max<int64_t>(used_before_logon_.load(std::memory_order_relaxed), 0));
}

auto MemoryBudget::share_of(Guarded<Shares>& shares, const std::string& name)
    -> std::shared_ptr<Share> {
  if (name.empty()) return std::make_shared<Share>();
  auto all = shares.lock();
  if (all->by_name.size() >= all->sweep_at) {
    std::erase_if(all->by_name, [](const auto& each) { return each.second.expired(); });
    all->sweep_at = std::max(Shares::kSweepMin, 2 * all->by_name.size());
  }
  std::weak_ptr<Share>& known = all->by_name[name];
  auto share = known.lock();
  if (!share) known = share = std::make_shared<Share>();
  return share;
}

}  // namespace braid
