// FileTable: names that something new is about to have.
#include <limits>

#include "filestate/file_table_impl.h"

namespace braid::filestate {

// Workers are one program, so that it is the same in all of them. Two names with one hash wait for
// each other.
FileKey FileTable::key_of_name(std::string_view path) {
  const uint64_t hash = std::hash<std::string_view>{}(path);
  return {std::numeric_limits<uint64_t>::max(), hash == 0 ? 1 : hash, 0};
}

std::shared_ptr<const void> FileTable::begin_making(std::string_view path) {
  Impl& impl = *impl_;
  const auto at = impl.begin_making(key_of_name(path).inode);
  if (!at) return nullptr;
  return {&impl, [at = *at, &impl](const void*) { impl.end_making(at); }};
}

std::optional<store::WorkerTag> FileTable::Impl::maker_of(std::string_view path) const {
  const uint64_t name = FileTable::key_of_name(path).inode;
  if (group) return group->maker_of(name);
  const store::NamesInMaking& names = own_names_in_making;
  return !names.empty() && names.contains(name) ? std::optional(self) : std::nullopt;
}

}  // namespace braid::filestate
