// How much of a Time Machine share is used.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/guarded.h"
#include "base/result.h"
#include "vfs/file.h"

namespace braid::vfs {

// Bytes that the backups in the folder `root` hold: a Mac keeps each in a sparse bundle, a folder
// of bands of one size, which its Info.plist says. Only names are looked at, and no more than it
// takes to find `enough`, which is then told. What is no such bundle counts nothing. Reads as the
// thread's user.
Result<uint64_t> backup_bytes(int root, uint64_t enough);

// A share that is no larger for Macs than `bytes_max`, whatever room the disk has. Thread: any.
class BackupLimit {
 public:
  explicit BackupLimit(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // What is left of `space`. Counts as the server, every so many seconds, and by one thread.
  Result<void> apply(int root, Space& space) const;

 private:
  struct Known {
    bool is_known = false;
    bool is_counted = false;  // now, by somebody
    std::chrono::steady_clock::time_point at;
    uint64_t bytes = 0;
  };
  const uint64_t bytes_max_;
  mutable Guarded<Known> known_;
};

}  // namespace braid::vfs
