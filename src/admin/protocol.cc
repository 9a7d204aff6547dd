#include "admin/protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace braid::admin {
namespace {

using nlohmann::json;

struct Name {
  Command command;
  std::string_view text;
  bool takes_session;
  bool takes_channel;
  // Texts, and where they go.
  std::array<std::pair<const char*, std::string ControlRequest::*>, 2> texts{};
};
constexpr std::pair kClient{"client", &ControlRequest::client};
constexpr std::pair kOpen{"open", &ControlRequest::open};
constexpr std::pair kShare{"share", &ControlRequest::share};
constexpr std::pair kUser{"user", &ControlRequest::user};
constexpr std::pair kAddress{"address", &ControlRequest::address};
constexpr std::array kNames{
    Name{Command::kShares, "shares", false, false},
    Name{Command::kSessions, "sessions", false, false},
    Name{Command::kOpens, "opens", false, false},
    Name{Command::kLocks, "locks", false, false},
    Name{Command::kLeases, "leases", false, false},
    Name{Command::kMetrics, "metrics", false, false},
    Name{Command::kProcess, "process", false, false},
    Name{Command::kChannelClose, "channel close", true, true},
    Name{Command::kSessionClose, "session close", true, false},
    Name{Command::kOpenClose, "open close", false, false, {kOpen}},
    Name{Command::kStatus, "status", false, false},
    Name{Command::kEvents, "events", false, false},
    Name{Command::kUserKick, "user kick", false, false, {kUser}},
    Name{Command::kShareDisconnect, "share disconnect", false, false, {kShare, kUser}},
    Name{Command::kWitnessList, "witness list", false, false},
    Name{Command::kWitnessMove, "witness move", false, false, {kClient, kAddress}},
    Name{Command::kWitnessShareMove, "witness share-move", false, false, {kShare, kAddress}},
    Name{Command::kWitnessEnd, "witness end", false, true},
    Name{Command::kAddressMove, "address move", false, false, {kAddress}},
    Name{Command::kAddressConnections, "address connections", false, false, {kAddress}},
    Name{Command::kAddressClose, "address close", false, false, {kAddress}},
    Name{Command::kCluster, "cluster", false, false},
};

std::string line_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

json envelope(const WorkerPlace& place) {
  return {{"version", kProtocolVersion}, {"worker", place.index}, {"workers", place.workers}};
}

std::unexpected<std::string> refuse(std::string line) { return std::unexpected(std::move(line)); }

}  // namespace

std::string id_text(uint64_t id) { return fmt::format("{:#x}", id); }

std::string time_text(FileTime time) {
  if (time.ticks == 0) return "";
  const timespec seconds = to_timespec(time);
  std::tm parts{};
  ::gmtime_r(&seconds.tv_sec, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::expected<uint64_t, std::string> parse_id(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with("0x") || digits.starts_with("0X")) digits.remove_prefix(2);
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id, 16);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return refuse(
        fmt::format("{} is no id; give hexadecimal digits as braidctl sessions shows them",
                    text.substr(0, 40)));
  }
  return id;
}

std::expected<ControlRequest, std::string> decode_request(std::string_view line) {
  const json value = json::parse(line, nullptr, false);
  if (!value.is_object()) return refuse("the request is not a JSON object");
  const auto number = [&](const char* key) -> std::optional<uint64_t> {
    const auto found = value.find(key);
    if (found == value.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<uint64_t>();
  };
  const auto text = [&](const char* key) -> std::optional<std::string> {
    const auto found = value.find(key);
    if (found == value.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
  };
  if (number("version") != uint64_t{kProtocolVersion}) {
    return refuse(fmt::format(
        "the server speaks version {} of the control protocol; use the braidctl installed with it",
        kProtocolVersion));
  }
  const auto command = text("command");
  const auto name = std::ranges::find_if(
      kNames, [&](const Name& each) { return command && each.text == *command; });
  if (name == kNames.end()) {
    return refuse("the server does not know this command; use the braidctl installed with it");
  }
  ControlRequest request{.command = name->command};
  if (name->takes_session) {
    const auto id = text("session");
    if (!id) return refuse("the request names no session");
    const auto parsed = parse_id(*id);
    if (!parsed) return refuse(parsed.error());
    request.session = SessionId{*parsed};
  }
  if (name->takes_channel) {
    const auto channel = number("channel");
    if (!channel) return refuse("the request names no channel");
    request.channel = *channel;
  }
  for (const auto& [key, member] : name->texts) {
    if (!key) continue;
    const auto given = text(key);
    if (!given) return refuse(fmt::format("the request names no {}", key));
    request.*member = *given;
  }
  const auto elsewhere = value.find("elsewhere");
  if (elsewhere != value.end()) {
    if (!elsewhere->is_boolean())
      return refuse("the request says neither true nor false to elsewhere");
    request.elsewhere = elsewhere->get<bool>();
  }
  return request;
}

std::string encode_request(const ControlRequest& request) {
  const auto name = std::ranges::find(kNames, request.command, &Name::command);
  json value{{"version", kProtocolVersion}, {"command", name->text}};
  if (name->takes_session) value["session"] = id_text(request.session.value);
  if (name->takes_channel) value["channel"] = request.channel;
  for (const auto& [key, member] : name->texts) {
    if (key) value[key] = request.*member;
  }
  if (request.elsewhere) value["elsewhere"] = true;
  return line_of(value);
}

std::string encode_result(const WorkerPlace& place, json result) {
  json value = envelope(place);
  value["result"] = std::move(result);
  return line_of(value);
}

std::string encode_error(const WorkerPlace& place, std::string_view error) {
  json value = envelope(place);
  value["error"] = error;
  return line_of(value);
}

std::string socket_name(size_t worker) { return fmt::format("{}", worker); }

}  // namespace braid::admin
