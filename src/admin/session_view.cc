#include "admin/session_view.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_map>

#include "admin/algorithm_names.h"
#include "admin/interface_names.h"
#include "admin/protocol.h"
#include "smb2/server.h"

namespace braid::admin {
namespace {

using admin::name_of;
using nlohmann::json;

std::string_view name_of(smb2::SessionState state) {
  switch (state) {
    case smb2::SessionState::kInProgress:
      return "logging on";
    case smb2::SessionState::kValid:
      return "valid";
    case smb2::SessionState::kExpired:
      return "expired";
    case smb2::SessionState::kClosed:
      return "closed";
  }
  return "";
}

std::string_view name_of(codec::Algorithm algorithm) {
  switch (algorithm) {
    case codec::Algorithm::kLznt1:
      return "LZNT1";
    case codec::Algorithm::kLz77:
      return "LZ77";
    case codec::Algorithm::kLz77Huffman:
      return "LZ77+Huffman";
    case codec::Algorithm::kLz4:
      return "LZ4";
  }
  return "";
}

json compression_view(const smb2::Connection& connection) {
  const auto& negotiated = connection.negotiated.compression;
  const auto& counters = connection.compression_counters;
  const auto direction = [](const smb2::CompressionCounters::Direction& counted) -> json {
    return {{"messages", counted.messages.load(std::memory_order_relaxed)},
            {"bytes", counted.wire_bytes.load(std::memory_order_relaxed)},
            {"plain_bytes", counted.plain_bytes.load(std::memory_order_relaxed)}};
  };
  if (!negotiated.is_on()) return nullptr;
  return {{"sent_with", negotiated.sent_with ? name_of(*negotiated.sent_with) : "Pattern_V1"},
          {"chained", negotiated.supports_chained_compression},
          {"in", direction(counters.in)},
          {"out", direction(counters.out)}};
}

json channel_view(const smb2::Connection& connection, const InterfaceNames& interfaces) {
  const transport::Transport& transport = connection.transport();
  const auto& counters = connection.counters;
  // What is sent and queued grows, so it is asked for later.
  const uint64_t acknowledged = transport.bytes_acknowledged();
  const uint64_t sent = transport.bytes_sent();
  return {{"channel", connection.number},
          {"client", transport.peer().to_string()},
          {"server", transport.local().to_string()},
          {"interface", interfaces.of(transport.local().host())},
          {"rdma", connection.transport().remote_memory() != nullptr},
          {"bytes_in", counters.bytes_received.load(std::memory_order_relaxed)},
          {"bytes_out", sent},
          {"requests", counters.requests.load(std::memory_order_relaxed)},
          {"requests_in_flight", counters.requests_in_flight.load(std::memory_order_relaxed)},
          {"unsent_bytes", transport.bytes_queued() - sent},
          {"unacknowledged_bytes", sent - acknowledged},
          {"compression", compression_view(connection)},
          {"state", transport.is_closed() ? "closing" : "active"}};
}

uint64_t seconds_since(FileTime then, FileTime now) {
  return then.ticks != 0 && now.ticks > then.ticks ? (now.ticks - then.ticks) / kTicksPerSecond : 0;
}

json trees_view(const smb2::Session& session, FileTime now) {
  std::unordered_map<const smb2::TreeConnect*, uint64_t> opens;
  for (const auto& open : session.opens()) ++opens[open->tree_connect.get()];
  json all = json::array();
  for (const auto& tree : session.trees()) {
    all.push_back({{"tree", tree->tree_id.value},
                   {"share", tree->share->name},
                   {"opens", opens[tree.get()]},
                   {"active_seconds", seconds_since(tree->connected_at, now)}});
  }
  return all;
}

json session_view(const smb2::Session& session, FileTime now, const InterfaceNames& interfaces) {
  const smb2::SessionSecurity& security = *session.security();
  const auto identity = session.principal().identity;
  const uint64_t last_used = session.last_used().ticks;
  json view{{"session", id_text(session.session_id.value)},
            {"user", identity ? identity->account_name : ""},
            {"domain", identity ? identity->domain : ""},
            {"client_guid", guid_text(session.client_guid)},
            {"state", name_of(session.state(now))},
            {"dialect", wire::name_of(security.dialect)},
            {"signing", security.signing_key ? name_of(security.signing_key->algorithm()) : "off"},
            {"signing_required", security.signing_required},
            {"encryption", security.encrypt_data ? name_of(security.cipher) : "off"},
            {"opens", session.open_count()},
            {"idle_seconds", seconds_since({last_used}, now)},
            {"active_seconds", seconds_since(session.first_used(), now)},
            {"logged_on", time_text(security.logged_on_at)},
            {"method", security.method},
            {"machine", security.machine},
            {"client", ""},
            {"trees", trees_view(session, now)},
            {"channels", json::array()}};
  for (const auto& channel : session.channels()) {
    const auto connection = channel->connection.lock();
    if (!connection) continue;
    if (view["channels"].empty()) view["client"] = connection->peer_host();
    view["channels"].push_back(channel_view(*connection, interfaces));
  }
  return view;
}

}  // namespace

std::string guid_text(const ClientGuid& guid) {
  const auto& b = guid.bytes;
  return fmt::format(
      "{:02x}{:02x}{:02x}{:02x}-{:02x}{:02x}-{:02x}{:02x}-{:02x}{:02x}-"
      "{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}",
      b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
      b[15]);
}

json sessions_of(const smb2::Server& server) {
  const InterfaceNames interfaces;
  const FileTime now = server.logons.clock.now();
  json all = json::array();
  for (const auto& session : server.logons.session_table.all()) {
    // The rest is being authenticated, and nobody knows yet who it is.
    if (session->security()) all.push_back(session_view(*session, now, interfaces));
  }
  return all;
}

}  // namespace braid::admin
