// `braid-bench names`: what a name costs in a large directory and in small ones.
#pragma once

#include "apps/braid-bench/target.h"

namespace braid::bench {

struct NamesOptions {
  size_t files = 100'000;
  size_t small = 1'000;  // files in a small directory; `files` of them all together
  size_t in_flight = 64;
  double ratio_max = 0;  // a larger ratio is a failure; 0: only printed
};

// Creates `files` files in one directory and in directories of `small`, opens them in another
// order, and again by names in the other case, and prints the cost per file of each. False if a
// ratio is above the limit.
Task<Outcome<bool>> run_names(Reactor& reactor, const Target& target, NamesOptions options);

}  // namespace braid::bench
