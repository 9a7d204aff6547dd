// `braid-bench handle-log`: what a record costs until it is on the disk, and finding all of them.
#pragma once

#include <string>

#include "apps/braid-bench/failure.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace braid::bench {

struct HandleLogOptions {
  std::string folder;       // on the file system that is measured; the log is removed afterwards
  size_t appends = 20'000;  // with 64 waiting; fewer with fewer
  size_t records = 100'000;
  size_t record_bytes = 300;
  double recovery_max = 0;  // longer, in seconds, is a failure; 0: only printed
};

// Puts records with 1, 8 and 64 of them waiting at a time, and reads a log of `records` back. False
// if that took longer than the limit.
Task<Outcome<bool>> run_handle_log(Reactor& reactor, HandleLogOptions options);

}  // namespace braid::bench
