// braidctl why: who lets an account do something with a file, and who does not.
#pragma once

#include <string>

#include "config/config.h"

namespace braid::braidctl {

struct WhyArguments {
  std::string user;
  std::string path;  // "share/folder/file"
  std::string what = "read";
  std::string from;  // an address; empty: hosts are not asked
  bool json = false;
};

// Asks what a server with this configuration would ask, in its order, with the same code. The exit
// code: 0 when it may, 1 when it may not, 2 after one line on stderr when that cannot be said.
int explain_access(const config::Config& config, const WhyArguments& arguments);

}  // namespace braid::braidctl
