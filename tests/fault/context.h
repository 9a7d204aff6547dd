// Context: what the parts of the fault test share.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "client/file.h"

namespace braid::fault {

// What a file must be in the end, found through a fresh client and on the server's disk.
struct Expected {
  uint64_t size = 0;
  uint32_t crc32 = 0;
  // Of record files: the generation in each slot, and their size. Slots that were never written
  // count as generation 0 and are not looked at.
  std::vector<uint64_t> generations;
  uint64_t record_size = 0;
};

// Thread: the reactor's.
struct Context {
  Reactor& reactor;
  client::TreePtr tree;
  uint64_t seed = 0;
  bool stopping = false;
  bool leases = false;
  uint64_t failures = 0;
  std::map<std::string, uint64_t> done;      // operations acknowledged, by kind
  std::map<std::string, Expected> expected;  // by name, '/' between components

  // Random numbers that another part's do not disturb.
  std::mt19937_64 random(uint64_t part) const { return std::mt19937_64(seed * 1000 + part); }

  template <class... Args>
  void fail(fmt::format_string<Args...> text, Args&&... args) {
    ++failures;
    fmt::print(stderr, "FAIL {}\n", fmt::format(text, std::forward<Args>(args)...));
  }
  // True if the operation went well, which is then counted.
  template <class T>
  bool went_well(const char* kind, const std::string& what, const Result<T>& result) {
    if (result) {
      ++done[kind];
    } else {
      fail("{} {}: {}", kind, what, result.error().message());
    }
    return result.has_value();
  }
};

inline constexpr wire::AccessMask kReadWriteDelete =
    wire::Access::kFileGenericRead | wire::Access::kFileGenericWrite | wire::Access::kDelete;

}  // namespace braid::fault
