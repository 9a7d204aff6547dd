// Metrics as text that Prometheus reads.
#pragma once

#include <string>
#include <vector>

#include "admin/control_client.h"

namespace braid::admin {

// The text-based exposition format, version 0.0.4, of what all workers said to kMetrics: the lines
// of a metric stand together, below its help and its type. Thread: any.
std::string prometheus_text(const std::vector<WorkerResult>& results);

}  // namespace braid::admin
