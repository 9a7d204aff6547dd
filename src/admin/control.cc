#include "admin/control.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "admin/cluster_view.h"
#include "admin/event_view.h"
#include "admin/lease_view.h"
#include "admin/lock_view.h"
#include "admin/metrics.h"
#include "admin/open_view.h"
#include "admin/session_view.h"
#include "admin/share_view.h"
#include "admin/status_view.h"
#include "admin/witness_view.h"
#include "base/log.h"
#include "filestate/open_image.h"
#include "smb2/files/close_open.h"
#include "smb2/files/durable.h"
#include "smb2/files/open_name.h"
#include "smb2/opens/work_owner.h"
#include "smb2/server.h"
#include "wire/fold.h"

namespace braid::admin {
namespace {

using nlohmann::json;

Task<void> end(smb2::FileServices& files, std::shared_ptr<smb2::Open> open) {
  static_cast<void>(co_await smb2::close_open(files, std::move(open)));
}

json close_session(smb2::Server& server, SessionId id) {
  const bool closed = server.logons.end_session(id);
  if (closed) log::info("session {} was closed by the administrator", id_text(id.value));
  return {{"session", closed}, {"closed", closed}};
}

json close_channel(smb2::Server& server, SessionId id, uint64_t number) {
  const auto session = server.logons.session_table.find(id);
  bool closed = false;
  for (const auto& channel :
       session ? session->channels() : std::vector<std::shared_ptr<smb2::Channel>>{}) {
    const auto connection = channel->connection.lock();
    if (!connection || connection->number != number) continue;
    connection->disconnect();
    closed = true;
    log::info("channel {} of session {} was closed by the administrator", number,
              id_text(id.value));
  }
  return {{"session", session != nullptr}, {"closed", closed}};
}

json process_of(smb2::Server& server, const WorkerPlace& place,
                const std::vector<std::string_view>& waiting) {
  json process{{"supervisor", place.supervisor},
               {"process", ::getpid()},
               {"readings", server.readings()},
               {"configuration", server.settings.text_id()},
               {"waiting", waiting},
               {"version", place.version}};
  if (!place.upgrades) return process;
  const Upgrades upgrades = *place.upgrades->lock();
  process["upgrades"] = {{"attempts", upgrades.attempts}};
  if (!upgrades.last) return process;
  const UpgradeNews& last = *upgrades.last;
  process["upgrades"]["done"] = last.failure.empty();
  process["upgrades"]["failure"] = last.failure;
  process["upgrades"]["opens"] = last.done.opens;
  process["upgrades"]["pause_us"] = last.done.pause_us;
  return process;
}

// With a session, or one that waits for its client.
json close_open(smb2::Server& server, const std::string& id) {
  const auto number = parse_id(id);
  if (!number) return {{"closed", false}};
  smb2::FileServices& files = server.files;
  const auto tell = [&](const std::string& share, const std::string& path) {
    log::info("share '{}': open {} of '{}' was closed by the administrator", share, id, path);
    return json{{"closed", true}};
  };
  for (const auto& session : server.logons.session_table.all()) {
    for (const auto& open : session->opens()) {
      if (open->file_id.persistent != *number) continue;
      files.spawn(end(files, open));
      return tell(open->tree_connect->share->name, smb2::known_path(files, *open).text());
    }
  }
  auto claim = files.open_table.claim(*number);
  if (!claim.open) return {{"closed", false}};
  json told = tell(claim.open->share->name, claim.open->changes.path.text());
  files.spawn(smb2::close_claimed(files, std::move(*claim.open)));
  return told;
}

bool is_named(const std::shared_ptr<const auth::Identity>& who, const std::string& user) {
  return who && wire::equal_fold(who->account_name, user);
}

// Those that wait for their clients and that `concerns`. How many.
template <class Concerns>
uint64_t close_parked(smb2::Server& server, Concerns concerns) {
  smb2::FileServices& files = server.files;
  uint64_t closed = 0;
  for (const auto& parked : files.open_table.parked()) {
    if (!concerns(parked)) continue;
    const auto image = files.file_table.image_of(parked.ref);
    auto claim = files.open_table.claim(image ? image->persistent_id : parked.ref.token.value);
    if (!claim.open) continue;
    files.spawn(smb2::close_claimed(files, std::move(*claim.open)));
    ++closed;
  }
  return closed;
}

json kick(smb2::Server& server, const std::string& user) {
  uint64_t ended = 0;
  for (const auto& session : server.logons.session_table.all()) {
    if (!session->security() || !is_named(session->security()->user, user)) continue;
    if (server.logons.end_session(session->session_id)) ++ended;
  }
  const uint64_t opens =
      close_parked(server, [&](const auto& parked) { return is_named(parked.owner, user); });
  if (ended + opens > 0) {
    log::info("user '{}': {} sessions and {} opens of lost clients were ended by the administrator",
              user, ended, opens);
  }
  return {{"ended", ended}, {"opens", opens}};
}

Task<void> end_tree(smb2::FileServices& files, std::shared_ptr<smb2::Session> session,
                    std::shared_ptr<smb2::TreeConnect> tree) {
  WorkerPool::Seat seat(files.pool, smb2::work_of(nullptr, nullptr));
  co_await seat.schedule();
  co_await files.close_tree(std::move(session), std::move(tree));
}

// `user` empty: of all.
json disconnect_share(smb2::Server& server, const std::string& share, const std::string& user) {
  smb2::FileServices& files = server.files;
  uint64_t ended = 0;
  for (const auto& session : server.logons.session_table.all()) {
    if (!session->security()) continue;
    if (!user.empty() && !is_named(session->security()->user, user)) continue;
    for (const auto& tree : session->trees()) {
      if (tree->is_pipe() || !wire::equal_fold(tree->share->name, share)) continue;
      session->remove_tree(tree->tree_id);
      if (!tree->begin_close()) continue;
      files.spawn(end_tree(files, session, tree));
      ++ended;
    }
  }
  const uint64_t opens = close_parked(server, [&](const auto& parked) {
    return wire::equal_fold(parked.share, share) && (user.empty() || is_named(parked.owner, user));
  });
  if (ended + opens > 0) {
    log::info(
        "share '{}': {} connections and {} opens of lost clients were ended by the administrator",
        share, ended, opens);
  }
  return {{"ended", ended}, {"opens", opens}};
}

json result_of(smb2::Server& server, rpc::tcp::Server* rpc, const WorkerPlace& place,
               const std::vector<std::string_view>& waiting, const ControlRequest& request) {
  switch (request.command) {
    case Command::kShares:
      return shares_of(server);
    case Command::kSessions:
      return sessions_of(server);
    case Command::kOpens:
      return opens_of(server);
    case Command::kLocks:
      return locks_of(server);
    case Command::kLeases:
      return leases_of(server);
    case Command::kProcess:
      return process_of(server, place, waiting);
    case Command::kMetrics: {
      json metrics = metrics_of(server);
      add_cluster_metrics(place, metrics);
      return metrics;
    }
    case Command::kChannelClose:
      return close_channel(server, request.session, request.channel);
    case Command::kSessionClose:
      return close_session(server, request.session);
    case Command::kStatus:
      return status_of(server, place);
    case Command::kEvents:
      return events();
    case Command::kUserKick:
      return kick(server, request.user);
    case Command::kShareDisconnect:
      return disconnect_share(server, request.share, request.user);
    case Command::kOpenClose:
      return close_open(server, request.open);
    case Command::kCluster:
      return cluster_of(place);
    case Command::kWitnessList:
      return witness_registrations_of(rpc);
    case Command::kWitnessMove:
    case Command::kWitnessShareMove:
    case Command::kAddressMove:
      return move_by_witness(rpc, request);
    case Command::kWitnessEnd:
      return end_rpc_connection(rpc, request.channel);
    case Command::kAddressConnections:
    case Command::kAddressClose:
      return connections_at(server, request.address, request.command == Command::kAddressClose);
  }
  return {};
}

}  // namespace

std::string answer_control(smb2::Server& server, rpc::tcp::Server* rpc, const WorkerPlace& place,
                           const std::vector<std::string_view>& waiting, std::string_view line) {
  const auto request = decode_request(line);
  if (!request) return encode_error(place, request.error());
  return encode_result(place, result_of(server, rpc, place, waiting, *request));
}

}  // namespace braid::admin
