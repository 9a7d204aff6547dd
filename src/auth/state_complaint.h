// What is wrong with the files of the state folder, for the administrator.
#pragma once

#include <string>

#include "base/result.h"

namespace braid::auth {

// One line, "WHAT: what is wrong; what to do", for `error` of UserStore or IdMapper on the folder:
// which of its files is lost, damaged, or open to others. `config_file` is named where another
// folder may be meant.
std::string state_complaint(const std::string& state_dir, Error error,
                            const std::string& config_file);

}  // namespace braid::auth
