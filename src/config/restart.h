// What of a changed configuration waits for a restart: the column `at_restart` of keys.h, applied.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"

namespace braid::config {

// The keys of [server] that wait for a restart and whose value in `wanted` is another than the one
// in `started`. In the order of the table. Thread: any.
std::vector<std::string_view> waiting_keys(const Server& started, const Server& wanted);

// Of each key of [server] that waits for a restart, its value in `server`, as TOML. In the order of
// the table. Thread: any.
std::vector<std::pair<std::string_view, std::string>> restart_values(const Server& server);

// `wanted` as a server takes it that was started with `started`: keys that wait for a restart have
// the values of the start. What is used while serving, by whichever process and however late it is
// started, is this and never `wanted` itself. Thread: any.
Snapshot until_restart(const Server& started, const Config& wanted);

// MiB of memory_limit that each worker has in any case.
inline constexpr uint32_t kMemoryOfWorkerMinMib = 64;
// Whether [server] memory_limit is given and is too little for its workers.
bool is_memory_limit_too_low(const Server& server);

}  // namespace braid::config
