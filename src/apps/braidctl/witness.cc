#include "apps/braidctl/witness.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "admin/control_client.h"
#include "apps/braidctl/output.h"
#include "apps/braidctl/table.h"
#include "base/ip_address.h"
#include "config/keys.h"
#include "network/interfaces.h"
#include "wire/fold.h"

namespace braid::braidctl {
namespace {

using admin::Command;
using admin::ControlRequest;
using nlohmann::json;

// How often it is looked whether clients have left.
constexpr std::chrono::milliseconds kLookAgain{200};

std::optional<admin::Answers> ask_all(const config::Config& config, const ControlRequest& request) {
  auto answers = admin::ask_workers(config.server.state_dir, request);
  if (!answers) {
    complain(answers.error());
    return std::nullopt;
  }
  for (const std::string& line : answers->missing) complain(line);
  return std::move(*answers);
}

// Also when who has it gave no answer, which has been said then.
int witness_is_off(const config::Config& config, const std::vector<std::string>& missing) {
  if (!missing.empty()) return kCannotDo;
  if (config.server.witness) {
    return complain(
        fmt::format("Witness is off until the server is started again with {}", config.file));
  }
  return complain(fmt::format("Witness is off; set witness = true in {} and start the server again",
                              config.file));
}

int bad_address(const std::string& address) {
  return complain(fmt::format("{} is no address in numbers", address));
}

struct Told {
  std::vector<std::string> missing = {};
  bool has_witness = false;
  std::string refusal = {};
  uint64_t registrations = 0;
};
std::optional<Told> tell(const config::Config& config, const ControlRequest& request) {
  const auto answers = ask_all(config, request);
  if (!answers) return std::nullopt;
  Told told{.missing = answers->missing};
  for (const auto& [worker, result] : answers->results) {
    told.has_witness |= result.value("witness", false);
    const json refusal = result.value("refusal", json());
    if (refusal.is_string()) told.refusal = refusal.get<std::string>();
    told.registrations += result.value("registrations", uint64_t{0});
  }
  return told;
}

std::string refusal_line(const std::string& refusal, const std::string& address) {
  if (refusal == "unusable") {
    return fmt::format("{} is an address that no client can be sent to; give one of this machine",
                       address);
  }
  if (refusal == "unavailable") {
    return fmt::format("{} cannot be used now: its link is down, or it is not ready", address);
  }
  if (IpAddress::parse(address)) {
    return fmt::format(
        "{} is none of the addresses that clients are told of (braidctl interfaces); if it is "
        "another machine's, give --elsewhere",
        address);
  }
  return fmt::format(
      "{} is no address in numbers (without a port), and no name of a machine that Witness knows",
      address);
}

// What a move did. `whom`: for who finds nobody.
int report(const config::Config& config, const WitnessArguments& arguments,
           const std::optional<Told>& told, const std::string& whom) {
  if (!told) return kCannotDo;
  if (!told->has_witness) return witness_is_off(config, told->missing);
  if (!told->refusal.empty()) return complain(refusal_line(told->refusal, arguments.address));
  if (told->registrations == 0) {
    return complain(fmt::format("{}; braidctl witness list shows who is registered", whom));
  }
  if (arguments.json) {
    fmt::print("{{\"registrations\": {}}}\n", told->registrations);
  } else {
    fmt::print("{} told to use {}\n", told->registrations, printable(arguments.address));
  }
  return 0;
}

std::string registration_text(const json& row, const char* key) {
  const json value = row.value(key, json());
  return printable(value.is_string() ? value.get<std::string>() : value.dump());
}

// How many connections to the address there are; they are ended with kAddressClose.
std::optional<uint64_t> connections_to(const config::Config& config, Command command,
                                       const std::string& address) {
  const auto answers = ask_all(config, {.command = command, .address = address});
  if (!answers) return std::nullopt;
  uint64_t count = 0;
  for (const auto& [worker, result] : answers->results) {
    count += result.value("connections", uint64_t{0});
  }
  return count;
}

// A line when the server has no such share. Not of the configuration: another may be running.
std::optional<std::string> no_such_share(const config::Config& config, const std::string& name) {
  const auto answers = admin::ask_workers(config.server.state_dir, {.command = Command::kShares});
  if (!answers) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& [worker, rows] : answers->results) {
    for (const json& row : rows) {
      const json known = row.value("share", json());
      if (known.is_string()) names.push_back(known.get<std::string>());
    }
  }
  if (std::ranges::any_of(names, [&](const auto& each) { return wire::equal_fold(each, name); })) {
    return std::nullopt;
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  const auto guess = config::nearest(name, known);
  return fmt::format(
      "there is no share {}; {}", name,
      guess ? fmt::format("did you mean {}?", *guess) : std::string("braidctl shares shows them"));
}

bool is_of_this_machine(const config::Config& config, const IpAddress& address) {
  const auto all = network::Interfaces(config.server).judge({});
  return !all || std::ranges::any_of(*all, [&](const network::Offer& each) {
    return each.address.address == address;
  });
}

}  // namespace

int list_registrations(const config::Config& config, const WitnessArguments& arguments) {
  const auto answers = ask_all(config, {.command = Command::kWitnessList});
  if (!answers) return kCannotDo;
  json all = json::array();
  bool has_witness = false;
  for (const auto& [worker, rows] : answers->results) {
    has_witness |= rows.is_array();
    for (const json& row : rows) all.push_back(row);
  }
  if (!has_witness) return witness_is_off(config, answers->missing);
  if (arguments.json) {
    fmt::print("{}\n", json_text(all));
    return 0;
  }
  if (all.empty()) {
    fmt::print("no registrations\n");
    return 0;
  }
  Table table({"CLIENT", "USER", "FROM", "CONNECTION", "SERVER", "SHARE", "ADDRESS", "VERSION",
               "STATE", "UNTOLD"});
  for (const json& row : all) {
    table.add({registration_text(row, "client"), registration_text(row, "user"),
               registration_text(row, "client_address"), registration_text(row, "connection"),
               registration_text(row, "server"), registration_text(row, "share"),
               registration_text(row, "address"), registration_text(row, "version"),
               registration_text(row, "state"), registration_text(row, "untold")});
  }
  table.print();
  return 0;
}

int move_clients(const config::Config& config, const WitnessArguments& arguments) {
  if (arguments.client.empty()) return complain("the client has no name");
  const auto told = tell(config, {.command = Command::kWitnessMove,
                                  .client = arguments.client,
                                  .address = arguments.address,
                                  .elsewhere = arguments.elsewhere});
  return report(config, arguments, told,
                fmt::format("no client is registered as {}", arguments.client));
}

int move_share(const config::Config& config, const WitnessArguments& arguments) {
  const auto told = tell(config, {.command = Command::kWitnessShareMove,
                                  .share = arguments.share,
                                  .address = arguments.address,
                                  .elsewhere = arguments.elsewhere});
  if (told && told->has_witness && told->refusal.empty() && told->registrations == 0) {
    if (const auto line = no_such_share(config, arguments.share)) return complain(*line);
  }
  return report(config, arguments, told,
                fmt::format("no client is registered for the share {}", arguments.share));
}

int end_connection(const config::Config& config, const WitnessArguments& arguments) {
  const auto answers =
      ask_all(config, {.command = Command::kWitnessEnd, .channel = arguments.connection});
  if (!answers) return kCannotDo;
  bool has_witness = false;
  bool ended = false;
  for (const auto& [worker, result] : answers->results) {
    has_witness |= result.value("witness", false);
    ended |= result.value("ended", false);
  }
  if (!has_witness) return witness_is_off(config, answers->missing);
  if (!ended) {
    return complain(
        fmt::format("there is no connection {} to Witness; braidctl witness list shows those with "
                    "registrations",
                    arguments.connection));
  }
  if (arguments.json) {
    fmt::print("{{\"ended\": {}}}\n", arguments.connection);
  } else {
    fmt::print("connection {} ended; its client may register again\n", arguments.connection);
  }
  return 0;
}

int drain_address(const config::Config& config, const WitnessArguments& arguments) {
  const std::string& address = arguments.address;
  const auto parsed = IpAddress::parse(address);
  if (!parsed) return bad_address(address);
  const auto told = tell(config, {.command = Command::kAddressMove, .address = address});
  if (!told) return kCannotDo;
  if (!told->refusal.empty()) {
    return complain(fmt::format(
        "there is no other address that clients could use; braidctl interfaces shows them"));
  }
  if (!told->has_witness) return witness_is_off(config, told->missing);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(arguments.wait_s);
  auto left = connections_to(config, Command::kAddressConnections, address);
  // One that was taken away already may have connections left.
  if (left && *left == 0 && told->registrations == 0 && !is_of_this_machine(config, *parsed)) {
    return complain(
        fmt::format("{} is no address of this machine; braidctl interfaces shows them", address));
  }
  while (left && *left > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kLookAgain);
    left = connections_to(config, Command::kAddressConnections, address);
  }
  if (left && *left > 0) left = connections_to(config, Command::kAddressClose, address);
  if (!left) return kCannotDo;
  if (arguments.json) {
    fmt::print("{{\"registrations\": {}, \"ended\": {}}}\n", told->registrations, *left);
  } else {
    fmt::print("{} told to use another address, {} connections ended\n", told->registrations,
               *left);
  }
  return 0;
}

}  // namespace braid::braidctl
