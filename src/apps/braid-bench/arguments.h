// The command line of braid-bench.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "apps/braid-bench/handle_log.h"
#include "apps/braid-bench/idle.h"
#include "apps/braid-bench/limits.h"
#include "apps/braid-bench/names.h"
#include "apps/braid-bench/opens.h"
#include "apps/braid-bench/recovery.h"
#include "apps/braid-bench/run_load.h"
#include "apps/braid-bench/throughput.h"

namespace braid::bench {

// The exit codes: a limit was not kept; the run could not be made.
inline constexpr int kMissed = 1;
inline constexpr int kCannotDo = 2;

// Not an argument, which every user of the machine could read.
inline constexpr const char* kPasswordVariable = "BRAID_BENCH_PASSWORD";

// A second server at the same addresses.
struct Versus {
  uint16_t port = 0;
  pid_t pid = 0;

  bool operator==(const Versus&) const = default;
};
// "4451:1234".
std::optional<Versus> parse_versus(std::string_view text);
// "4096", "64K", "1M", "2G": bytes. Nothing for 0, for what is no number and for what is above
// 2^40.
std::optional<uint64_t> parse_bytes(std::string_view text);

struct Arguments {
  enum class Command : uint8_t {
    kLoad,
    kIdle,
    kLimits,
    kNames,
    kThroughput,
    kOpens,
    kHandleLog,
    kRecovery,
  };

  Command command = Command::kLoad;
  Target target;
  std::optional<Versus> versus;
  bool prints_json = false;  // of kLoad, kIdle and kLimits
  LoadOptions load;
  RunOptions run;
  IdleOptions idle;
  LimitsOptions limits;
  NamesOptions names;
  ThroughputOptions throughput;
  OpensOptions opens;
  HandleLogOptions handle_log;
  RecoveryOptions recovery;

  // The server, and the one to compare it with.
  std::vector<Target> targets() const;
};

// What is to be done, or the exit code where that is nothing: help, which is written to `out`, or a
// mistake, which is written to `errors` as a line.
std::expected<Arguments, int> parse_arguments(int argc, const char* const* argv,
                                              const std::string& version, std::ostream& out,
                                              std::ostream& errors);

}  // namespace braid::bench
