#include "vfs/posix/context.h"

#include <algorithm>

#include "vfs/names.h"

namespace braid::vfs {

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
