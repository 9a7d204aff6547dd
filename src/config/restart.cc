#include "config/restart.h"

#include <utility>

#include "config/keys.h"

namespace braid::config {

std::vector<std::string_view> waiting_keys(const Server& started, const Server& wanted) {
  std::vector<std::string_view> names;
  for (const Key<Server>& key : server_keys()) {
    if (key.at_restart && !key.at_restart.is_same(started, wanted)) names.push_back(key.name);
  }
  return names;
}

std::vector<std::pair<std::string_view, std::string>> restart_values(const Server& server) {
  std::vector<std::pair<std::string_view, std::string>> values;
  for (const Key<Server>& key : server_keys()) {
    if (key.at_restart && key.shown) values.emplace_back(key.name, key.shown(server));
  }
  return values;
}

Snapshot until_restart(const Server& started, const Config& wanted) {
  auto config = std::make_shared<Config>(wanted);
  for (const Key<Server>& key : server_keys()) {
    if (key.at_restart) key.at_restart.keep(config->server, started);
  }
  config->server.witness_port_used = started.witness_port_used;
  return config;
}

bool is_memory_limit_too_low(const Server& server) {
  return server.memory_limit_mib != 0 &&
         server.memory_limit_mib < uint64_t{kMemoryOfWorkerMinMib} * server.workers;
}

}  // namespace braid::config
