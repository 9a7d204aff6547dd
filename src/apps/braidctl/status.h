// braidctl status: whether all is well, in one line, and what is not.
#pragma once

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "apps/braidctl/running.h"
#include "config/config.h"

namespace braid::braidctl {

// 0: well; 1: something is wrong, which the first line says; 2: nobody answers. `file_is_good`: the
// configuration has no mistakes, so that its keys can be compared with what runs.
int show_status(const config::Config& config, const RunningArguments& arguments, bool file_is_good);
// The same as --json prints it. The error is a line: nobody answers.
std::expected<nlohmann::json, std::string> status_as_json(const config::Config& config,
                                                          bool file_is_good);

}  // namespace braid::braidctl
