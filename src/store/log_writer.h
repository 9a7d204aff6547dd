// LogWriter: one file of a handle log that is being written.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "store/log_folder.h"
#include "store/log_format.h"

namespace braid::store {

// Collects records and writes them at the end of the file, which is made longer in steps so that
// most commits change nothing but data. Owned by a CompactingLog. Thread: one that may wait for the
// disk. Ends with its first error: what is on the disk then is not known, and nothing is tried
// again.
class LogWriter {
 public:
  // Of an empty file; the first commit() writes the header.
  LogWriter(std::unique_ptr<LogFile> file, const LogHeader& header, uint64_t step);

  void add(LogOperation operation, ByteView key, ByteView value);
  // All that was added is on the disk when this gives no error.
  Result<void> commit();

  // Where the next record will be.
  uint64_t end() const { return synced_ + buffer_.size(); }

 private:
  std::unique_ptr<LogFile> file_;
  const uint32_t seed_;
  const uint64_t step_;
  uint64_t synced_ = 0;
  uint64_t allocated_ = 0;
  Bytes buffer_;  // from synced_ on
};

}  // namespace braid::store
