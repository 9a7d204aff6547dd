// `braid-bench throughput`: sequential reading and writing.
#pragma once

#include "apps/braid-bench/target.h"

namespace braid::bench {

struct ThroughputOptions {
  uint64_t mebibytes = 1'024;
  uint32_t request_size = 1'048'576;  // at most what the server takes
  size_t in_flight = 16;
  std::string data;  // a file whose bytes are written, again and again; empty: one byte
};

// Writes a file and reads it back; prints MiB/s and the server's CPU time per MiB of each.
Task<Outcome<void>> run_throughput(Reactor& reactor, const Target& target,
                                   ThroughputOptions options);

}  // namespace braid::bench
