// What a posix Volume and its open files share.
#pragma once

#include <array>
#include <atomic>
#include <ctime>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "base/lock_order.h"
#include "base/unique_fd.h"
#include "vfs/names.h"
#include "vfs/posix/known_attributes.h"
#include "vfs/posix/name_index.h"
#include "vfs/posix/posix_volume.h"
#include "vfs/posix/system.h"
#include "wire/fscc/name_expression.h"

namespace braid::vfs {

// The folder in a share's root for what the server keeps beside the files. Clients neither see nor
// reach any of this name, in no directory: through a share above another one, or after the root of
// a share was moved, it is where the streams of others are.
inline constexpr std::string_view kPrivateFolder = ".braid";
bool is_private_folder(std::string_view disk_name);

// The seconds since 1970 that a file system has numbers for.
struct TimeRange {
  int64_t first = 0;
  int64_t last = 0;
  bool has(const timespec& time) const { return time.tv_sec >= first && time.tv_sec <= last; }
};

// 64: more than the threads of a worker pool, so that two files seldom share one.
using MetadataLocks = std::array<RankedMutex<LockRank::kMetadata>, 64>;
// Those of a file system: a file of it can be in several shares. Another's may wait for its disk.
std::shared_ptr<MetadataLocks> metadata_locks_of(dev_t device);

// Owned by the Volume and every open file together. Thread: any.
struct PosixContext {
  PosixContext(UniqueFd root_fd, FileKey key, PosixOptions how, NameIndex::Events events)
      : root(std::move(root_fd)),
        root_key(key),
        options(how),
        index(how.index_bytes_max, events, NameIndex::usual_directories_max(),
              NameIndex::all_of_process(),
              how.composes_names ? NameIndex::Marks::kComposed : NameIndex::Marks::kAsWritten),
        metadata_locks(metadata_locks_of(key.device)) {
    for (const std::string& pattern : how.hidden_names) add_pattern(hidden, pattern);
    for (const std::string& pattern : how.veto_names) add_pattern(vetoed, pattern);
  }

  const UniqueFd root;  // O_PATH
  const FileKey root_key;
  const PosixOptions options;
  Features features;
  // A stream up to this many bytes lives in an extended attribute.
  size_t inline_stream_max = 0;
  // The file system (ext4, XFS) counts the block of a file's extended attributes among those of
  // its data.
  bool counts_attribute_block = false;
  uint64_t block_size = 4096;
  // tmpfs: what is not swapped out is read without a wait, though the kernel refuses RWF_NOWAIT.
  bool is_in_memory = false;
  // Whether what a marker names may be in the private folder of another share (known_roots.h). Not
  // for a previous version: those have what their files are now.
  bool looks_in_other_shares = true;
  // Until when, in seconds of CLOCK_MONOTONIC, nothing is written at once, since somebody outside
  // this process had a file locked.
  std::atomic<int64_t> writes_wait_until = 0;
  // The file system's renameat2() takes no flags, as was found: renaming.h.
  std::atomic<bool> refuses_rename_flags = false;
  std::vector<wire::NameExpression> hidden;
  std::vector<wire::NameExpression> vetoed;
  NameIndex index;
  // How users are called in the recycle bin.
  Guarded<std::unordered_map<uid_t, std::string>> bin_names;

  bool hides(std::string_view disk_name) const;
  // Whether this name, in any directory, is the server's own, which clients neither see nor reach.
  static bool is_own(std::string_view disk_name);
  // Whether the administrator keeps clients from this name, as they spell it.
  bool vetoes(std::string_view client_name) const;
  bool keeps_from_clients(std::string_view disk_name) const {
    return is_own(disk_name) || (!vetoed.empty() && vetoes(to_client(disk_name)));
  }
  // What depends on the share: takes a block of attributes out of the allocation size, and shows a
  // name that is hidden so.
  void adjust(Attributes& attributes, bool hide) const;
  // FileLocks::archive_ends(), of this process where no other serves the files.
  std::atomic<uint32_t>& archive_ends(const FileKey& key) const;

  // Whether what the kernel knows of this file it tells without looking at a disk, or asking
  // another program: it is on the root's file system, and not on one that is mounted below.
  bool is_at_once(const FileKey& file) const {
    return features.at_once && file.device == root_key.device;
  }

  // Whether the data of this file is in memory and nowhere else: a read waits for no disk, and a
  // write for nobody but who changes the file. Thread: any, reactors too.
  bool is_memory(const FileKey& file) const {
    return is_in_memory && file.device == root_key.device && !has_swap();
  }

  // Whether the extended attributes of this file are in memory and nowhere else.
  bool has_attributes_in_memory(const FileKey& file) const {
    return is_in_memory && file.device == root_key.device;
  }

  // Null for a file on whose file system others may change something.
  KnownAttributes* known_attributes(const FileKey& file) const;

  // What the kernel calls the root, for a second: it tells only where a file is that is looked for
  // below, and who is told another's name asks again.
  struct RootName {
    std::string text;
    int64_t second = -1;  // of CLOCK_MONOTONIC
  };
  mutable Guarded<RootName> root_name;

  // That of the root's file system, once it was asked for.
  Guarded<std::optional<TimeRange>> time_range;

  const std::shared_ptr<MetadataLocks> metadata_locks;

 private:
  // As it is written, and with composes_names as names are compared.
  void add_pattern(std::vector<wire::NameExpression>& patterns, const std::string& pattern) const;
  // Whether one matches the name as it is, or as it is compared.
  bool match(const std::vector<wire::NameExpression>& patterns, std::string_view client_name) const;
};

// As attributes_of() in system.h, with what is known of the file. EAGAIN within a ScopedAtOnce, or
// with kNever: a disk would have to be looked at.
Result<Attributes> attributes_of(const PosixContext& context, int fd, Wait wait = Wait::kAllowed);

// Held while what is kept beside the data of one file (DOSATTRIB, streams, the security descriptor)
// is read and written back, whichever volume the file is reached through. A thread that holds it
// may take it again for the same file.
class MetadataLock {
 public:
  MetadataLock(PosixContext& context, const FileKey& key);
  // That of a name, by its hash, in the directory `key`.
  MetadataLock(PosixContext& context, const FileKey& key, uint64_t name);
  MetadataLock(const MetadataLock&) = delete;
  MetadataLock& operator=(const MetadataLock&) = delete;
  ~MetadataLock();

 private:
  const FileKey file_;
  FileLocks* const others_;
  const std::shared_ptr<MetadataLocks> locks_;
  std::unique_lock<RankedMutex<LockRank::kMetadata>> lock_;  // not that of an inner one
};

// Around a system call that works on as much of a file's data as a client likes, and holds the
// kernel's lock of the file that long: some seconds for reserving four gigabytes in tmpfs. Only
// files in memory are written where nobody may wait, so it does nothing for others. None within
// another. Thread: any but a reactor.
class LongHold {
 public:
  LongHold(const PosixContext& context, const FileKey& key);

 private:
  std::shared_lock<std::shared_mutex> lock_;
};

// For who must not wait: false while a thread of this process is within a LongHold of the file.
// Until its end none comes to be.
class ShortHold {
 public:
  explicit ShortHold(const FileKey& key);
  explicit operator bool() const { return lock_.owns_lock(); }

 private:
  std::unique_lock<std::shared_mutex> lock_;
};

using PosixContextRef = std::shared_ptr<PosixContext>;

}  // namespace braid::vfs
