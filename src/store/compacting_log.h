// CompactingLog: a handle log without its threads: what is in it, and its file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "store/log_folder.h"
#include "store/log_format.h"
#include "store/log_writer.h"

namespace braid::store {

struct LogLimits {
  // Of one file; while it is written anew there are two. At most kLogFileMax, at least 8 MiB.
  uint64_t bytes_max = uint64_t{256} << 20;
  // A file below this is not written anew, however little of it is still true.
  uint64_t compact_min = uint64_t{4} << 20;
  // The file grows by this.
  uint64_t step = uint64_t{1} << 20;
  // What is written anew at a time, and delays the commits behind it.
  uint64_t piece = uint64_t{256} << 10;
  // Between two tries after a failure.
  std::chrono::milliseconds retry{5'000};

  // What the records that are true may take, with their headers. The file is written anew when
  // half of it is not true any more, or when it is larger than compact_min; then the rest of it has
  // room for what is committed in the meantime.
  uint64_t live_max() const { return bytes_max / 4; }
  // The same for what must not fail: new values of records that are there.
  uint64_t live_max_urgent() const { return bytes_max / 16 * 5; }
};

struct LogChange {
  LogOperation operation{};
  std::string key;
  std::string value;
  uint64_t bytes() const { return LogRecord::size(key.size(), value.size()); }
};

// Writes commits to one file and, when too much of that is not true any more, all that is to
// another beside it, in pieces between the commits, which go to both. The new one then takes the
// name of the old, so under that name there is always a whole log.
//
// A write that fails fails the log: nobody knows what of it is on the disk, and asking again would
// not tell. Every commit is refused then, until a new file could be written from what was
// committed, which is kept in memory for that. Erasures are remembered even so: what a client gave
// up is not in the new file. What was refused may be found in the old one after a crash.
//
// Owned by a HandleLog. Thread: one at a time, and one that may wait for the disk.
class CompactingLog {
 public:
  // Begins the log of `owner` in an empty file; older unfinished files of this writer go. EEXIST
  // when there is one of that epoch. `folder` and `clock` outlive it. `kin`: of new_salt().
  static Result<std::unique_ptr<CompactingLog>> create(LogFolder& folder, const LogOwner& owner,
                                                       const LogLimits& limits, const Clock& clock,
                                                       const std::optional<SipKey>& kin = {});

  // Whether `bytes` fit into the file before it has been written anew.
  bool has_room(uint64_t bytes) const { return writer_->end() + bytes <= limits_.bytes_max; }
  // All of it is on the disk, or (with an error) nobody knows. The changes are taken.
  Result<void> commit(std::span<LogChange> changes);

  // There is a piece to be written anew; when the log has failed, that is what mends it.
  bool wants_compaction() const;
  // Writes a piece. An error leaves a log that has not failed as it was; the next try comes later.
  Result<void> compact_piece();

  // Why nothing can be written.
  const std::optional<Error>& failure() const { return failure_; }
  const std::string& name() const { return name_; }
  uint64_t records() const { return records_.size(); }
  uint64_t live_bytes() const { return live_bytes_; }
  uint64_t file_bytes() const { return writer_->end(); }
  uint64_t compactions() const { return compactions_; }
  uint64_t compactions_failed() const { return compactions_failed_; }
  uint64_t failures() const { return failures_; }

 private:
  struct Compaction {
    LogWriter writer;
    std::string reached;  // keys up to this are in it
  };

  CompactingLog(LogFolder& folder, const LogOwner& owner, const LogLimits& limits,
                const Clock& clock, const std::optional<SipKey>& kin);
  Result<void> begin_file();
  Result<void> continue_file();
  Result<void> finish_file();
  void apply(LogChange& change);
  void set_failed(Error error);

  LogFolder& folder_;
  const LogOwner owner_;
  const LogLimits limits_;
  const Clock& clock_;
  const std::optional<SipKey> kin_;
  const std::string name_;
  const std::string unfinished_name_;
  std::map<std::string, std::string, std::less<>> records_;  // as committed
  uint64_t live_bytes_ = 0;
  std::unique_ptr<LogWriter> writer_;
  std::optional<Compaction> compaction_;
  std::optional<Error> failure_;
  Clock::Instant next_try_{};
  uint64_t compactions_ = 0;
  uint64_t compactions_failed_ = 0;
  uint64_t failures_ = 0;
};

}  // namespace braid::store
