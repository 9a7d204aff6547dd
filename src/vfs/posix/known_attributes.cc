#include "vfs/posix/known_attributes.h"

#include "base/sip_hash.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

// Far more than a step of the clock that change times come from (10 ms at most).
constexpr uint64_t kSettledTicks = kTicksPerSecond / 4;

// With a known hash clients would choose files that drive out another's.
uint64_t hash_of(const FileKey& file) {
  static const SipKey key = random_sip_key();
  return sip_hash(key, file);
}

}  // namespace

std::optional<KnownAttributes::Known> KnownAttributes::find(const struct statx& st) const {
  const FileKey key = key_of(st);
  const uint64_t hash = hash_of(key);
  auto part = parts_[hash % kLocks].lock();
  if (part->empty()) return std::nullopt;
  const Entry& entry = (*part)[hash / kLocks % kEntriesPerLock];
  const bool is_it = entry.key == key && entry.changed_s == st.stx_ctime.tv_sec &&
                     entry.changed_ns == st.stx_ctime.tv_nsec;
  return is_it ? std::optional(entry.known) : std::nullopt;
}

void KnownAttributes::keep(const struct statx& st, const Known& known) {
  if (time_of(st.stx_ctime).ticks + kSettledTicks > system_clock().now().ticks) return;
  const FileKey key = key_of(st);
  const uint64_t hash = hash_of(key);
  auto part = parts_[hash % kLocks].lock();
  if (part->empty()) part->resize(kEntriesPerLock);
  (*part)[hash / kLocks % kEntriesPerLock] = {key, st.stx_ctime.tv_sec, st.stx_ctime.tv_nsec,
                                              known};
}

}  // namespace braid::vfs
