#include "apps/braidd/cluster_witness.h"

#include <fmt/format.h>

#include <algorithm>

namespace braid::braidd {

namespace witness = rpc::witness;
using store::ctdb::kNoNode;
using store::ctdb::Node;

namespace {

witness::IpAddress of(const IpAddress& address) {
  witness::IpAddress out{.is_v6 = !address.is_v4()};
  std::ranges::copy(address.bytes(), out.bytes.begin());
  return out;
}

}  // namespace

std::string group_of(uint32_t node) { return fmt::format("node{}", node); }

void ClusterWitness::take(const ClusterView& view, uint32_t serving) {
  const auto serves = [&](uint32_t node) {
    const auto found = std::ranges::find(view.nodes, node, &Node::pnn);
    return found != view.nodes.end() && found->is_active() && node < 32 &&
           (serving >> node & 1) != 0;
  };
  std::map<witness::IpAddress, Told> now;
  for (const auto& each : view.addresses) {
    const auto address = of(each.address);
    const auto before = told_.find(address);
    // Of nobody: still of the node that had it.
    const uint32_t last = before != told_.end() ? before->second.node : view.own;
    now[address] = {each.pnn == kNoNode ? last : each.pnn, each.pnn != kNoNode && serves(each.pnn)
                                                               ? witness::State::kAvailable
                                                               : witness::State::kUnavailable};
  }
  for (const auto& [address, told] : told_) {
    if (!now.contains(address)) witness_.remove_interface(address);
  }
  for (const auto& [address, is] : now) {
    const auto before = told_.find(address);
    if (before != told_.end() && before->second.node != is.node &&
        before->second.state == witness::State::kAvailable) {
      witness_.set_interface(
          {group_of(before->second.node), witness::State::kUnavailable, address, true});
    }
    witness_.set_interface({group_of(is.node), is.state, address, true});
  }
  told_ = std::move(now);
}

}  // namespace braid::braidd
