#include "admin/share_view.h"

#include <nlohmann/json.hpp>

#include "smb2/server.h"
#include "smb2/shares/share_look.h"

namespace braid::admin {

using nlohmann::json;

json shares_of(const smb2::Server& server) {
  json all = json::array();
  const auto shares = server.settings.shares();
  // All at once, so that those that do not answer are waited for once.
  for (const auto& entry : shares->all()) {
    if (entry->type() != smb2::ShareType::kPipe) smb2::begin_look(entry->configured());
  }
  for (const auto& entry : shares->all()) {
    if (entry->type() == smb2::ShareType::kPipe) continue;
    const std::string why = entry->absence();
    json row = {{"share", entry->name()},
                {"path", entry->configured().path},
                {"state", why.empty() ? "present" : "absent"},
                {"in_use", entry->in_use() != nullptr}};
    if (!why.empty()) row["why"] = why;
    all.push_back(std::move(row));
  }
  return all;
}

}  // namespace braid::admin
