// `braid-bench recovery`: a server begins and finds the persistent opens of its earlier life.
#pragma once

#include <cstddef>
#include <expected>
#include <string>

namespace braid::bench {

struct RecoveryOptions {
  std::string folder;       // empty, on the file system that is measured; what is made there stays
  size_t opens = 100'000;   // of as many files, in folders of 1,000
  double recovery_max = 0;  // longer, in seconds, is a failure; 0: only printed
  size_t bytes_max = 0;     // the same for the memory of each open
};

// Makes the files and a log that has them all open with a lease each, in a process of its own, and
// recovers them in this one. False if that took more than the limits. An error is a line. REQUIRES:
// one thread, before any reactor.
std::expected<bool, std::string> run_recovery(const RecoveryOptions& options);

}  // namespace braid::bench
