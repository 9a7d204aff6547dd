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
  store::NamesInMaking& names = impl_->names_in_making;
  const auto at = names.add(key_of_name(path).inode);
  if (!at) return nullptr;
  return {&names, [at = *at, &names](const void*) { names.remove(at); }};
}

std::optional<store::WorkerTag> FileTable::Impl::maker_of(std::string_view path) const {
  const auto makes_it = [&path](const store::NamesInMaking& names) {
    return !names.empty() && names.contains(FileTable::key_of_name(path).inode);
  };
  if (!group) {
    return makes_it(own_names_in_making) ? std::optional(store::WorkerTag{}) : std::nullopt;
  }
  for (size_t i = 0; i < group->size(); ++i) {
    const store::WorkerSlot& slot = group->region().slot(i);
    const store::WorkerTag worker{slot.tag};
    // What one that has died was making is made, or is not.
    if (worker.value != 0 && makes_it(slot.names_in_making)) return worker;
  }
  return std::nullopt;
}

}  // namespace braid::filestate
