// Reading the configuration again while serving.
#pragma once

#include <optional>
#include <string>

#include "base/log.h"
#include "config/config.h"

namespace braid::braidd {

struct NewConfig {
  std::string text;
  config::Snapshot config;  // what waits for a restart is as it was at the start
};

// Reads the file that `started` came from, the configuration that the server was started with. Says
// in the log what is wrong with it, which leaves nothing to take over, or which keys are other than
// at the start and wait for a restart.
std::optional<NewConfig> read_new_config(const config::Config& started);

log::Level log_level_of(const config::Config& config);
// Lets the log show what `config` asks for.
void apply_log_level(const config::Config& config);

}  // namespace braid::braidd
