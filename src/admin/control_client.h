// Asking all workers of a running server.
#pragma once

#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "admin/protocol.h"

namespace braid::admin {

struct WorkerResult {
  size_t worker = 0;
  nlohmann::json result;
};

struct Answers {
  std::vector<WorkerResult> results;  // by worker, never empty
  // Lines about workers that gave none: the rest is true, but not everything.
  std::vector<std::string> missing;
};

// A server of which no worker listens is being started, upgraded or stopped: whether it is waited
// for, 15 seconds at most, and 2 for one that is not there where others answer. A worker must not.
enum class Pause : uint8_t { kWaitedFor, kNoAnswer };

// Blocks for kClientTime at most for each worker. The error is a line for the administrator: no
// server runs on `state_dir`, only another user may ask, or what the workers said.
std::expected<Answers, std::string> ask_workers(const std::string& state_dir,
                                                const ControlRequest& request,
                                                Pause pause = Pause::kWaitedFor);
// The same where no server need run: none does if nothing is returned.
std::expected<std::optional<Answers>, std::string> ask_running_workers(
    const std::string& state_dir, const ControlRequest& request, Pause pause = Pause::kWaitedFor);

}  // namespace braid::admin
