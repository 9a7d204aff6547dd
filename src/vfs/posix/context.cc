#include "vfs/posix/context.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/sip_hash.h"
#include "runtime/at_once.h"
#include "vfs/compared_name.h"
#include "vfs/names.h"

namespace braid::vfs {
namespace {

// What this thread holds: never of two files, as they may share a mutex.
thread_local const FileKey* held_by_thread = nullptr;

// With a known hash clients would choose files that share a lock with another's.
uint64_t keyed_hash(const FileKey& file) {
  static const SipKey key = random_sip_key();
  return sip_hash(key, file);
}

// More than a pool has threads. A file that shares one with another is written on the pool as long
// as that is held.
std::shared_mutex& holds_of(const FileKey& key) {
  static std::array<std::shared_mutex, 256> holds;
  return holds[keyed_hash({key.device, key.inode, 0}) % holds.size()];
}

}  // namespace

MetadataLock::MetadataLock(PosixContext& context, const FileKey& key)
    : MetadataLock(context, key, 0) {}

MetadataLock::MetadataLock(PosixContext& context, const FileKey& key, uint64_t name)
    : file_{key.device, key.inode, name},
      others_(context.options.locks),
      locks_(key.device == context.root_key.device ? context.metadata_locks
                                                   : metadata_locks_of(key.device)) {
  if (held_by_thread && *held_by_thread == file_) return;
  lock_ = std::unique_lock((*locks_)[keyed_hash(file_) % locks_->size()]);
  if (others_) others_->lock(file_);
  held_by_thread = &file_;
}

MetadataLock::~MetadataLock() {
  if (!lock_.owns_lock()) return;
  held_by_thread = nullptr;
  if (others_) others_->unlock(file_);
}

KnownAttributes* PosixContext::known_attributes(const FileKey& file) const {
  static KnownAttributes of_all_volumes;
  return is_at_once(file) ? &of_all_volumes : nullptr;
}

Result<Attributes> attributes_of(const PosixContext& context, int fd, Wait wait) {
  BRAID_TRY(const struct statx st, stat_of(fd));
  if (!S_ISREG(st.stx_mode) && !S_ISDIR(st.stx_mode)) return make_attributes(st, std::nullopt);
  KnownAttributes* const attributes = context.known_attributes(key_of(st));
  const bool may_wait = wait == Wait::kAllowed && !must_not_wait();
  if (!attributes) {
    if (!may_wait) return fail_os(EAGAIN);
    return make_attributes(st, load_dos_attrib(fd));
  }
  if (const auto known = attributes->find(st)) return make_attributes(st, known->dos_attrib);
  // Names and inodes stay in memory longer than the blocks that attributes are in.
  if (!may_wait && !context.has_attributes_in_memory(key_of(st))) return fail_os(EAGAIN);
  const auto attrib = load_dos_attrib(fd);
  attributes->keep(st, {.dos_attrib = attrib});
  return make_attributes(st, attrib);
}

LongHold::LongHold(const PosixContext& context, const FileKey& key) {
  if (context.is_in_memory) lock_ = std::shared_lock(holds_of(key));
}

ShortHold::ShortHold(const FileKey& key) : lock_(holds_of(key), std::try_to_lock) {}

std::atomic<uint32_t>& PosixContext::archive_ends(const FileKey& key) const {
  static std::array<std::atomic<uint32_t>, 256> counts;
  const FileKey file{key.device, key.inode, 0};
  if (options.locks) return options.locks->archive_ends(file);
  return counts[keyed_hash(file) % counts.size()];
}

bool PosixContext::hides(std::string_view disk_name) const {
  if (hidden.empty() || disk_name == "." || disk_name == "..") return false;
  return match(hidden, to_client(disk_name));
}

bool PosixContext::vetoes(std::string_view client_name) const {
  if (client_name == "." || client_name == "..") return false;
  return match(vetoed, client_name);
}

void PosixContext::add_pattern(std::vector<wire::NameExpression>& patterns,
                               const std::string& pattern) const {
  patterns.emplace_back(pattern);
  if (!options.composes_names) return;
  const std::string compared = compared_name(pattern);
  if (!equal_folded(compared, pattern)) patterns.emplace_back(compared);
}

bool PosixContext::match(const std::vector<wire::NameExpression>& patterns,
                         std::string_view client_name) const {
  const auto any = [&](std::string_view name) {
    return std::ranges::any_of(
        patterns, [&](const wire::NameExpression& pattern) { return pattern.matches(name); });
  };
  if (any(client_name)) return true;
  return options.composes_names && !patterns.empty() && any(compared_name(client_name));
}

bool is_private_folder(std::string_view disk_name) {
  return disk_name.starts_with('.') && equal_folded(disk_name, kPrivateFolder);
}

std::shared_ptr<MetadataLocks> metadata_locks_of(dev_t device) {
  static Guarded<std::unordered_map<dev_t, std::weak_ptr<MetadataLocks>>> known;
  auto locks = known.lock();
  auto& there = (*locks)[device];
  if (auto shared = there.lock()) return shared;
  std::erase_if(*locks,
                [&](const auto& each) { return each.first != device && each.second.expired(); });
  auto made = std::make_shared<MetadataLocks>();
  there = made;
  return made;
}

bool PosixContext::is_own(std::string_view disk_name) {
  return is_private_folder(disk_name) || is_unfinished(disk_name);
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
