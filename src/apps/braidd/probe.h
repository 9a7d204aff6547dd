// The probe: a new program, asked by the supervisor of the old one what it takes to upgrade.
#pragma once

#include <string>

#include "base/unique_fd.h"

namespace braid::braidd {

// Reads the configuration, opens the listeners that the running server does not have, and says over
// `control` what to start; or a line that says why there can be no upgrade, and what to do.
// `running`: the state of the running server, as text. Thread: the process has one.
void run_probe(UniqueFd control, const std::string& running, const std::string& config_file,
               const std::string& version);

}  // namespace braid::braidd
