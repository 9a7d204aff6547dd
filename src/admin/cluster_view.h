// What a node of a cluster says about it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "admin/protocol.h"

namespace braid::admin {

// {"node", "there", "serving": lists of nodes, "records", "coming", "leaving"}: ClusterFacts. Null:
// this server is no node of a cluster. Thread: any.
nlohmann::json cluster_of(const WorkerPlace& place);
// Adds them to what metrics_of() made. Nothing without a cluster.
void add_cluster_metrics(const WorkerPlace& place, nlohmann::json& metrics);

}  // namespace braid::admin
