#include "vfs/posix/context.h"

#include <algorithm>
#include <unordered_map>

#include "vfs/names.h"

namespace braid::vfs {

bool PosixContext::hides(std::string_view disk_name) const {
  if (hidden.empty() || disk_name == "." || disk_name == "..") return false;
  const std::string name = to_client(disk_name);
  return std::ranges::any_of(
      hidden, [&](const wire::NameExpression& pattern) { return pattern.matches(name); });
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
