// ClusterWitness: tells a witness which node of a cluster has which movable address.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "apps/braidd/cluster_addresses.h"
#include "rpc/witness/service.h"

namespace braid::braidd {

// InterfaceGroupName of a node, the same on all.
std::string group_of(uint32_t node);

// An address can be used while a node has it that is a part of the cluster and serves. One that
// goes from one node to another was away in between, whatever was seen of that: who is connected to
// it has to connect again. Owned by the worker's server, and gone before `witness`. Thread: one at
// a time.
class ClusterWitness {
 public:
  explicit ClusterWitness(rpc::witness::Service& witness) : witness_(witness) {}

  // `serving`: a set of 1 << node.
  void take(const ClusterView& view, uint32_t serving);

 private:
  struct Told {
    uint32_t node = 0;
    rpc::witness::State state = rpc::witness::State::kUnavailable;
  };

  rpc::witness::Service& witness_;
  std::map<rpc::witness::IpAddress, Told> told_;
};

}  // namespace braid::braidd
