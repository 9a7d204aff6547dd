#include "admin/share_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "smb2/files/file_services.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/server.h"
#include "smb2/shares/share_look.h"

namespace braid::admin {

using nlohmann::json;

namespace {

// Of a share that is there, what keeps it from being served, or from being served well.
struct Trouble {
  bool is_absent = false;
  std::string why;
};

Trouble trouble_of(const smb2::ShareEntry& entry,
                   const std::vector<smb2::PersistentHandles::ShareMetrics>& handles) {
  if (!entry.configured().continuous_availability) return {};
  const auto share = entry.in_use();
  if (!share || !share->persistent) {
    return {.is_absent = true,
            .why =
                "its persistent handles cannot be had: the log of the server says why, where it "
                "read the configuration; mend that, then braidctl reload"};
  }
  const auto own =
      std::ranges::find(handles, entry.name(), &smb2::PersistentHandles::ShareMetrics::share);
  if (own == handles.end() || !own->metrics.failure) return {};
  return {.why =
              fmt::format("its handle log cannot be written: {}", own->metrics.failure->message())};
}

}  // namespace

json shares_of(const smb2::Server& server) {
  json all = json::array();
  const auto shares = server.settings.shares();
  // All at once, so that those that do not answer are waited for once.
  for (const auto& entry : shares->all()) {
    if (entry->type() != smb2::ShareType::kPipe) smb2::begin_look(entry->configured());
  }
  const auto handles = server.files.persistent->metrics();
  for (const auto& entry : shares->all()) {
    if (entry->type() == smb2::ShareType::kPipe) continue;
    std::string why = entry->absence();
    bool is_absent = !why.empty();
    if (!is_absent) {
      Trouble trouble = trouble_of(*entry, handles);
      is_absent = trouble.is_absent;
      why = std::move(trouble.why);
    }
    json row = {{"share", entry->name()},
                {"path", entry->configured().path},
                {"state", is_absent ? "absent" : "present"},
                {"in_use", entry->in_use() != nullptr}};
    if (!why.empty()) row["why"] = why;
    if (const auto space = is_absent ? std::nullopt : smb2::space_of(entry->configured())) {
      row["size_bytes"] = space->size_bytes;
      row["free_bytes"] = space->free_bytes;
    }
    all.push_back(std::move(row));
  }
  return all;
}

}  // namespace braid::admin
