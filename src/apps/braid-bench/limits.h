// `braid-bench limits`: what a server cannot go beyond on this machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "apps/braid-bench/failure.h"

namespace braid::bench {

struct LimitsOptions {
  std::string folder;  // on whose file system the file is that is sent
  size_t connections = 2;
  std::chrono::duration<double> measured = std::chrono::seconds(5);  // of each
};

struct Limits {
  // A loop of sendfile() of 1 MiB at a time, out of a file of 64 MiB in memory, into as many
  // connections of the loopback interface, which are read into memory.
  double sendfile_bytes_per_second = 0;      // all connections together, on the clock
  double sendfile_bytes_per_cpu_second = 0;  // of the threads that send
  // AES-128-GCM of 1 MiB at a time, as messages are sealed, on one thread.
  double gcm_bytes_per_second = 0;
  double gcm_bytes_per_cpu_second = 0;
};

// Thread: none of a reactor's; waits.
Outcome<Limits> measure_limits(const LimitsOptions& options);

std::string limits_table(const Limits& limits);
nlohmann::json limits_json(const Limits& limits);

}  // namespace braid::bench
