// What a run gave, for people and for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/braid-bench/run_load.h"

namespace braid::bench {

// A table: a column for each server, and with two of them the first's numbers by the second's.
std::string load_table(const std::vector<ServerRounds>& servers, const LoadOptions& load,
                       const RunOptions& options);

// {"load": ..., "servers": [{"server", "protection", "operations", NUMBER: SPREAD...}], "ratios":
// {NUMBER: SPREAD...}}. SPREAD is {"median", "low", "high"} over the rounds, or null where the
// number was not measured; "ratios" is there with two servers. docs/man/braid-bench.1 lists the
// numbers.
nlohmann::json load_json(const std::vector<ServerRounds>& servers, const LoadOptions& load,
                         const RunOptions& options);

}  // namespace braid::bench
