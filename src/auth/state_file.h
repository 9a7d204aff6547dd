// Small files in the state folder: read whole, replaced whole. For this folder only.
#pragma once

#include <sys/stat.h>

#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace braid::auth {

// Owns a descriptor.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileHandle();
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// Makes the folder with mode 0700 if it is not there.
Result<void> ensure_folder(const std::string& path);

// At most kStateFileSizeMax bytes; EFBIG beyond.
inline constexpr size_t kStateFileSizeMax = size_t{16} << 20;  // 100,000 accounts take 15 MiB
struct FileContent {
  Bytes bytes;
  struct stat status{};
};
Result<FileContent> read_file(const std::string& path);

// Writes `path` with mode 0600 so that a reader, or a crash, finds the old or the new content:
// temporary file, fsync, rename, fsync of the folder.
Result<void> replace_file(const std::string& path, ByteView content);

// The content of folder/name; if there is no such file, makes it from `initial`. Of two processes
// that race, both get what one of them wrote. EPERM if others may read or write the file.
Result<Bytes> read_or_create(const std::string& folder, const std::string& name, ByteView initial);

// Holds an exclusive lock on folder/name (made if missing) until destroyed. Waits for it.
Result<FileHandle> lock_file(const std::string& path);

}  // namespace braid::auth
