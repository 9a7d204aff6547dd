// `braid-bench idle`: connections that do nothing, and then some that do.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/braid-bench/run_load.h"

namespace braid::bench {

struct IdleOptions {
  size_t connections = 1'000;
  size_t busy = 0;   // of them work afterwards, while the others stay
  size_t opens = 0;  // that each of them keeps, of files of its own
  size_t threads = 1;
  std::chrono::duration<double> measured = std::chrono::seconds(5);  // of the work
};

// Of one server. Memory is in bytes, of all its processes; nothing where it is not known.
struct IdleResult {
  std::string server;
  std::string protection;
  std::optional<double> memory_each;         // that an idle connection with session and share adds
  std::optional<double> memory_open_each;    // that an open adds
  std::optional<double> open_cpu_us_each;    // that making its file and opening it took
  std::chrono::duration<double> opening{};   // all of them
  std::optional<double> memory_busy_each;    // that a busy one adds to it
  std::optional<double> server_cpu_us_each;  // that connecting and logging on took
  std::chrono::duration<double> connecting{};
  uint64_t operations = 0;  // of the busy ones: CREATE, READ of 4 KiB, CLOSE of one file
  Histogram latencies;
};

// Connects and logs on, all at each server before the next; then each opens what it keeps, all of
// them send an ECHO, and the busy ones work. A connection that is refused or does not answer is a
// failure. Thread: as run_load().
Outcome<std::vector<IdleResult>> run_idle(const std::vector<Target>& targets,
                                          const IdleOptions& options);

std::string idle_table(const std::vector<IdleResult>& results, const IdleOptions& options);
nlohmann::json idle_json(const std::vector<IdleResult>& results, const IdleOptions& options);

}  // namespace braid::bench
