#include "vfs/posix/stream_names.h"

#include <algorithm>
#include <string>

namespace braid::vfs {

StreamNames& StreamNames::of_process() {
  static StreamNames names;
  return names;
}

std::shared_ptr<StreamName> StreamNames::of(const FileKey& key, std::string_view spelled) {
  auto table = table_.lock();
  if (const auto found = table->names.find(key); found != table->names.end()) {
    if (auto name = found->second.lock()) return name;
  }
  auto name = std::make_shared<StreamName>(std::string(spelled));
  table->names[key] = name;
  if (table->names.size() >= table->sweep_at) {
    std::erase_if(table->names, [](const auto& entry) { return entry.second.expired(); });
    table->sweep_at = std::max<size_t>(64, 2 * table->names.size());
  }
  return name;
}

std::shared_ptr<StreamName> StreamNames::take(Names& names, const FileKey& key) {
  const auto known = names.extract(key);
  return known.empty() ? nullptr : known.mapped().lock();
}

// The names themselves are changed with the table let go of: their file's metadata lock keeps the
// order.
void StreamNames::renamed(const FileKey& from, const FileKey& to, std::string_view name) {
  std::shared_ptr<StreamName> open, replaced;
  {
    auto table = table_.lock();
    open = take(table->names, from);
    replaced = take(table->names, to);
    if (open) table->names[to] = open;
  }
  if (replaced) replaced->end();
  if (open) open->set(name);
}

void StreamNames::removed(const FileKey& key) {
  const auto open = take(table_.lock()->names, key);
  if (open) open->end();
}

}  // namespace braid::vfs
