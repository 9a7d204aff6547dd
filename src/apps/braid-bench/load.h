// Load: what clients ask a server for, again and again.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apps/braid-bench/target.h"

namespace braid::bench {

enum class LoadKind : uint8_t {
  kEcho,
  kRead,
  kWrite,
  kOpen,
  kSmallFiles,
  kStat,
  kList,
  kLock,
  kLeaseBreak,
  kLogon,
  kOffice,
};

// Which file an operation is on.
enum class Paths : uint8_t {
  kOne,   // all on one
  kOwn,   // each of those in flight on its own
  kMany,  // any of `files`, by chance
};

struct LoadOptions {
  LoadKind kind = LoadKind::kEcho;
  uint32_t size = 65'536;          // bytes of a READ, a WRITE or a small file
  bool is_random = false;          // offsets of READ and WRITE
  uint64_t file_bytes = 64 << 20;  // of the file that each client reads or writes
  Paths paths = Paths::kOne;
  size_t files = 10'000;  // in the directory of kList, and of Paths::kMany
  bool connects = false;  // kLogon: on a connection of its own each time
  size_t in_flight = 4;   // operations at a time of each client
};

// One connection's worth of a load's clients. Thread: its reactor's.
struct Client {
  size_t number;  // from 0
  Reactor& reactor;
  const Target& target;
  Mount mount;

  const client::TreePtr& tree() const { return mount.tree; }
};

// What an operation did.
struct Done {
  uint64_t bytes = 0;
  // The part of its time that counts; nothing: all of it.
  std::optional<std::chrono::nanoseconds> time;
};

// What one client does. Made and used on the client's thread.
class Work {
 public:
  virtual ~Work() = default;
  // Makes and opens what the operations need.
  virtual Task<Outcome<void>> begin() { co_return Outcome<void>(); }
  // One operation. `lane` is from 0 to in_flight - 1; of each lane one is under way at a time.
  virtual Task<Result<Done>> operate(size_t lane) = 0;
  virtual Task<Result<void>> end() { co_return Result<void>(); }
};

class Load {
 public:
  virtual ~Load() = default;
  // Makes what all clients share, through one of them; what is there from an earlier run is used.
  virtual Task<Outcome<void>> prepare(const Client& /*first*/) { co_return Outcome<void>(); }
  virtual std::unique_ptr<Work> work_for(const Client& client) const = 0;
  virtual Task<Result<void>> clean_up(const Client& /*first*/) { co_return Result<void>(); }
};

std::unique_ptr<Load> make_load(const LoadOptions& options);
// "small-files", as on the command line.
std::string_view name_of(LoadKind kind);
// "read, 65536 bytes, random": what was asked for beside clients and protection.
std::string describe(const LoadOptions& options);

}  // namespace braid::bench
