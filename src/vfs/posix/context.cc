#include "vfs/posix/context.h"

#include <algorithm>
#include <array>

#include "vfs/names.h"

namespace braid::vfs {
namespace {

using MetadataMutex = RankedMutex<LockRank::kMetadata>;

MetadataMutex& metadata_mutex_of(const FileKey& file) {
  // 64: more than the threads of a worker pool, so that two files seldom share one.
  static std::array<MetadataMutex, 64> mutexes;
  return mutexes[std::hash<FileKey>{}(file) % mutexes.size()];
}

// What this thread holds: never of two files, as they may share a mutex.
thread_local const FileKey* held_by_thread = nullptr;

}  // namespace

MetadataLock::MetadataLock(PosixContext& context, const FileKey& key)
    : file_{key.device, key.inode, 0}, others_(context.options.locks) {
  if (held_by_thread && *held_by_thread == file_) return;
  lock_ = std::unique_lock(metadata_mutex_of(file_));
  if (others_) others_->lock(file_);
  held_by_thread = &file_;
}

MetadataLock::~MetadataLock() {
  if (!lock_.owns_lock()) return;
  held_by_thread = nullptr;
  if (others_) others_->unlock(file_);
}

std::atomic<uint32_t>& PosixContext::archive_ends(const FileKey& key) const {
  static std::array<std::atomic<uint32_t>, 256> counts;
  const FileKey file{key.device, key.inode, 0};
  if (options.locks) return options.locks->archive_ends(file);
  return counts[std::hash<FileKey>{}(file) % counts.size()];
}

bool PosixContext::hides(std::string_view disk_name) const {
  if (hidden.empty() || disk_name == "." || disk_name == "..") return false;
  const std::string name = to_client(disk_name);
  return std::ranges::any_of(
      hidden, [&](const wire::NameExpression& pattern) { return pattern.matches(name); });
}

bool PosixContext::is_own(const FileKey& directory, std::string_view disk_name) const {
  if (!disk_name.starts_with('.')) return false;
  if (directory == root_key && equal_folded(disk_name, kPrivateFolder)) return true;
  return is_unfinished(disk_name);
}

void PosixContext::adjust(Attributes& attributes, bool hide) const {
  if (counts_attribute_block && attributes.kind == Kind::kFile) {
    const uint64_t block = block_size;
    const uint64_t needed = (attributes.size + block - 1) / block * block;
    if (attributes.allocation_size == needed + block) attributes.allocation_size = needed;
  }
  if (hide && !(attributes.dos_attributes & dos::kHidden)) {
    attributes.dos_attributes = (attributes.dos_attributes & ~dos::kNormal) | dos::kHidden;
    attributes.hidden_by_name = true;
  }
}

}  // namespace braid::vfs
