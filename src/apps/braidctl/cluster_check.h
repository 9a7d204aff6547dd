// unfit_tunables(): what of CTDB's settings does not fit a cluster that serves with braid.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace braid::braidctl {

// Those that are looked at.
std::vector<std::string> looked_at_tunables();
// A line for each that does not fit: its value, what would, and what comes of it. One that is not
// among them is one that this CTDB does not have. Pure.
std::vector<std::string> unfit_tunables(const std::map<std::string, uint32_t>& tunables);

}  // namespace braid::braidctl
