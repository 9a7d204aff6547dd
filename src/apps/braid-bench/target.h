// Where the load goes, and what it costs the server.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "client/channel_set.h"
#include "client/file.h"

namespace braid::bench {

struct Target {
  std::string server;  // ADDRESS:PORT
  std::string share = "share";
  std::string user;
  std::string password;
  std::vector<std::string> channels;  // ADDRESS:PORT of further channels
  bool encrypts = false;
  // What compression is offered, in this order; none: no compression.
  std::vector<std::string> compression;
  bool chained = true;
  std::vector<int> server_pids;  // whose CPU time counts; none: not measured
};

// A session and a share. The caller closes the set.
struct Mount {
  client::TreePtr tree;
  client::ChannelSetPtr set;
};
// With a channel to the server and one to each of the further addresses; fails if one cannot be
// had.
Task<Result<Mount>> mount(Reactor& reactor, const Target& target);

// Wall time and the CPU time (user and system) of the server's processes.
struct Cost {
  std::chrono::duration<double> wall{};
  std::chrono::duration<double> server_cpu{};

  Cost& operator+=(const Cost& other) {
    wall += other.wall;
    server_cpu += other.server_cpu;
    return *this;
  }
};

// Runs from its construction. CPU time is from /proc/PID/stat, in ticks of usually 10 ms.
class Meter {
 public:
  explicit Meter(const std::vector<int>& pids);
  Cost so_far() const;

 private:
  const std::vector<int>& pids_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::duration<double> cpu_at_start_;
};

}  // namespace braid::bench
