// LogonPenalties: how long the next answer to a failing client waits.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/guarded.h"

namespace braid::auth {

// Counts failed logons per client address and user. Nothing sleeps here: the caller awaits what
// penalty() says before it answers, so a guesser holds a timer and no thread. Thread: any.
class LogonPenalties {
 public:
  explicit LogonPenalties(const Clock& clock = system_clock()) : clock_(clock) {}

  void failed(std::string_view address, std::string_view user);
  void succeeded(std::string_view address, std::string_view user);
  // To be waited before the answer to a failed logon goes out. 0 for the first failures, then
  // doubling to kPenaltyMax; counted per pair and, at a higher threshold, per address.
  std::chrono::milliseconds penalty(std::string_view address, std::string_view user) const;

  static constexpr std::chrono::milliseconds kPenaltyMax{8'000};
  // Failures for nothing: a stored old password is tried once or twice by every client.
  static constexpr uint32_t kFreeFailures = 3;
  // Per address, over all of its users: a terminal server has many of them.
  static constexpr uint32_t kFreeAddressFailures = 30;
  static constexpr std::chrono::minutes kForgetAfter{10};
  // Entries kept; the oldest goes first. About 100 bytes each.
  static constexpr size_t kEntriesMax = 10'000;

 private:
  struct Entry {
    uint32_t failures = 0;
    Clock::Instant last;
  };
  using Key = std::pair<std::string, std::string>;  // user folded; "" counts the whole address
  void count(std::map<Key, Entry>& entries, Key key) const;

  const Clock& clock_;
  Guarded<std::map<Key, Entry>> entries_;
};

}  // namespace braid::auth
