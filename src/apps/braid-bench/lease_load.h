// Load of lease breaks.
#pragma once

#include <memory>

#include "apps/braid-bench/load.h"

namespace braid::bench {

// A second client of each client's opens a file with a lease of everything; the client opens the
// same file, the server breaks the lease, the second client acknowledges at once, and the CREATE is
// answered. What counts is the time of that CREATE.
std::unique_ptr<Load> make_lease_load(const LoadOptions& options);

}  // namespace braid::bench
