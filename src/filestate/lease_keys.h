// Which file each client has bound each of its lease keys to.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/guarded.h"
#include "filestate/types.h"

namespace braid::filestate {

// GlobalLeaseTableList, [MS-SMB2] 3.3.1.5 and 3.3.1.11, as far as it spans files: a lease's state
// is with its file, this says which file that is. Sharded, so that clients do not meet.
// Thread: any. Its locks are taken below a file shard's and nothing is called with one held.
class LeaseKeys {
 public:
  // False if the key is bound to another file, unless that one was opened to be deleted on close
  // (Lease.FileDeleteOnClose), which frees the key for the next file.
  bool bind(const LeaseId& id, const FileKey& file) {
    auto shard = shard_of(id).lock();
    const auto [found, added] = shard->try_emplace(id, Binding{file});
    if (added || found->second.file == file) return true;
    if (!found->second.file_delete_on_close) return false;
    found->second = Binding{file};
    return true;
  }
  void unbind(const LeaseId& id, const FileKey& file) {
    auto shard = shard_of(id).lock();
    const auto found = shard->find(id);
    if (found != shard->end() && found->second.file == file) shard->erase(found);
  }
  void set_delete_on_close(const LeaseId& id) {
    auto shard = shard_of(id).lock();
    if (const auto found = shard->find(id); found != shard->end()) {
      found->second.file_delete_on_close = true;
    }
  }
  std::optional<FileKey> file_of(const LeaseId& id) const {
    auto shard = shard_of(id).lock();
    const auto found = shard->find(id);
    if (found == shard->end()) return std::nullopt;
    return found->second.file;
  }
  bool may_bind(const LeaseId& id, const std::optional<FileKey>& file) const {
    auto shard = shard_of(id).lock();
    const auto found = shard->find(id);
    return found == shard->end() || found->second.file_delete_on_close ||
           (file && found->second.file == *file);
  }

 private:
  struct Binding {
    FileKey file;
    bool file_delete_on_close = false;
  };
  using Shard = Guarded<std::unordered_map<LeaseId, Binding>, LockRank::kLeaseKeys>;
  static constexpr size_t kShards = 64;  // several times the cores of a large machine

  Shard& shard_of(const LeaseId& id) { return shards_[std::hash<LeaseId>{}(id) % kShards]; }
  const Shard& shard_of(const LeaseId& id) const {
    return shards_[std::hash<LeaseId>{}(id) % kShards];
  }

  std::array<Shard, kShards> shards_;
};

}  // namespace braid::filestate
