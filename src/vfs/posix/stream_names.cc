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

void StreamNames::renamed(const FileKey& from, const FileKey& to, std::string_view name) {
  auto table = table_.lock();
  const auto moved = table->names.extract(from);
  end(table->names, to);
  if (moved.empty()) return;
  const auto open = moved.mapped().lock();
  if (!open) return;
  open->set(name);
  table->names[to] = open;
}

void StreamNames::removed(const FileKey& key) { end(table_.lock()->names, key); }

void StreamNames::end(Names& names, const FileKey& key) {
  const auto ended = names.extract(key);
  if (ended.empty()) return;
  if (const auto open = ended.mapped().lock()) open->end();
}

}  // namespace braid::vfs
