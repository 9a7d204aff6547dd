#include "admin/lock_view.h"

#include <nlohmann/json.hpp>

#include "admin/open_view.h"
#include "smb2/server.h"

namespace braid::admin {

using nlohmann::json;

json locks_of(const smb2::Server& server) {
  json all = json::array();
  for_each_open(server, [&](const ShownOpen& open) {
    if (!open.ref) return;
    const auto locks = server.files.file_table.locks_of(*open.ref);
    const auto add = [&](const filestate::LockRange& range, bool waiting) {
      json row = open.names;
      row["offset"] = range.offset;
      row["length"] = range.length;
      row["exclusive"] = range.exclusive;
      row["waiting"] = waiting;
      all.push_back(std::move(row));
    };
    for (const auto& range : locks.held) add(range, false);
    for (const auto& range : locks.waiting) add(range, true);
  });
  return all;
}

}  // namespace braid::admin
