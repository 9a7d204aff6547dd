// What a persistent open costs beside another one.
#pragma once

#include "apps/braid-bench/target.h"

namespace braid::bench {

struct OpensOptions {
  std::string persistent_share;  // with continuous_availability
  size_t opens = 2'000;          // of each kind, for each number of requests in flight
  double ratio_min = 0;          // of the rates with 64 in flight; 0: whatever it is
};

// CREATE and CLOSE of files that are there, each with a lease and a DH2Q that asks for a persistent
// handle, with 1, 8 and 64 in flight, in turns on both shares. Prints opens a second. False: the
// ratio is below ratio_min. An error: the handles are not persistent, or are on `target.share`.
Task<Outcome<bool>> run_opens(Reactor& reactor, const Target& target, const OpensOptions& options);

}  // namespace braid::bench
