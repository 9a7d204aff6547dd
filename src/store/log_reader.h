// Reading handle logs: what is in them after a crash, and what of it cannot be read.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/log_folder.h"
#include "store/log_format.h"

namespace braid::store {

enum class LogCondition : uint8_t {
  kWhole,       // all that was on the disk is read; a tail that was torn is cut off
  kDamaged,     // what was on the disk cannot be read in places, `damages`; the rest is there
  kMissing,     // no file of that name
  kEmpty,       // a file without a byte, or of zeros only: nothing was ever promised in it
  kNoLog,       // its first sector is none of a log: damaged, or another file
  kMisnamed,    // a log by another name: a copy
  kNewer,       // of a version that this program does not know
  kOtherShare,  // of another share
  kUnreadable,  // the system refused, `error`
};

struct LogDamage {
  uint64_t position = 0;
  uint64_t bytes = 0;
  // Of the record that cannot be read, where that much can be; the others keep their values.
  std::string key;
};

struct RecoveredRecord {
  std::string value;
  uint64_t position = 0;
  // Something behind it in the log cannot be read, and may have been a later value or the end of
  // it.
  bool may_be_old = false;
};

// A log as it was found. Only kWhole and kDamaged have a header and records.
struct RecoveredLog {
  static constexpr size_t kDamagesMax = 1024;

  LogCondition condition = LogCondition::kMissing;
  Error error = Error::malformed();  // with kUnreadable
  uint32_t version = 0;              // where it is known
  LogHeader header;                  // also with kMisnamed and kOtherShare
  std::map<std::string, RecoveredRecord, std::less<>> records;
  std::vector<LogDamage> damages;  // the first of them
  uint64_t damages_in_all = 0;
  // Where the log ends, and what of the file behind that is no zero: of a commit that was under
  // way.
  uint64_t end = 0;
  uint64_t torn_bytes = 0;

  bool is_usable() const {
    return condition == LogCondition::kWhole || condition == LogCondition::kDamaged;
  }
  // One line for the log of the server, with the name and what is wrong; empty with kWhole.
  std::string complaint(std::string_view name) const;
};

// `file`: the whole of it. Thread: any.
RecoveredLog read_log(ByteView file, const ShareId& share);
// The same of a file. Never waits for its writer: REQUIRES one that has ended, since of a log that
// is being written the end looks torn. Thread: one that may wait for the disk.
RecoveredLog recover_log(LogFolder& folder, const std::string& name, const ShareId& share);

// What lies in the folder.
struct LogListing {
  std::vector<std::string> logs;       // the oldest epoch first
  std::vector<std::string> strangers;  // no names of logs, so they were not looked at
  uint64_t next_epoch = 1;             // above all that are there, whole or not
};
Result<LogListing> list_logs(LogFolder& folder);
// A log that nobody needs any more, and it stays gone. Thread: as recover_log().
Result<void> remove_log(LogFolder& folder, const std::string& name);

}  // namespace braid::store
