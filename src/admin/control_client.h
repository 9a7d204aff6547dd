// Asking all workers of a running server.
#pragma once

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

// Blocks for kClientTime at most for each worker. The error is a line for the administrator: no
// server runs on `state_dir`, only another user may ask, or what the workers said.
std::expected<Answers, std::string> ask_workers(const std::string& state_dir,
                                                const ControlRequest& request);
// The same where no server need run: none does if nothing is returned.
std::expected<std::optional<Answers>, std::string> ask_running_workers(
    const std::string& state_dir, const ControlRequest& request);

}  // namespace braid::admin
