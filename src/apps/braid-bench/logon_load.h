// Load of logons.
#pragma once

#include <memory>

#include "apps/braid-bench/load.h"

namespace braid::bench {

// SESSION_SETUP (NTLMv2: two of them) and LOGOFF, on the client's connection, or with
// `options.connects` on one of its own, with its TCP handshake and NEGOTIATE.
std::unique_ptr<Load> make_logon_load(const LoadOptions& options);

}  // namespace braid::bench
