// braidctl cluster: the cluster that this machine is a node of.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace braid::braidctl {

struct ClusterArguments {
  bool json = false;
};

// Each gives the exit code: 0, or 2 after one line on stderr. Asks ctdbd for its nodes and their
// addresses, and the running server which of them serve; without a running server the rest is shown
// all the same.
int show_cluster(const config::Config& config, const ClusterArguments& arguments);
// 0: the server of this node serves, as the others know.
int is_cluster_ready(const config::Config& config, const ClusterArguments& arguments);

// A line for each setting of the running ctdbd that does not fit, or one that says that it cannot
// be asked. Nothing without a cluster.
std::vector<std::string> unfit_for_cluster(const config::Config& config);

// A line, and the exit code.
int no_cluster();
int ctdbd_is_silent(const config::Config& config, Error why);

}  // namespace braid::braidctl
