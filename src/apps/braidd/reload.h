// Reading the configuration again while serving.
#pragma once

#include <optional>
#include <string>

#include "base/log.h"
#include "config/config.h"

namespace braid::braidd {

struct NewConfig {
  std::string text;
  config::Snapshot config;
};

// Reads the file that `current` came from. Says in the log what is wrong with it, which leaves
// nothing to take over, or which of its changes wait for a restart.
std::optional<NewConfig> read_new_config(const config::Config& current);

log::Level log_level_of(const config::Config& config);
// Lets the log show what `config` asks for.
void apply_log_level(const config::Config& config);

}  // namespace braid::braidd
