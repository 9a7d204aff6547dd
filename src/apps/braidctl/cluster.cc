#include "apps/braidctl/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/control_client.h"
#include "apps/braidctl/cluster_check.h"
#include "apps/braidctl/json_values.h"
#include "apps/braidctl/output.h"
#include "apps/braidctl/table.h"
#include "base/log.h"
#include "store/ctdb/cluster_look.h"

namespace braid::braidctl {
namespace {

using admin::Command;
using nlohmann::json;
using nlohmann::ordered_json;
using store::ctdb::ClusterLook;
using store::ctdb::Node;

// A leader says every second that it is one.
constexpr std::chrono::milliseconds kLeaderMax{2'500};

// What the running server knows. A line: there is none that answers, or it is no node.
std::expected<json, std::string> facts_of(const config::Config& config) {
  const auto answers = admin::ask_running_workers(
      config.server.state_dir, {.command = Command::kCluster}, admin::Pause::kNoAnswer);
  if (!answers) return std::unexpected(answers.error());
  if (*answers) {
    for (const auto& [worker, result] : (*answers)->results) {
      if (result.is_object()) return result;
    }
  }
  return std::unexpected("no server of a node runs here, or it waits for the other nodes");
}

bool has(const json& facts, const char* set, uint32_t node) {
  return facts.is_object() &&
         std::ranges::any_of(list_of(facts, set), [&](const json& each) { return each == node; });
}

struct Flag {
  uint32_t bit;
  const char* name;
};
constexpr std::array kFlags{
    Flag{Node::kDisconnected, "disconnected"}, Flag{Node::kUnhealthy, "unhealthy"},
    Flag{Node::kDisabled, "disabled"},         Flag{Node::kBanned, "banned"},
    Flag{Node::kDeleted, "deleted"},           Flag{Node::kStopped, "stopped"}};

std::string state_of(const Node& node) {
  std::string text;
  for (const Flag& flag : kFlags) {
    if ((node.flags & flag.bit) != 0) text += (text.empty() ? "" : ",") + std::string(flag.name);
  }
  return text.empty() ? "ok" : text;
}

// As the server of this node knows.
std::string_view server_of(const json& facts, uint32_t node) {
  if (!facts.is_object()) return "unknown";
  if (has(facts, "serving", node)) return "serves";
  return has(facts, "there", node) ? "joins" : "absent";
}

std::vector<std::string> addresses_of(const ClusterLook& look, uint32_t node) {
  std::vector<std::string> all;
  for (const auto& each : look.addresses) {
    if (each.pnn == node) all.push_back(each.address.to_string());
  }
  return all;
}

void print_json(const ClusterLook& look, const json& facts) {
  ordered_json nodes = ordered_json::array();
  for (const Node& each : look.nodes) {
    nodes.push_back({{"node", each.pnn},
                     {"address", each.endpoint.address.to_string()},
                     {"state", state_of(each)},
                     {"server", server_of(facts, each.pnn)},
                     {"addresses", addresses_of(look, each.pnn)}});
  }
  ordered_json lost = ordered_json::array();
  for (const auto& each : look.addresses) {
    if (each.pnn == store::ctdb::kNoNode) lost.push_back(each.address.to_string());
  }
  ordered_json all{{"node", look.node},
                   {"leader", nullptr},
                   {"recovering", look.is_recovering},
                   {"nodes", std::move(nodes)},
                   {"addresses_of_nobody", std::move(lost)},
                   {"records", nullptr},
                   {"coming", nullptr},
                   {"leaving", nullptr}};
  if (look.leader) all["leader"] = *look.leader;
  for (const char* key : {"records", "coming", "leaving"}) {
    if (facts.is_object()) all[key] = number_of(facts, key);
  }
  fmt::print("{}\n", json_text(all));
}

void print_text(const ClusterLook& look, const json& facts) {
  fmt::print("This is node {}; {}\n", look.node,
             look.leader ? fmt::format("node {} leads", *look.leader)
                         : std::string("no node is heard that leads"));
  if (look.is_recovering) fmt::print("CTDB puts its databases in order: nobody is served now\n");
  if (facts.is_object()) {
    fmt::print("Records of open files here: {}; coming: {}; leaving: {}\n",
               number_of(facts, "records"), number_of(facts, "coming"),
               number_of(facts, "leaving"));
  } else {
    fmt::print("{}\n", printable(facts.get<std::string>()));
  }
  Table table({"NODE", "ADDRESS", "STATE", "SERVER", "MOVABLE ADDRESSES"});
  for (const Node& each : look.nodes) {
    std::string addresses;
    for (const std::string& address : addresses_of(look, each.pnn)) {
      addresses += (addresses.empty() ? "" : " ") + address;
    }
    table.add({std::to_string(each.pnn), each.endpoint.address.to_string(), state_of(each),
               std::string(server_of(facts, each.pnn)), addresses});
  }
  table.print();
  for (const auto& each : look.addresses) {
    if (each.pnn == store::ctdb::kNoNode) {
      fmt::print("no node has {}\n", each.address.to_string());
    }
  }
}

}  // namespace

int no_cluster() {
  return complain(
      "this machine is no node of a cluster: cluster in [server] of the configuration is empty");
}

int ctdbd_is_silent(const config::Config& config, Error why) {
  return complain(fmt::format("ctdbd cannot be asked at {}: {}; start it, or correct cluster in {}",
                              config.server.cluster, why.message(), config.file));
}

int show_cluster(const config::Config& config, const ClusterArguments& arguments) {
  if (config.server.cluster.empty()) return no_cluster();
  log::set_level(log::Level::kError);
  const auto look = store::ctdb::look_at_cluster(
      {.socket_path = config.server.cluster, .leader_max = kLeaderMax});
  if (!look) return ctdbd_is_silent(config, look.error());
  const auto answer = facts_of(config);
  // A text: why there are none.
  const json facts = answer ? *answer : json(answer.error());
  if (arguments.json) {
    print_json(*look, facts);
  } else {
    print_text(*look, facts);
  }
  return 0;
}

int is_cluster_ready(const config::Config& config, const ClusterArguments& arguments) {
  if (config.server.cluster.empty()) return no_cluster();
  const auto facts = facts_of(config);
  if (!facts) return complain(facts.error());
  const auto node = static_cast<uint32_t>(number_of(*facts, "node"));
  if (!has(*facts, "serving", node)) return complain(fmt::format("node {} does not serve", node));
  if (arguments.json) {
    fmt::print("{{\"node\": {}}}\n", node);
  } else {
    fmt::print("node {} serves\n", node);
  }
  return 0;
}

std::vector<std::string> unfit_for_cluster(const config::Config& config) {
  if (config.server.cluster.empty()) return {};
  log::set_level(log::Level::kError);
  const auto look = store::ctdb::look_at_cluster(
      {.socket_path = config.server.cluster, .tunables = looked_at_tunables()});
  if (look) return unfit_tunables(look->tunables);
  return {fmt::format("the settings of ctdbd were not looked at: {}: {}", config.server.cluster,
                      look.error().message())};
}

}  // namespace braid::braidctl
