#include "apps/braidd/upgrade_state.h"

#include <nlohmann/json.hpp>

namespace braid::braidd {
namespace {

using nlohmann::json;

json json_of(const ListenerState& listener) {
  return {{"fd", listener.fd},     {"address", listener.address},
          {"host", listener.host}, {"wanted", listener.wanted},
          {"port", listener.port}, {"service", static_cast<uint32_t>(listener.service)}};
}

json json_of(const ChildState& child) {
  return {{"name", child.name},
          {"arguments", child.arguments},
          {"pid", child.pid},
          {"control", child.control}};
}

template <class T>
void take(const json& from, const char* key, T& into) {
  if (const auto found = from.find(key); found != from.end()) found->get_to(into);
}

ListenerState listener_of(const json& from) {
  ListenerState listener;
  take(from, "fd", listener.fd);
  take(from, "address", listener.address);
  take(from, "host", listener.host);
  take(from, "wanted", listener.wanted);
  take(from, "port", listener.port);
  uint32_t service = 0;
  take(from, "service", service);
  listener.service = static_cast<Service>(service);
  return listener;
}

ChildState child_of(const json& from) {
  ChildState child;
  take(from, "name", child.name);
  take(from, "arguments", child.arguments);
  take(from, "pid", child.pid);
  take(from, "control", child.control);
  return child;
}

}  // namespace

std::string encode(const ServerState& state) {
  json listeners = json::array();
  for (const ListenerState& each : state.listeners) listeners.push_back(json_of(each));
  json children = json::array();
  for (const ChildState& each : state.children) children.push_back(json_of(each));
  const json all{{"protocol", state.protocol},
                 {"system_calls", state.system_calls},
                 {"version", state.version},
                 {"config_file", state.config_file},
                 {"state_dir", state.state_dir},
                 {"server_name", state.server_name},
                 {"workers", state.workers},
                 {"has_cards", state.has_cards},
                 {"has_keeper", state.has_keeper},
                 {"witness_port_used", state.witness_port_used},
                 {"log_level", state.log_level},
                 {"listeners", std::move(listeners)},
                 {"children", std::move(children)},
                 {"program", state.program},
                 {"attempts", state.attempts},
                 {"failure", state.failure},
                 {"handed_over", state.handed_over},
                 {"pause_us", state.pause_us},
                 {"lock", state.lock},
                 {"started_text", state.started_text},
                 {"text", state.text},
                 {"shared", state.shared}};
  return all.dump(-1, ' ', true, json::error_handler_t::replace);
}

std::expected<ServerState, std::string> decode_server_state(std::string_view text) {
  const json all = json::parse(text, nullptr, false);
  if (!all.is_object()) return std::unexpected("it cannot be read");
  try {
    ServerState state;
    take(all, "protocol", state.protocol);
    take(all, "system_calls", state.system_calls);
    take(all, "version", state.version);
    take(all, "config_file", state.config_file);
    take(all, "state_dir", state.state_dir);
    take(all, "server_name", state.server_name);
    take(all, "workers", state.workers);
    take(all, "has_cards", state.has_cards);
    take(all, "has_keeper", state.has_keeper);
    take(all, "witness_port_used", state.witness_port_used);
    take(all, "log_level", state.log_level);
    for (const json& each : all.value("listeners", json::array())) {
      state.listeners.push_back(listener_of(each));
    }
    for (const json& each : all.value("children", json::array())) {
      state.children.push_back(child_of(each));
    }
    take(all, "program", state.program);
    take(all, "attempts", state.attempts);
    take(all, "failure", state.failure);
    take(all, "handed_over", state.handed_over);
    take(all, "pause_us", state.pause_us);
    take(all, "lock", state.lock);
    take(all, "started_text", state.started_text);
    take(all, "text", state.text);
    take(all, "shared", state.shared);
    const bool is_whole =
        state.workers >= 1 && !state.listeners.empty() &&
        state.children.size() == state.workers + 1 + state.has_cards + state.has_keeper;
    if (!is_whole) return std::unexpected("it is not whole");
    return state;
  } catch (const json::exception& error) {
    return std::unexpected(error.what());
  }
}

}  // namespace braid::braidd
