#include "apps/braidd/generation.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <span>
#include <utility>

#include "apps/braidd/link.h"
#include "apps/braidd/memory_file.h"
#include "apps/braidd/rdma.h"
#include "apps/braidd/reload.h"
#include "apps/braidd/spawn.h"
#include "store/cluster/home_keeper.h"

namespace braid::braidd {
namespace {

// A digit for each, in their order.
std::string services_of(const std::vector<Listener>& listeners) {
  std::string digits;
  for (const Listener& each : listeners) {
    digits += static_cast<char>('0' + static_cast<int>(each.service));
  }
  return digits;
}

}  // namespace

ServerState plan_of(const config::Config& config, const std::vector<Listener>& listeners,
                    std::string version) {
  const config::Server& server = config.server;
  const uint32_t workers = server.workers;
  const uint16_t witness_port = server.witness ? port_of(listeners, Service::kWitness) : 0;
  ServerState plan;
  plan.version = std::move(version);
  plan.config_file = config.file;
  plan.state_dir = server.state_dir;
  plan.server_name = server.name;
  plan.workers = workers;
  plan.has_cards = server.rdma;
  plan.has_keeper = !server.cluster.empty();
  plan.witness_port_used = witness_port;
  plan.log_level = static_cast<int>(log_level_of(config));
  for (const Listener& each : listeners) {
    plan.listeners.push_back(
        {.fd = each.running ? static_cast<int64_t>(*each.running) : int64_t{-1},
         .address = each.address,
         .host = each.host,
         .wanted = each.wanted,
         .service = each.service,
         .port = each.port});
  }
  for (uint32_t i = 0; i < workers; ++i) {
    plan.children.push_back(
        {.name = fmt::format("worker {}", i),
         .arguments = {"braidd", "--role=worker", fmt::format("--index={}", i),
                       fmt::format("--workers={}", workers), "--name=" + server.name,
                       fmt::format("--witness-port={}", witness_port), "--config", config.file}});
    if (plan.has_keeper) plan.children.back().arguments.push_back("--cluster=" + server.cluster);
  }
  plan.children.push_back(
      {.name = "front",
       .arguments = {"braidd", "--role=front", fmt::format("--workers={}", workers),
                     "--listeners=" + services_of(listeners)}});
  if (plan.has_cards) {
    plan.children.push_back(
        {.name = "process with the RDMA cards",
         .arguments = {"braidd", "--role=rdma", fmt::format("--workers={}", workers),
                       "--rdma-listen=" + rdma_endpoints(server)}});
  }
  if (plan.has_keeper) {
    plan.children.push_back(
        {.name = "keeper",
         .arguments = {"braidd", "--role=keeper", "--cluster=" + server.cluster}});
  }
  return plan;
}

Generation::Generation(const ServerState& its_plan, std::string its_text,
                       std::vector<Listener> its_listeners)
    : started_text(std::move(its_text)),
      text(started_text),
      log_level(static_cast<log::Level>(its_plan.log_level)),
      listeners(std::move(its_listeners)),
      plan(its_plan),
      workers_(its_plan.workers) {
  for (const ChildState& each : plan.children) {
    children.push_back({.name = each.name, .arguments = each.arguments});
  }
}

std::expected<void, Error> Generation::make_shared(const Generation* before) {
  if (has_keeper()) {
    // Tags of workers that others know end with the memory: none comes again for an hour.
    const auto seconds = static_cast<uint32_t>(::time(nullptr));
    BRAID_TRY(shared, store::GroupResources::make(
                          {.workers = store::cluster::kRegionWorkers, .first_life = seconds}));
    BRAID_TRY(keeper_link, make_link());
    return {};
  }
  if (workers_ <= 1) return {};
  const bool are_as_many = before && before->shared && before->workers() == workers_;
  BRAID_TRY(shared, store::GroupResources::make({.workers = workers_},
                                                are_as_many ? &*before->shared : nullptr));
  return {};
}

bool Generation::start(size_t index, Begin begin) {
  Child& child = children[index];
  child.restart_at.reset();
  child.ready = false;
  child.is_taking_over = index < workers_ && begin == Begin::kWhenTold;
  child.started = system_clock().monotonic();
  auto ends = make_link();
  auto started_file = make_memory_file(started_text);
  auto file = make_memory_file(text);
  if (!ends || !started_file || !file) {
    log::error("cannot start the {}: out of descriptors; raise LimitNOFILE= of the systemd unit",
               child.name);
    return false;
  }
  std::vector<int> fds{ends->second.get()};
  std::vector<std::string> arguments = child.arguments;
  if (index >= workers_)
    arguments.push_back(fmt::format("--log-level={}", static_cast<int>(log_level)));
  if (index == front_index()) {
    if (begin == Begin::kWhenTold) arguments.emplace_back("--when-told");
    for (const Listener& listener : listeners) fds.push_back(listener.socket.get());
  } else if (index < workers_) {
    if (begin == Begin::kWhenTold) arguments.emplace_back("--when-told");
    arguments.push_back(fmt::format("--upgrade-attempts={}", upgrade_attempts));
    if (child.restarts > 0) arguments.push_back(fmt::format("--restarts={}", child.restarts));
    fds.push_back(started_file->get());
    fds.push_back(file->get());
    if (shared) std::ranges::copy(shared->for_worker(index), std::back_inserter(fds));
    if (has_keeper()) fds.push_back(keeper_link.first.get());
  } else if (has_keeper() && index == keeper_index()) {
    fds.push_back(shared->region.get());
    fds.push_back(keeper_link.second.get());
  } else {
    arguments.push_back(fmt::format("--said={}", cards_said));
  }
  const auto pid = spawn(arguments, fds, program.get());
  if (!pid) {
    log::error(
        "cannot start the {}: {}; raise what limits processes and memory (TasksMax=, "
        "LimitNPROC= and MemoryMax= of the systemd unit)",
        child.name, pid.error().message());
    return false;
  }
  child.pid = *pid;
  child.control = std::move(ends->first);
  log::debug("started the {} as process {}", child.name, child.pid);
  if (index < workers_) tell_upgrade(index);
  return true;
}

void Generation::tell_upgrade(size_t worker) const {
  const Child& child = children[worker];
  if (upgrade_attempts == 0 || !child.control) return;
  const auto& [done, failure] = upgrade_news;
  if (failure.empty()) {
    send_message(child.control.get(), MessageKind::kUpgraded, upgrade_attempts, -1,
                 {reinterpret_cast<const uint8_t*>(&done), sizeof done});
  } else {
    send_message(child.control.get(), MessageKind::kNotUpgraded, upgrade_attempts, -1,
                 as_bytes(failure));
  }
}

void Generation::connect(size_t worker) {
  const Child& child = children[worker];
  if (front().pid < 0 || child.pid < 0) return;  // whichever starts last connects them
  auto ends = make_link();
  if (!ends) return log::error("no link to the {}: {}", child.name, ends.error().message());
  send_message(child.control.get(), MessageKind::kLink, worker, ends->first.get());
  send_message(front().control.get(), MessageKind::kLink, worker, ends->second.get());
}

void Generation::connect_cards() {
  for (size_t i = 0; i < workers_; ++i) connect_cards(i);
}

void Generation::connect_cards(size_t index) {
  if (!has_cards() || cards().pid < 0) return;
  const Child& worker = children[index];
  if (worker.pid < 0) return;
  auto ends = make_link();
  if (!ends) return log::error("no link to the {}: {}", cards().name, ends.error().message());
  send_message(worker.control.get(), MessageKind::kCardLink, 0, ends->first.get());
  send_message(cards().control.get(), MessageKind::kLink, index, ends->second.get());
}

bool Generation::none_runs(size_t first, size_t last) const {
  return std::all_of(children.begin() + static_cast<std::ptrdiff_t>(first),
                     children.begin() + static_cast<std::ptrdiff_t>(last),
                     [](const Child& child) { return child.pid < 0; });
}

bool Generation::all_ready() const {
  return std::ranges::all_of(std::span(children).first(workers_ + 1), &Child::ready);
}

void Generation::kill(size_t first, size_t last) const {
  for (size_t i = first; i < last; ++i) {
    if (children[i].pid >= 0) ::kill(children[i].pid, SIGKILL);
  }
}

ServerState Generation::state(UniqueFd& started_text_file, UniqueFd& text_file) const {
  ServerState state = plan;
  state.log_level = static_cast<int>(log_level);
  for (size_t i = 0; i < listeners.size(); ++i) state.listeners[i].fd = listeners[i].socket.get();
  for (size_t i = 0; i < children.size(); ++i) {
    state.children[i].pid = children[i].pid;
    state.children[i].control = children[i].control.get();
  }
  if (auto file = make_memory_file(started_text)) started_text_file = std::move(*file);
  if (auto file = make_memory_file(text)) text_file = std::move(*file);
  state.started_text = started_text_file.get();
  state.text = text_file.get();
  if (shared) state.shared = shared->all();
  state.attempts = upgrade_attempts;
  state.failure = upgrade_news.failure;
  state.handed_over = upgrade_news.done.opens;
  state.pause_us = upgrade_news.done.pause_us;
  return state;
}

std::vector<int> Generation::descriptors_in(const ServerState& state) {
  std::vector<int> all{state.lock, state.started_text, state.text};
  for (const ListenerState& each : state.listeners) all.push_back(static_cast<int>(each.fd));
  for (const ChildState& each : state.children) all.push_back(each.control);
  std::ranges::copy(state.shared, std::back_inserter(all));
  std::erase_if(all, [](int fd) { return fd < 0; });
  return all;
}

std::expected<Generation, std::string> Generation::of(const ServerState& state) {
  std::vector<Listener> listeners;
  for (const ListenerState& each : state.listeners) {
    listeners.push_back({.socket = UniqueFd(static_cast<int>(each.fd)),
                         .address = each.address,
                         .host = each.host,
                         .service = each.service,
                         .port = each.port,
                         .wanted = each.wanted});
  }
  const UniqueFd started_file(state.started_text);
  const UniqueFd file(state.text);
  Generation made(state, read_memory_file(started_file.get()), std::move(listeners));
  made.text = read_memory_file(file.get());
  made.upgrade_attempts = state.attempts;
  made.upgrade_news = {.done = {.opens = state.handed_over, .pause_us = state.pause_us},
                       .failure = state.failure};
  for (size_t i = 0; i < made.children.size(); ++i) {
    Child& child = made.children[i];
    child.pid = state.children[i].pid;
    child.control = UniqueFd(state.children[i].control);
    child.ready = child.pid >= 0;
    child.started = system_clock().monotonic();
  }
  if (made.workers_ > 1) {
    std::vector<UniqueFd> fds;
    for (const int each : state.shared) fds.emplace_back(each);
    made.shared = store::GroupResources::of(made.workers_, std::move(fds));
    if (!made.shared) return std::unexpected("what the workers share is not whole");
  }
  return made;
}

}  // namespace braid::braidd
