// Time as the protocol counts it, and the clock that tests replace.
#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <ctime>

namespace braid {

// FILETIME, [MS-DTYP] 2.3.3: 100 ns units since 1601-01-01 UTC. 0 means "no time given".
struct FileTime {
  uint64_t ticks = 0;
  constexpr auto operator<=>(const FileTime&) const = default;
};

inline constexpr uint64_t kTicksPerSecond = 10'000'000;
inline constexpr uint64_t kUnixEpochTicks = 116'444'736'000'000'000;  // 1970-01-01 in FILETIME

// Rounds down to 100 ns. Times before 1601 become 0.
constexpr FileTime to_file_time(timespec ts) {
  const int64_t ticks = static_cast<int64_t>(ts.tv_sec) * static_cast<int64_t>(kTicksPerSecond) +
                        ts.tv_nsec / 100 + static_cast<int64_t>(kUnixEpochTicks);
  return {ticks > 0 ? static_cast<uint64_t>(ticks) : 0};
}
constexpr timespec to_timespec(FileTime time) {
  const int64_t ticks = static_cast<int64_t>(time.ticks) - static_cast<int64_t>(kUnixEpochTicks);
  int64_t seconds = ticks / static_cast<int64_t>(kTicksPerSecond);
  int64_t rest = ticks % static_cast<int64_t>(kTicksPerSecond);
  if (rest < 0) {
    rest += static_cast<int64_t>(kTicksPerSecond);
    seconds -= 1;
  }
  return {static_cast<time_t>(seconds), static_cast<long>(rest * 100)};
}

// Where a class needs "now" it is handed a Clock; tests hand it a VirtualClock.
class Clock {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  virtual ~Clock() = default;
  virtual FileTime now() const = 0;       // wall time, for time stamps
  virtual Instant monotonic() const = 0;  // for time-outs
};

// The machine's clocks. Thread: any.
const Clock& system_clock();

// Moves only when told to. Thread: any.
class VirtualClock final : public Clock {
 public:
  FileTime now() const override {
    const auto ticks = static_cast<uint64_t>(passed_.load().count() / 100);
    return {kUnixEpochTicks + 1'700'000'000 * kTicksPerSecond + ticks};
  }
  Instant monotonic() const override {
    return Instant{std::chrono::duration_cast<Instant::duration>(passed_.load())};
  }
  // Not by two threads at once.
  void advance(std::chrono::nanoseconds by) { passed_ = passed_.load() + by; }

 private:
  std::atomic<std::chrono::nanoseconds> passed_{};
};

}  // namespace braid
