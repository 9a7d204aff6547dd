// How much of a Time Machine share is used.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

#include "base/guarded.h"
#include "base/result.h"
#include "vfs/file.h"

namespace braid::vfs {

// What is looked at for one count: users make the names, and a thread goes through them. The bands
// of two terabytes of backups are 250,000 where a Mac makes them of 8 MiB.
struct BackupBounds {
  uint64_t bundles = 100;    // that are looked into
  uint64_t names = 250'000;  // in the root and of bands together
};

// Bytes that the backups in the folder `root` hold: a Mac keeps each in a sparse bundle, a folder
// of bands of one size, which its Info.plist says; a size above 1 GiB, which no Mac makes, is not
// believed. Only names are looked at, no more of them than `bounds` has, and than it takes to find
// `enough`, which is then told. What is no such bundle counts nothing, and neither does what is
// beyond the bounds: nobody can make the share full for others by names alone. Reads as the
// thread's user.
Result<uint64_t> backup_bytes(int root, uint64_t enough, const BackupBounds& bounds = {});

// A share that is no larger for Macs than `bytes_max`, whatever room the disk has. Thread: any.
class BackupLimit {
 public:
  // backup_bytes(), for tests another.
  using Count = std::function<Result<uint64_t>(int root, uint64_t enough)>;
  explicit BackupLimit(uint64_t bytes_max) : BackupLimit(bytes_max, nullptr) {}
  BackupLimit(uint64_t bytes_max, Count count) : bytes_max_(bytes_max), count_(std::move(count)) {}

  // What is left of `space`. One thread at a time counts, as the server, every so many seconds;
  // meanwhile others are told what was counted last, and before the first count what the disk has.
  Result<void> apply(int root, Space& space) const;

 private:
  struct Known {
    bool is_counted = false;  // now, by somebody
    std::chrono::steady_clock::time_point due;
    uint64_t bytes = 0;
  };
  const uint64_t bytes_max_;
  const Count count_;
  mutable Guarded<Known> known_;
};

}  // namespace braid::vfs
