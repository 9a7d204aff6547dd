// RLIMIT_NOFILE: how many connections and open files there can be.
#pragma once

#include <cstddef>
#include <expected>
#include <string>

#include "apps/braidd/limits.h"

namespace braid::braidd {

// Each connection and each open file is a descriptor. The soft limit is 1024 for the sake of
// programs that use select(); this takes what the hard one allows, for this process and those it
// starts. What the limit is from then on.
size_t raise_descriptor_limit();
// What it is now.
size_t descriptor_limit();

// A line for the administrator when `descriptors` are too few to serve anybody with. When they are
// few, a warning that says how far they go. `of_worker`: those that a worker has.
std::expected<void, std::string> check_descriptor_limit(size_t descriptors, size_t of_worker);

// Of `descriptors`, what a front that is in one process with the worker may have for connections;
// the rest is the worker's.
size_t descriptors_of_front(size_t descriptors);

// `limits` made small enough that the front never runs out of descriptors by keeping to them.
FrontLimits fit(FrontLimits limits, size_t descriptors, size_t workers);

}  // namespace braid::braidd
