// KeptTimes: the times that an operation of an open file leaves as they are.
#pragma once

#include "vfs/posix/posix_file.h"

namespace braid::vfs {

// Around each operation that changes something. At its end, with whatever result, what the kernel
// moved and the open's rules keep is put back, and what they want moved is moved; and data that
// was changed is marked for the next backup, though the last one took the mark away meanwhile.
// Costs some loads where there is nothing to do. Thread: that of the operation. REQUIRES that the
// metadata lock of the file is taken after it and let go before its end, or held by the caller.
class KeptTimes {
 public:
  enum class Operation : uint8_t {
    kData,      // [MS-FSA] 2.1.4.17: notes that the file was modified
    kMetadata,  // 2.1.4.18: that its change time is updated
  };
  // `also`: a write time that is kept whatever the open has asked for.
  KeptTimes(PosixFile& file, Operation operation, const TimeRules& also = {})
      : file_(file),
        operation_(operation),
        rules_(file.time_rules_.load(std::memory_order_relaxed)),
        moves_change_time_(also.write == TimeRule::kKept) {
    if (also.write == TimeRule::kKept) rules_.write = TimeRule::kKept;
    if (rules_.any()) remember();
  }
  KeptTimes(const KeptTimes&) = delete;
  KeptTimes& operator=(const KeptTimes&) = delete;
  ~KeptTimes() {
    // First, as that is a change of the file too.
    if (operation_ == Operation::kData) file_.renew_archive();
    if (rules_.any()) restore();
  }
  // The operation gives the file these times.
  void leave(const AttributesChange& change);

 private:
  void remember();
  void restore();

  PosixFile& file_;
  const Operation operation_;
  TimeRules rules_;
  const bool moves_change_time_;  // also where the operation did nothing
  struct statx before_{};
  FileTime change_time_before_;
};

}  // namespace braid::vfs
