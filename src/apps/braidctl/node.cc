#include "apps/braidctl/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "admin/control_client.h"
#include "apps/braidctl/cluster.h"
#include "apps/braidctl/json_values.h"
#include "apps/braidctl/output.h"
#include "base/log.h"
#include "store/ctdb/cluster_look.h"
#include "store/ctdb/drain_notice.h"

namespace braid::braidctl {
namespace {

using admin::Command;
using nlohmann::json;
using store::ctdb::ClusterLook;
using store::ctdb::Node;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookAgain{200};
// Who is told by Witness has gone after so long, or does not want to.
constexpr std::chrono::seconds kTimeToGo{5};
constexpr size_t kNamedMax = 5;
// At the addresses, before CTDB is asked again to give them away.
constexpr int kLooksBetween = 5;

// Who is connected to this node.
struct Connected {
  uint64_t connections = 0;
  std::vector<std::string> who;
  std::set<std::string> addresses;  // of this node
};

json rows_of(const config::Config& config, Command command) {
  json all = json::array();
  const auto answers = admin::ask_running_workers(config.server.state_dir, {.command = command},
                                                  admin::Pause::kNoAnswer);
  if (!answers || !*answers) return all;
  for (const auto& [worker, result] : (*answers)->results) {
    if (result.is_array()) {
      for (const json& row : result) all.push_back(row);
    } else {
      all.push_back(result);
    }
  }
  return all;
}

Connected connected_to(const config::Config& config) {
  Connected found;
  for (const json& worker : rows_of(config, Command::kStatus)) {
    found.connections += number_of(worker, "connections");
  }
  if (found.connections == 0) return found;
  for (const json& session : rows_of(config, Command::kSessions)) {
    for (const json& channel : list_of(session, "channels")) {
      const std::string at = text_of(channel, "server");
      found.who.push_back(fmt::format("{} from {} at {}", text_of(session, "user"),
                                      text_of(channel, "client"), at));
      const auto host =
          at.starts_with('[') ? at.substr(1, at.find(']') - 1) : at.substr(0, at.rfind(':'));
      found.addresses.insert(host);
    }
  }
  std::ranges::sort(found.who);
  return found;
}

std::string text_of(const Connected& connected) {
  std::string text =
      fmt::format("{} connection{}", connected.connections, connected.connections == 1 ? "" : "s");
  for (size_t i = 0; i < connected.who.size() && i < kNamedMax; ++i) {
    text += fmt::format("{} {}", i == 0 ? ":" : ",", connected.who[i]);
  }
  if (connected.who.size() > kNamedMax) text += ", ...";
  return text;
}

class Drain {
 public:
  Drain(const config::Config& config, const NodeArguments& arguments)
      : config_(config),
        arguments_(arguments),
        end_(Clock::now() + std::chrono::seconds(arguments.wait_s)) {}

  int run() {
    const auto look = store::ctdb::look_at_cluster({.socket_path = config_.server.cluster});
    if (!look) return ctdbd_is_silent(config_, look.error());
    if (!has_others(*look)) {
      return complain(
          "no other node of the cluster serves, so clients have nowhere to go; start one, or stop "
          "the server here");
    }
    Bytes notice;
    wire::Writer w(notice);
    store::ctdb::DrainNotice{.node = look->node}.encode(w);
    if (const auto said = store::ctdb::say_to_cluster(config_.server.cluster,
                                                      store::ctdb::kDrainNumber, std::move(notice));
        !said) {
      return ctdbd_is_silent(config_, said.error());
    }
    wait_for_clients(std::min(end_, Clock::now() + kTimeToGo), "clients that Witness tells to go");
    if (const auto done = store::ctdb::set_disabled(config_.server.cluster, true); !done) {
      return ctdbd_is_silent(config_, done.error());
    }
    if (!wait_for_addresses(look->node)) return kCannotDo;
    Connected left = wait_for_clients(end_, "clients at addresses that stay here");
    if (left.connections > 0 && !arguments_.end) {
      return complain(fmt::format(
          "node {} has no movable address any more, and {}; have them end, or give --end",
          look->node, text_of(left)));
    }
    const uint64_t ended = left.connections;
    if (ended > 0) end_connections(left);
    if (arguments_.json) {
      fmt::print("{{\"node\": {}, \"ended\": {}}}\n", look->node, ended);
    } else {
      fmt::print(
          "node {} is empty, {} connections ended; braidctl node undrain gives it addresses "
          "again\n",
          look->node, ended);
    }
    return 0;
  }

 private:
  // As ctdbd says, and where a server runs here, as that knows.
  bool has_others(const ClusterLook& look) const {
    const json facts = rows_of(config_, Command::kCluster);
    return std::ranges::any_of(look.nodes, [&](const Node& each) {
      if (each.pnn == look.node || !each.is_active() || (each.flags & Node::kDisabled) != 0) {
        return false;
      }
      const bool is_known = !facts.empty() && facts.front().is_object();
      return !is_known || std::ranges::any_of(list_of(facts.front(), "serving"),
                                              [&](const json& node) { return node == each.pnn; });
    });
  }

  void say(const std::string& what) {
    if (arguments_.json || what == said_) return;
    said_ = what;
    fmt::print("waiting for {}\n", printable(what));
    std::fflush(stdout);
  }

  Connected wait_for_clients(Clock::time_point end, const char* which) {
    Connected left = connected_to(config_);
    while (left.connections > 0 && Clock::now() < end) {
      say(fmt::format("{}: {}", which, text_of(left)));
      std::this_thread::sleep_for(kLookAgain);
      left = connected_to(config_);
    }
    return left;
  }

  bool wait_for_addresses(uint32_t node) {
    for (;;) {
      const auto look = store::ctdb::look_at_cluster({.socket_path = config_.server.cluster});
      if (!look) {
        ctdbd_is_silent(config_, look.error());
        return false;
      }
      std::string here;
      for (const auto& each : look->addresses) {
        if (each.pnn == node) here += (here.empty() ? "" : ", ") + each.address.to_string();
      }
      if (here.empty()) return true;
      if (Clock::now() >= end_) {
        complain(
            fmt::format("CTDB has not given {} to another node yet; ctdb status and its log "
                        "say why",
                        here));
        return false;
      }
      say("CTDB to give " + here + " to another node");
      // It may have been told not to move any for a while: it is asked again.
      std::this_thread::sleep_for(kLooksBetween * kLookAgain);
      if (const auto done = store::ctdb::set_disabled(config_.server.cluster, true); !done) {
        ctdbd_is_silent(config_, done.error());
        return false;
      }
    }
  }

  void end_connections(const Connected& left) const {
    for (const std::string& address : left.addresses) {
      (void)admin::ask_running_workers(config_.server.state_dir,
                                       {.command = Command::kAddressClose, .address = address},
                                       admin::Pause::kNoAnswer);
    }
  }

  const config::Config& config_;
  const NodeArguments& arguments_;
  const Clock::time_point end_;
  std::string said_;
};

}  // namespace

int drain_node(const config::Config& config, const NodeArguments& arguments) {
  if (config.server.cluster.empty()) return no_cluster();
  log::set_level(log::Level::kError);
  return Drain(config, arguments).run();
}

int undrain_node(const config::Config& config, const NodeArguments& arguments) {
  if (config.server.cluster.empty()) return no_cluster();
  log::set_level(log::Level::kError);
  if (const auto done = store::ctdb::set_disabled(config.server.cluster, false); !done) {
    return ctdbd_is_silent(config, done.error());
  }
  if (arguments.json) {
    fmt::print("{{\"done\": true}}\n");
  } else {
    fmt::print("CTDB may give it addresses again\n");
  }
  return 0;
}

}  // namespace braid::braidctl
