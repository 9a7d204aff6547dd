// Loads on files that stay open, and on none.
#pragma once

#include <memory>

#include "apps/braid-bench/load.h"

namespace braid::bench {

// ECHO in the session.
std::unique_ptr<Load> make_echo_load();
// READ or WRITE of a file of each client's own; behind its end it begins anew.
std::unique_ptr<Load> make_data_load(const LoadOptions& options);
// LOCK of a range and LOCK that unlocks it, in a file that all clients have open; no two ranges
// meet.
std::unique_ptr<Load> make_lock_load();

}  // namespace braid::bench
