// One load on one server, or in turn on two.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/braid-bench/histogram.h"
#include "apps/braid-bench/load.h"

namespace braid::bench {

struct RunOptions {
  size_t clients = 2;
  size_t threads = 1;  // of this program; clients are dealt out to them
  std::chrono::duration<double> warm_up = std::chrono::seconds(1);
  std::chrono::duration<double> measured = std::chrono::seconds(5);  // of each round
  size_t rounds = 1;
  // The FIFO of a `perf record --control`, told when the measured part begins and ends; empty:
  // none.
  std::string perf_control;
};

// One round on one server. Times are of the measured part.
struct Round {
  std::chrono::duration<double> wall{};
  std::chrono::duration<double> client_cpu{};  // this program's, all threads
  std::optional<std::chrono::duration<double>> server_cpu;
  std::optional<uint64_t> server_memory;  // bytes, at the end
  uint64_t operations = 0;
  uint64_t bytes = 0;
  Histogram latencies;  // nanoseconds
};

struct ServerRounds {
  std::string server;
  std::string protection;  // as describe() says
  std::vector<Round> rounds;
};

// Runs the load on the first server and then on the others, and again, so often as there are
// rounds: what else the machine does meets all. Each server has its clients all the time. A round
// goes on until at least one operation has ended in it. Files that cannot be removed at the end are
// named on standard error. Thread: none of a reactor's; waits.
Outcome<std::vector<ServerRounds>> run_load(const std::vector<Target>& targets,
                                            const LoadOptions& load, const RunOptions& options);

}  // namespace braid::bench
