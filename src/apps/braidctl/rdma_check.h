// braidctl rdma check: whether clients reach this machine over RDMA, and what is missing.
#pragma once

#include "config/config.h"

namespace braid::braidctl {

struct RdmaArguments {
  bool json = false;
};

// One line for each step: configuration, device, port, address, listener, memory and a client of
// its own that connects. Stops at the first that is missing and says what to do. The exit code.
int check_rdma(const config::Config& config, const RdmaArguments& arguments);

}  // namespace braid::braidctl
