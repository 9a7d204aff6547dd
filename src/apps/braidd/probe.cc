#include "apps/braidd/probe.h"

#include <fmt/format.h>

#include <expected>
#include <vector>

#include "apps/braidd/descriptor_limit.h"
#include "apps/braidd/generation.h"
#include "apps/braidd/link.h"
#include "apps/braidd/listen.h"
#include "apps/braidd/memory_file.h"
#include "config/config.h"

namespace braid::braidd {
namespace {

using Refusal = std::unexpected<std::string>;

constexpr std::string_view kRestart = "restart the server instead (systemctl restart braidd)";

std::expected<ServerState, std::string> running_server(const std::string& text,
                                                       const std::string& version) {
  auto running = decode_server_state(text);
  if (!running) {
    return Refusal(
        fmt::format("the state of the running server: {}; {}", running.error(), kRestart));
  }
  if (running->protocol != kProcessProtocol) {
    return Refusal(
        fmt::format("the running braid {} starts its processes in another way than {}; {}",
                    running->version, version, kRestart));
  }
  if (running->system_calls < kSystemCallsVersion) {
    return Refusal(fmt::format("braid {} needs system calls that the running {} has given up; {}",
                               version, running->version, kRestart));
  }
  return running;
}

// The first; whoever repairs it is told of the others by --check.
std::string line_of(const config::Problems& problems) {
  const std::string first = problems.front().text();
  if (problems.size() == 1) return first;
  return fmt::format("{} (and {} more: braidctl config check)", first, problems.size() - 1);
}

std::vector<Listener> listeners_of(const ServerState& running) {
  std::vector<Listener> listeners;
  for (const ListenerState& each : running.listeners) {
    listeners.push_back({.socket = {},
                         .address = each.address,
                         .host = each.host,
                         .service = each.service,
                         .port = each.port,
                         .wanted = each.wanted});
  }
  return listeners;
}

struct Plan {
  ServerState state;
  std::string text;
  std::vector<Listener> listeners;
};

std::expected<Plan, std::string> make_plan(const std::string& running_text,
                                           const std::string& config_file,
                                           const std::string& version) {
  const auto running = running_server(running_text, version);
  if (!running) return Refusal(running.error());
  auto text = config::read_file(config_file);
  if (!text) return Refusal(text.error().text());
  const auto config = config::parse(*text, config_file, config::Checks::kTextAndPaths);
  if (!config) return Refusal(line_of(config.error()));
  const config::Server& server = (*config)->server;
  if (server.state_dir != running->state_dir) {
    return Refusal(fmt::format("state_dir is {} now and was {}; {}", server.state_dir,
                               running->state_dir, kRestart));
  }
  if (server.rdma && !running->has_cards) {
    return Refusal(fmt::format("rdma was off when the server was started; {}", kRestart));
  }
  const size_t descriptors = descriptor_limit();
  if (auto enough = check_descriptor_limit(descriptors, descriptors); !enough) {
    return Refusal(enough.error());
  }
  auto listeners = open_all_listeners(server, listeners_of(*running));
  if (!listeners) {
    return Refusal(fmt::format("{}; or {}, which may bind any port", listeners.error(), kRestart));
  }
  ServerState state = plan_of(**config, *listeners, version);
  state.system_calls = running->system_calls;
  return Plan{std::move(state), std::move(*text), std::move(*listeners)};
}

}  // namespace

void run_probe(UniqueFd control, const std::string& running, const std::string& config_file,
               const std::string& version) {
  const auto say = [&](MessageKind kind, uint64_t number, int fd, ByteView payload = {}) {
    (void)send_message_waiting(control.get(), kind, number, fd, payload);
  };
  const auto plan = make_plan(running, config_file, version);
  if (!plan) return say(MessageKind::kRefused, 0, -1, as_bytes(plan.error()));
  for (size_t i = 0; i < plan->listeners.size(); ++i) {
    const int socket = plan->listeners[i].socket.get();
    if (socket >= 0) say(MessageKind::kListener, i, socket);
  }
  const auto text = make_memory_file(plan->text);
  const auto state = make_memory_file(encode(plan->state));
  if (!text || !state) {
    return say(MessageKind::kRefused, 0, -1,
               as_bytes("out of descriptors; raise LimitNOFILE= of the systemd unit"));
  }
  say(MessageKind::kPlanText, 0, text->get());
  say(MessageKind::kPlan, 0, state->get());
}

}  // namespace braid::braidd
