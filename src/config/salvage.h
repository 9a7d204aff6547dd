// What of a configuration with mistakes can be read: enough to find the server that runs.
#pragma once

#include <string>
#include <string_view>

#include "config/config.h"

namespace braid::config {

// The keys that are good, the others as if they were not given; of a text that is no TOML state_dir
// alone. For commands that ask a running server, which has read the file before the mistake was
// made, and never to serve with. `file` only appears in messages. Thread: any.
Snapshot salvage(std::string_view text, const std::string& file);

}  // namespace braid::config
