#include "admin/status_view.h"

#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "admin/share_view.h"
#include "config/restart.h"
#include "smb2/audit/audit_log.h"
#include "smb2/server.h"

namespace braid::admin {

using nlohmann::json;

namespace {

json audit_of(const smb2::Server& server) {
  if (!server.files.audit) return nullptr;
  const auto state = server.files.audit->state();
  return {{"target", state.target},
          {"written", state.written},
          {"lost", state.lost},
          {"failure", state.failure}};
}

}  // namespace

json status_of(const smb2::Server& server, const WorkerPlace& place) {
  uint64_t sessions = 0;
  uint64_t opens = 0;
  std::set<std::string> users;
  for (const auto& session : server.logons.session_table.all()) {
    if (!session->security()) continue;
    ++sessions;
    opens += session->open_count();
    if (const auto identity = session->principal().identity) users.insert(identity->account_name);
  }
  json penalties = json::array();
  for (const auto& each : server.logons.penalties.penalties(kPenaltiesShownMax)) {
    penalties.push_back({{"address", each.address},
                         {"account", each.account},
                         {"failures", each.failures},
                         {"wait_ms", each.wait.count()}});
  }
  json runs = json::object();
  for (const auto& [key, value] : config::restart_values(*server.settings.server())) {
    runs[std::string(key)] = value;
  }
  const auto uptime =
      std::chrono::duration_cast<std::chrono::seconds>(system_clock().monotonic() - place.started);
  return {{"version", place.version},
          {"supervisor", place.supervisor},
          {"configuration", server.settings.text_id()},
          {"pid", ::getpid()},
          {"uptime_seconds", uptime.count()},
          {"restarts", place.restarts},
          {"connections", server.connections().size()},
          {"sessions", sessions},
          {"opens", opens},
          {"users", users},
          {"memory_used", server.memory->used()},
          {"memory_limit", server.memory->limit()},
          {"audit", audit_of(server)},
          {"shares", shares_of(server)},
          {"penalties", std::move(penalties)},
          {"runs", std::move(runs)}};
}

}  // namespace braid::admin
