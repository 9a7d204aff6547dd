// braidctl node: this machine as a node of a cluster, for maintenance.
#pragma once

#include "config/config.h"

namespace braid::braidctl {

struct NodeArguments {
  unsigned wait_s = 60;
  bool end = false;  // what is left then
  bool json = false;
};

// Each gives the exit code: 0, or 2 after one line on stderr.
//
// Has the node's clients go to others: those who asked Witness are told to, its movable addresses
// go, and the rest is waited for. Says on stdout what it waits for.
int drain_node(const config::Config& config, const NodeArguments& arguments);
// It may have addresses again.
int undrain_node(const config::Config& config, const NodeArguments& arguments);

}  // namespace braid::braidctl
