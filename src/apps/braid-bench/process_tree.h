// ProcessTree: what a server's processes took, those that it started and those that ended included.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace braid::bench {

// Of /proc/PID/stat, proc(5).
struct ProcessStat {
  pid_t parent = 0;
  char state = '?';
  uint64_t own_ticks = 0;    // utime and stime
  uint64_t ended_ticks = 0;  // cutime and cstime: of children that ended and were waited for
};
std::optional<ProcessStat> parse_process_stat(std::string_view line);

// Processes and all that descend from them, each once. Samba starts a process for each connection;
// braidd has a few. Thread: one.
class ProcessTree {
 public:
  explicit ProcessTree(std::vector<pid_t> roots) : roots_(std::move(roots)) {}

  // User and system time since each began, of what has ended too. The time of those that run is
  // exact; that of those that ended is in ticks of usually 10 ms, once for each of their parents. A
  // process that ended, or whose parent did, is missed until its parent waits for it. Nothing if a
  // root is not there.
  std::optional<std::chrono::nanoseconds> cpu() const;
  // Bytes of memory: a page that several have counts for each by its share (Pss). Nothing if a root
  // is not there or the kernel does not let us see it, as with processes of others.
  std::optional<uint64_t> memory() const;

  // The roots and their descendants, now. Empty if a root is not there.
  std::map<pid_t, ProcessStat> members() const;

 private:
  const std::vector<pid_t> roots_;
};

}  // namespace braid::bench
