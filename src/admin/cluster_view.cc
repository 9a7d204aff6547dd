#include "admin/cluster_view.h"

#include <bit>
#include <nlohmann/json.hpp>

namespace braid::admin {
namespace {

using nlohmann::json;

json list_of(uint32_t set) {
  json nodes = json::array();
  for (uint32_t left = set; left != 0; left &= left - 1) nodes.push_back(std::countr_zero(left));
  return nodes;
}

}  // namespace

json cluster_of(const WorkerPlace& place) {
  if (!place.cluster) return nullptr;
  const ClusterFacts facts = place.cluster();
  return {{"node", facts.node},
          {"there", list_of(facts.there)},
          {"serving", list_of(facts.serving)},
          {"records", facts.records},
          {"coming", facts.coming},
          {"leaving", facts.leaving}};
}

void add_cluster_metrics(const WorkerPlace& place, json& metrics) {
  if (!place.cluster) return;
  const ClusterFacts facts = place.cluster();
  const auto add = [&](const char* name, const char* help, uint64_t value) {
    metrics.push_back({{"name", name}, {"type", "gauge"}, {"help", help}, {"value", value}});
  };
  add("braid_cluster_nodes_there", "Nodes of the cluster on which a server runs.",
      static_cast<uint64_t>(std::popcount(facts.there)));
  add("braid_cluster_nodes_serving", "Of these, nodes that serve.",
      static_cast<uint64_t>(std::popcount(facts.serving)));
  add("braid_cluster_records", "Records of open files that this node has.", facts.records);
  add("braid_cluster_records_coming", "Records on their way to this node.", facts.coming);
  add("braid_cluster_records_leaving", "Records on their way to other nodes.", facts.leaving);
}

}  // namespace braid::admin
