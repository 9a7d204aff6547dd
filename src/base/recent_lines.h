// The last lines of this process's log, for who asks what happened.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"

namespace braid::log {

// More are in the log itself. Each is kMessageMax bytes at most.
inline constexpr size_t kRecentLinesMax = 100;

struct RecentLine {
  FileTime time;
  Level level{};
  std::string text;  // as it was written: printable
};

// Oldest first; without those that are for debugging. Thread: any.
std::vector<RecentLine> recent_lines();

}  // namespace braid::log
