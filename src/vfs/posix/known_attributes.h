// KnownAttributes: extended attributes that were read before and have not changed since.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "base/guarded.h"
#include "base/ids.h"
#include "vfs/posix/dos_attrib.h"

namespace braid::vfs {

// On file systems that only this kernel changes, whoever sets or removes an attribute of a file
// moves its change time. To ask for one again takes five times as long as statx().
// Of as many files as there is room for, the latest. There is one for all volumes of a process,
// whose size nothing that clients do changes: shares and previous versions can be many. Thread:
// any.
class KnownAttributes {
 public:
  enum class Names : uint8_t { kNotRead, kNone, kOnlyDosAttrib };
  struct Known {
    std::optional<DosAttrib> dos_attrib;
    Names names = Names::kNotRead;
  };

  // What is known of the file that `st` tells of, as it is now.
  std::optional<Known> find(const struct statx& st) const;
  // What was read of it after `st`. Not kept where its change time is so young that one more change
  // might leave it the same.
  void keep(const struct statx& st, const Known& known);

  // Some 1.5 MiB with all of them, which memory_budget.h does not count.
  static constexpr size_t kLocks = 16;
  static constexpr size_t kEntriesPerLock = 1024;

 private:
  struct Entry {
    FileKey key;
    int64_t changed_s = 0;
    uint32_t changed_ns = 0;
    Known known;
  };
  using Part = std::vector<Entry>;  // empty until something is kept there

  mutable std::array<Guarded<Part>, kLocks> parts_;
};

}  // namespace braid::vfs
