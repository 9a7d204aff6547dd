#include "apps/braidd/supervisor.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "apps/braidd/exit_status.h"
#include "apps/braidd/link.h"
#include "apps/braidd/memory_file.h"
#include "apps/braidd/rdma.h"
#include "apps/braidd/reload.h"
#include "apps/braidd/signals.h"
#include "apps/braidd/spawn.h"
#include "apps/braidd/systemd_notify.h"
#include "base/log.h"

namespace braid::braidd {
namespace {

Clock::Instant after(std::chrono::nanoseconds time) {
  return system_clock().monotonic() + std::chrono::duration_cast<Clock::Instant::duration>(time);
}

// A digit for each, in their order.
std::string services_of(const std::vector<Listener>& listeners) {
  std::string digits;
  for (const Listener& each : listeners) {
    digits += static_cast<char>('0' + static_cast<int>(each.service));
  }
  return digits;
}

std::string ending(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  return fmt::format("ended with code {}", WEXITSTATUS(status));
}

}  // namespace

Supervisor::Supervisor(config::Snapshot config, std::string text, std::vector<Listener> listeners)
    : started_(std::move(config)),
      started_text_(std::move(text)),
      config_(started_),
      text_(started_text_),
      listeners_(std::move(listeners)) {
  const uint32_t workers = config_->server.workers;
  for (uint32_t i = 0; i < workers; ++i) {
    children_.push_back(
        {.name = fmt::format("worker {}", i),
         .arguments = {"braidd", "--role=worker", fmt::format("--index={}", i),
                       fmt::format("--workers={}", workers), "--name=" + config_->server.name,
                       fmt::format("--witness-port={}", config_->server.witness_port_used),
                       "--config", config_->file}});
  }
  children_.push_back({.name = "front",
                       .arguments = {"braidd", "--role=front", fmt::format("--workers={}", workers),
                                     "--listeners=" + services_of(listeners_)}});
  if (!config_->server.rdma) return;
  children_.push_back(
      {.name = "process with the RDMA cards",
       .arguments = {"braidd", "--role=rdma", "--rdma-listen=" + rdma_endpoints(config_->server)}});
}

int Supervisor::run() {
  signals_ = take_signals({SIGTERM, SIGINT, SIGHUP, SIGCHLD});
  deadline_ = after(kStartTime);
  if (front_index() > 1) {
    auto shared = store::GroupResources::make({.workers = front_index()});
    if (!shared) {
      log::error("no memory for the workers to share: {}; raise what limits it, or lower workers",
                 shared.error().message());
      return kCannotRun;
    }
    shared_ = std::move(*shared);
  }
  for (size_t i = 0; i < children_.size(); ++i) {
    if (!start(i)) exit_code_ = kCannotRun;
  }
  for (size_t i = 0; i < front_index(); ++i) connect(i);
  connect_cards();
  if (exit_code_ != 0) kill_all();

  while (phase_ != Phase::kDone) {
    std::vector<pollfd> waits{{signals_.get(), POLLIN, 0}};
    for (const Child& child : children_) waits.push_back({child.control.get(), POLLIN, 0});
    ::poll(waits.data(), waits.size(), wait_ms());
    for (size_t i = 0; i < children_.size(); ++i) {
      if (waits[i + 1].revents != 0) on_control(i);
    }
    while (const auto signal = next_signal(signals_.get())) on_signal(*signal);
    on_time();
  }
  return exit_code_;
}

bool Supervisor::start(size_t index) {
  Child& child = children_[index];
  child.restart_at.reset();
  child.ready = false;
  child.started = system_clock().monotonic();
  auto ends = make_link();
  auto started_text = make_memory_file(started_text_);
  auto text = make_memory_file(text_);
  if (!ends || !started_text || !text) {
    log::error("cannot start the {}: out of descriptors; raise LimitNOFILE= of the systemd unit",
               child.name);
    return false;
  }
  std::vector<int> fds{ends->second.get()};
  std::vector<std::string> arguments = child.arguments;
  if (index == front_index()) {
    arguments.push_back(fmt::format("--log-level={}", static_cast<int>(log_level_of(*config_))));
    for (const Listener& listener : listeners_) fds.push_back(listener.socket.get());
  } else if (index == cards_index()) {
    arguments.push_back(fmt::format("--log-level={}", static_cast<int>(log_level_of(*config_))));
    arguments.push_back(fmt::format("--said={}", cards_said_));
  } else {
    fds.push_back(started_text->get());
    fds.push_back(text->get());
    if (shared_) std::ranges::copy(shared_->for_worker(index), std::back_inserter(fds));
  }
  const auto pid = spawn(arguments, fds);
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
  return true;
}

void Supervisor::connect(size_t worker) {
  const Child& front = children_[front_index()];
  const Child& child = children_[worker];
  if (front.pid < 0 || child.pid < 0) return;  // whichever starts last connects them
  auto ends = make_link();
  if (!ends) return log::error("no link to the {}: {}", child.name, ends.error().message());
  send_message(child.control.get(), MessageKind::kLink, worker, ends->first.get());
  send_message(front.control.get(), MessageKind::kLink, worker, ends->second.get());
}

void Supervisor::connect_cards() {
  if (!has_cards() || cards().pid < 0) return;
  const Child& worker = children_.front();  // rdma takes workers = 1
  if (worker.pid < 0) return;
  auto ends = make_link();
  if (!ends) return log::error("no link to the {}: {}", cards().name, ends.error().message());
  send_message(worker.control.get(), MessageKind::kCardLink, 0, ends->first.get());
  send_message(cards().control.get(), MessageKind::kLink, 0, ends->second.get());
}

void Supervisor::on_signal(int signal) {
  switch (signal) {
    case SIGCHLD:
      on_child_ends();
      break;
    case SIGHUP:
      reload();
      break;
    default:
      if (phase_ == Phase::kStarting || phase_ == Phase::kServing) {
        begin_drain();
      } else {
        kill_all();
      }
  }
}

void Supervisor::on_child_ends() {
  int status = 0;
  while (const pid_t pid = ::waitpid(-1, &status, WNOHANG)) {
    if (pid < 0) return;
    const auto child = std::ranges::find(children_, pid, &Child::pid);
    if (child != children_.end()) {
      child_ended(static_cast<size_t>(child - children_.begin()), status);
    }
  }
}

void Supervisor::child_ended(size_t index, int status) {
  if (index == cards_index()) return cards_ended(status);
  Child& child = children_[index];
  for (size_t i = 0; shared_ && index != front_index() && i < front_index(); ++i) {
    if (i == index || !children_[i].control) continue;
    send_message(children_[i].control.get(), MessageKind::kWorkerEnded,
                 static_cast<uint64_t>(child.pid));
  }
  child.pid = -1;
  child.control.reset();
  switch (phase_) {
    case Phase::kStarting:
      // It has said why on its own; trying again would only repeat it.
      if (exit_code_ == 0) {
        exit_code_ = WIFEXITED(status) && WEXITSTATUS(status) == kBadText ? kBadText : kCannotRun;
        if (!WIFEXITED(status)) log::error("the {} {}", child.name, ending(status));
      }
      kill_all();
      break;
    case Phase::kServing: {
      const auto delay = child.restart_delay.next(system_clock().monotonic() - child.started);
      child.restart_at = after(delay);
      log::error("the {} {}; starting another {}", child.name, ending(status),
                 delay == 0ns ? "at once" : fmt::format("in {} ms", delay / 1ms));
      break;
    }
    case Phase::kDrainingFront:
      if (index == front_index()) drain_workers();
      break;
    case Phase::kDrainingWorkers:
    case Phase::kDone:
      break;
  }
  if (phase_ == Phase::kDrainingWorkers && none_runs(0, cards_index())) end_cards();
}

// What others do does not depend on it, so it never keeps them from starting.
void Supervisor::cards_ended(int status) {
  on_control(cards_index());  // what it said last
  Child& child = cards();
  child.pid = -1;
  child.control.reset();
  if (phase_ == Phase::kDrainingWorkers && none_runs(0, cards_index())) phase_ = Phase::kDone;
  if (phase_ != Phase::kStarting && phase_ != Phase::kServing) return;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoCards) return;  // it has said why
  const auto delay = child.restart_delay.next(system_clock().monotonic() - child.started);
  child.restart_at = after(delay);
  log::error("the {} {}; starting another {}", child.name, ending(status),
             delay == 0ns ? "at once" : fmt::format("in {} ms", delay / 1ms));
}

void Supervisor::end_cards() {
  if (has_cards() && cards().pid >= 0) {
    ::kill(cards().pid, SIGKILL);
  } else {
    phase_ = Phase::kDone;
  }
}

void Supervisor::on_control(size_t index) {
  Child& child = children_[index];
  while (child.control) {
    const auto message = receive_message(child.control.get());
    if (!message) {
      // Gone, or going: SIGCHLD brings the rest.
      if (!message.error().is_os(EAGAIN)) child.control.reset();
      return;
    }
    if (message->kind == MessageKind::kNoCards && index == cards_index()) {
      cards_said_ = message->number;
    }
    if (message->kind != MessageKind::kReady) continue;
    child.ready = true;
    if (index == cards_index()) cards_said_ = 0;
    const auto needed = std::span(children_).first(cards_index());
    if (phase_ == Phase::kStarting && std::ranges::all_of(needed, &Child::ready)) all_ready();
  }
}

void Supervisor::all_ready() {
  phase_ = Phase::kServing;
  deadline_.reset();
  log::info("ready");
  notify_systemd("READY=1");
}

void Supervisor::on_time() {
  const auto now = system_clock().monotonic();
  for (size_t i = 0; i < children_.size(); ++i) {
    const bool may_start =
        phase_ == Phase::kServing || (phase_ == Phase::kStarting && i == cards_index());
    if (!may_start || !children_[i].restart_at || *children_[i].restart_at > now) {
      continue;
    }
    if (!start(i)) {
      children_[i].restart_at = after(kRestartDelayMax);
    } else if (i == front_index()) {
      for (size_t worker = 0; worker < i; ++worker) connect(worker);
    } else if (i == cards_index()) {
      connect_cards();
    } else {
      connect(i);
      connect_cards();
    }
  }
  if (!deadline_ || *deadline_ > now || phase_ == Phase::kDone) return;
  if (phase_ == Phase::kStarting) {
    log::error("not every process was ready within {} s", kStartTime / 1s);
    exit_code_ = kCannotRun;
    kill_all();
  } else if (phase_ == Phase::kDrainingFront) {
    drain_workers();
  } else if (phase_ == Phase::kDrainingWorkers) {
    log::warn("not every worker ended within {} s; ending them", kDrainTime / 1s);
    kill_all();
  }
}

void Supervisor::reload() {
  auto text = read_new_config(*started_);
  if (!text) return;
  notify_systemd("RELOADING=1");
  text_ = std::move(text->text);
  config_ = std::move(text->config);
  if (const Child& front = children_[front_index()]; front.control) {
    send_message(front.control.get(), MessageKind::kLogLevel,
                 static_cast<uint64_t>(log_level_of(*config_)));
  }
  if (has_cards() && cards().control) {
    send_message(cards().control.get(), MessageKind::kLogLevel,
                 static_cast<uint64_t>(log_level_of(*config_)));
  } else if (has_cards() && !cards().restart_at && start(cards_index())) {
    connect_cards();
  }
  const auto file = make_memory_file(text_);
  for (size_t i = 0; file && i < front_index(); ++i) {
    if (!children_[i].control) continue;
    send_message(children_[i].control.get(), MessageKind::kConfig, 0, file->get());
  }
  notify_systemd("READY=1");
}

void Supervisor::begin_drain() {
  log::info("stopping");
  notify_systemd("STOPPING=1");
  phase_ = Phase::kDrainingFront;
  deadline_ = after(FrontLimits{}.drain_time + 1s);
  listeners_.clear();
  const Child& front = children_[front_index()];
  if (front.pid < 0 || !send_message(front.control.get(), MessageKind::kDrain)) drain_workers();
}

void Supervisor::drain_workers() {
  phase_ = Phase::kDrainingWorkers;
  deadline_ = after(kDrainTime);
  const Child& front = children_[front_index()];
  if (front.pid >= 0) ::kill(front.pid, SIGKILL);
  for (size_t i = 0; i < front_index(); ++i) {
    if (children_[i].control) send_message(children_[i].control.get(), MessageKind::kDrain);
  }
  if (none_runs(0, cards_index())) end_cards();
}

void Supervisor::kill_all() {
  for (const Child& child : children_) {
    if (child.pid >= 0) ::kill(child.pid, SIGKILL);
  }
  // Not for ever: a thread that waits for a disk keeps its process even from that.
  const auto end = after(kKillTime);
  while (true) {
    for (Child& child : children_) {
      if (child.pid >= 0 && ::waitpid(child.pid, nullptr, WNOHANG) != 0) child.pid = -1;
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - system_clock().monotonic());
    if (none_runs(0, children_.size()) || left.count() <= 0) break;
    pollfd wait{signals_.get(), POLLIN, 0};
    ::poll(&wait, 1, static_cast<int>(left.count()));
    while (next_signal(signals_.get())) continue;
  }
  for (const Child& child : children_) {
    if (child.pid < 0) continue;
    log::warn("the {}, process {}, does not end: it waits for a disk", child.name, child.pid);
  }
  phase_ = Phase::kDone;
}

int Supervisor::wait_ms() const {
  std::optional<Clock::Instant> next = deadline_;
  for (const Child& child : children_) {
    if (child.restart_at && (!next || *child.restart_at < *next)) next = child.restart_at;
  }
  if (!next) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*next - system_clock().monotonic());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 3'600'000));
}

bool Supervisor::none_runs(size_t first, size_t last) const {
  return std::all_of(children_.begin() + static_cast<std::ptrdiff_t>(first),
                     children_.begin() + static_cast<std::ptrdiff_t>(last),
                     [](const Child& child) { return child.pid < 0; });
}

}  // namespace braid::braidd
