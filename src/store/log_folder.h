// LogFolder: the disk, as the handle log sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::store {

// One open file. Errors are those of the system: ENOSPC, EIO. Closed when it ends. Thread: one at a
// time, and one that may wait for the disk.
class LogFile {
 public:
  virtual ~LogFile() = default;
  virtual Result<uint64_t> size() = 0;
  // Fewer bytes than asked for at the end of the file only; none behind it.
  virtual Result<size_t> read(uint64_t position, MutableByteView into) = 0;
  // Fewer bytes than given at any time, but at least one.
  virtual Result<size_t> write(uint64_t position, ByteView bytes) = 0;
  // Room for writes before `end`; the file is so long afterwards, what was not written is zeros.
  virtual Result<void> allocate(uint64_t end) = 0;
  // What was written is on the disk. After an error nobody knows what is, and the next sync would
  // not tell: the kernel marks pages that it failed to write as clean. So never ask again.
  virtual Result<void> sync() = 0;
};

// The folder that the logs of a share lie in, "handles" in its private folder. The folder is the
// share's and is on its disk. Thread: as LogFile.
class LogFolder {
 public:
  virtual ~LogFolder() = default;
  virtual Result<std::vector<std::string>> list() = 0;                         // in any order
  virtual Result<std::unique_ptr<LogFile>> open(const std::string& name) = 0;  // for reading
  // Nothing: who made the file has it open still, in whichever process, or another has claimed it.
  // While what is given lives, others are told so. EOPNOTSUPP: other machines may reach the file,
  // too, and whether it is theirs cannot be told.
  virtual Result<std::optional<std::unique_ptr<LogFile>>> claim(const std::string& name) = 0;
  // EEXIST when it is there.
  virtual Result<std::unique_ptr<LogFile>> create(const std::string& name) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& name) = 0;
  // What names there are is on the disk. An error as for LogFile::sync().
  virtual Result<void> sync() = 0;
  // While what is given lives nobody else gets it, in whichever process: one at a time looks whose
  // logs there are, and begins its own. Waits for whoever is at it. ETIMEDOUT: for too long. An
  // error of the system where the file system has no such locks.
  virtual Result<std::shared_ptr<const void>> alone() = 0;
};

// `folder`: opened for reading; only its owner may read what is made in it (mode 0600), the user of
// the server, whoever the calling thread acts as.
std::unique_ptr<LogFolder> open_posix_log_folder(UniqueFd folder);

}  // namespace braid::store
