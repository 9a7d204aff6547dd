#include "auth/logon_penalties.h"

#include <algorithm>

#include "wire/fold.h"

namespace braid::auth {
namespace {

constexpr std::chrono::milliseconds kFirstPenalty{250};

std::chrono::milliseconds penalty_for(uint32_t failures, uint32_t free) {
  if (failures <= free) return std::chrono::milliseconds{0};
  // 250 ms, doubling: the maximum is reached after five steps.
  const uint32_t steps = std::min(failures - free - 1, 10u);
  return std::min(kFirstPenalty * (1u << steps), LogonPenalties::kPenaltyMax);
}

}  // namespace

void LogonPenalties::count(std::map<Key, Entry>& entries, Key key) const {
  const Clock::Instant now = clock_.monotonic();
  if (entries.size() >= kEntriesMax && !entries.contains(key)) {
    std::erase_if(entries, [&](const auto& item) { return now - item.second.last > kForgetAfter; });
    if (entries.size() >= kEntriesMax) {
      entries.erase(
          std::ranges::min_element(entries, {}, [](const auto& item) { return item.second.last; }));
    }
  }
  Entry& entry = entries[std::move(key)];
  if (now - entry.last > kForgetAfter) entry.failures = 0;
  if (entry.failures < UINT32_MAX) ++entry.failures;
  entry.last = now;
}

void LogonPenalties::failed(std::string_view address, std::string_view user) {
  auto entries = entries_.lock();
  count(*entries, {std::string(address), std::string()});
  if (!user.empty()) count(*entries, {std::string(address), wire::fold(user)});
}

void LogonPenalties::succeeded(std::string_view address, std::string_view user) {
  // Only the pair: a guesser with one account of its own must not clear its address with it.
  entries_.lock()->erase({std::string(address), wire::fold(user)});
}

std::chrono::milliseconds LogonPenalties::penalty(std::string_view address,
                                                  std::string_view user) const {
  const Clock::Instant now = clock_.monotonic();
  auto entries = entries_.lock();
  const auto failures = [&](const Key& key) -> uint32_t {
    const auto found = entries->find(key);
    if (found == entries->end() || now - found->second.last > kForgetAfter) return 0;
    return found->second.failures;
  };
  const auto by_address = failures({std::string(address), std::string()});
  const auto by_pair = user.empty() ? 0 : failures({std::string(address), wire::fold(user)});
  return std::max(penalty_for(by_address, kFreeAddressFailures),
                  penalty_for(by_pair, kFreeFailures));
}

}  // namespace braid::auth
