#include "admin/lease_view.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "admin/open_view.h"
#include "admin/session_view.h"
#include "smb2/server.h"

namespace braid::admin {

using nlohmann::json;

json leases_of(const smb2::Server& server) {
  std::map<filestate::LeaseId, json> leases;
  for_each_open(server, [&](const ShownOpen& open) {
    if (!open.ref) return;
    const auto grant = server.files.file_table.grant_of(*open.ref).lease;
    if (!grant) return;
    const auto [found, is_new] = leases.try_emplace({open.client_guid, grant->key, open.user});
    json& row = found->second;
    if (is_new) {
      row = {{"client_guid", guid_text(open.client_guid)},
             {"lease_key", fmt::format("{:02x}", fmt::join(grant->key.bytes, ""))},
             {"version", grant->version},
             {"epoch", grant->epoch},
             {"state", caching_letters(grant->state)},
             {"breaking", grant->break_in_progress},
             {"opens", 0},
             {"kind", open.kind}};
      for (const char* name : {"share", "path", "user"}) row[name] = open.names.at(name);
    }
    row["opens"] = row["opens"].get<uint64_t>() + 1;
  });
  json all = json::array();
  for (auto& [id, row] : leases) all.push_back(std::move(row));
  return all;
}

}  // namespace braid::admin
