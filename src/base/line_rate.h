// LineRate: how many lines of each kind the log takes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace braid::log {

// Clients that nobody knows yet can bring lines about as fast as they send, and a disk must not
// fill with them. Each kind of line, a place in the code, has its own allowance, so that a flood
// of one hides none of the others. Thread: one at a time.
class LineRate {
 public:
  // A network that comes back brings a line for each of its clients.
  static constexpr uint32_t kBurst = 500;
  // Per second, from then on: at 300 bytes a line, 130 MB a day.
  static constexpr uint32_t kSteady = 5;
  // How often it is said how many lines were left out.
  static constexpr std::chrono::seconds kReportEvery{10};

  enum class Verdict : uint8_t { kWrite, kSayOnce, kSuppress };  // kSayOnce: the first of many
  // `kind` lives for ever, and is known by its address.
  Verdict count(std::string_view kind, Clock::Instant now);

  struct Report {
    std::string_view kind;
    uint64_t suppressed = 0;
  };
  // The next kind of which lines were left out and nothing was said for kReportEvery.
  std::optional<Report> due(Clock::Instant now);

 private:
  struct Kind {
    std::string_view text;
    double allowance = kBurst;
    Clock::Instant counted;
    uint64_t suppressed = 0;
    Clock::Instant reported;
  };
  std::unordered_map<const char*, Kind> kinds_;  // as many as the code has
  size_t kinds_suppressed_ = 0;
};

}  // namespace braid::log
