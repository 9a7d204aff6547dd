// FileTable: names that something new is about to have.
#include <limits>

#include "filestate/file_table_impl.h"

namespace braid::filestate {

// Two names with one hash wait for each other, so nobody may be able to make some.
FileKey FileTable::Impl::key_of_name(std::string_view path) const {
  const uint64_t hash = sip_hash(hash_key, as_bytes(path));
  return {std::numeric_limits<uint64_t>::max(), hash == 0 ? 1 : hash, 0};
}

FileKey FileTable::key_of_name(std::string_view path) const { return impl_->key_of_name(path); }

std::shared_ptr<const void> FileTable::begin_making(std::string_view path) {
  Impl& impl = *impl_;
  const auto at = impl.begin_making(key_of_name(path).inode);
  if (!at) return nullptr;
  return {&impl, [at = *at, &impl](const void*) { impl.end_making(at); }};
}

std::optional<store::WorkerTag> FileTable::Impl::maker_of(std::string_view path) const {
  if (group ? !group->anyone_makes() : own_names_in_making.empty()) return std::nullopt;
  const uint64_t name = key_of_name(path).inode;
  if (group) return group->maker_of(name);
  return own_names_in_making.contains(name) ? std::optional(self) : std::nullopt;
}

}  // namespace braid::filestate
