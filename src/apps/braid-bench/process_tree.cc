#include "apps/braid-bench/process_tree.h"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

namespace braid::bench {
namespace {

// A server that starts and ends processes all the time is seen as it is after so many looks.
constexpr int kLooksMax = 20;

std::chrono::nanoseconds of_ticks(uint64_t ticks) {
  static const auto kTicks = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  return std::chrono::nanoseconds(ticks * (std::nano::den / kTicks));
}

// Finer than the ticks of its stat.
std::chrono::nanoseconds own_time(pid_t pid, const ProcessStat& stat) {
  clockid_t clock = 0;
  timespec now{};
  if (stat.state != 'Z' && ::clock_getcpuclockid(pid, &clock) == 0 &&
      ::clock_gettime(clock, &now) == 0) {
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  }
  return of_ticks(stat.own_ticks);
}

std::map<pid_t, ProcessStat> all_processes() {
  std::map<pid_t, ProcessStat> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
  while (const dirent* const entry = folder ? ::readdir(folder.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    // All of it: a program may be called anything. Of one that has ended meanwhile there is
    // nothing.
    std::string line;
    std::getline(file, line, '\0');
    if (const auto stat = parse_process_stat(line)) all.emplace(pid, *stat);
  }
  return all;
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view line) {
  // The program's name, in parentheses, may hold anything, parentheses too.
  const size_t end = line.rfind(')');
  if (end == std::string_view::npos) return std::nullopt;
  std::istringstream words{std::string(line.substr(end + 1))};
  ProcessStat stat;
  std::string skipped;
  words >> stat.state >> stat.parent;
  for (int word = 5; word < 14; ++word) words >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  uint64_t ended_user = 0;
  uint64_t ended_system = 0;
  words >> user >> system >> ended_user >> ended_system;
  if (!words) return std::nullopt;
  stat.own_ticks = user + system;
  stat.ended_ticks = ended_user + ended_system;
  return stat;
}

std::map<pid_t, ProcessStat> ProcessTree::members() const {
  const auto all = all_processes();
  std::multimap<pid_t, pid_t> children;
  for (const auto& [pid, stat] : all) children.emplace(stat.parent, pid);
  std::map<pid_t, ProcessStat> found;
  std::vector<pid_t> next = roots_;
  for (const pid_t root : roots_) {
    if (!all.contains(root)) return {};
  }
  while (!next.empty()) {
    const pid_t pid = next.back();
    next.pop_back();
    if (!found.emplace(pid, all.at(pid)).second) continue;
    const auto [first, last] = children.equal_range(pid);
    for (auto child = first; child != last; ++child) next.push_back(child->second);
  }
  return found;
}

std::optional<std::chrono::nanoseconds> ProcessTree::cpu() const {
  std::map<pid_t, ProcessStat> before;
  std::chrono::nanoseconds sum{};
  // One that ends while we look would count twice or not at all: look again until none did.
  for (int look = 0; look < kLooksMax; ++look) {
    const auto now = members();
    if (now.empty()) return std::nullopt;
    sum = {};
    for (const auto& [pid, stat] : now) sum += own_time(pid, stat) + of_ticks(stat.ended_ticks);
    if (std::ranges::equal(
            now, before, {}, [](const auto& each) { return each.first; },
            [](const auto& each) { return each.first; })) {
      break;
    }
    before = now;
  }
  return sum;
}

std::optional<uint64_t> ProcessTree::memory() const {
  const auto now = members();
  if (now.empty()) return std::nullopt;
  uint64_t sum = 0;
  for (const auto& [pid, stat] : now) {
    std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
    bool is_known = false;
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("Pss:")) continue;
      std::istringstream words(line.substr(4));
      uint64_t kibibytes = 0;
      is_known = static_cast<bool>(words >> kibibytes);
      sum += kibibytes * 1024;
      break;
    }
    // One that ended meanwhile has none; a root that has none is hidden from us.
    if (!is_known && std::ranges::find(roots_, pid) != roots_.end()) return std::nullopt;
  }
  return sum;
}

}  // namespace braid::bench
