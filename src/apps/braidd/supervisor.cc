#include "apps/braidd/supervisor.h"

#include <fcntl.h>
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
#include "config/restart.h"

namespace braid::braidd {
namespace {

Clock::Instant after(std::chrono::nanoseconds time) {
  return system_clock().monotonic() + std::chrono::duration_cast<Clock::Instant::duration>(time);
}

// Until a worker that was killed has ended.
constexpr auto kKeeperWait = 10ms;

std::string ending(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  return fmt::format("ended with code {}", WEXITSTATUS(status));
}

}  // namespace

Supervisor::Supervisor(config::Snapshot started, Generation generation, UniqueFd state_lock,
                       std::string program)
    : started_(std::move(started)),
      config_(started_),
      now_(std::move(generation)),
      state_lock_(std::move(state_lock)),
      program_(std::move(program)) {}

void Supervisor::resume() {
  phase_ = Phase::kServing;
  auto config = config::parse(now_.text, started_->file);
  if (config) config_ = config::until_restart(started_->server, **config);
}

bool Supervisor::start_all() {
  deadline_ = after(kStartTime);
  if (const auto made = now_.make_shared(); !made) {
    log::error("no memory for the workers to share: {}; raise what limits it, or lower workers",
               made.error().message());
    return false;
  }
  for (size_t i = 0; i < now_.children.size(); ++i) {
    if (!now_.start(i)) exit_code_ = kCannotRun;
  }
  for (size_t i = 0; i < now_.workers(); ++i) now_.connect(i);
  now_.connect_cards();
  if (exit_code_ != 0) kill_all();
  return true;
}

int Supervisor::run() {
  signals_ = take_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD});
  if (phase_ == Phase::kStarting && !start_all()) return kCannotRun;
  on_child_ends();  // what has ended while this program became another

  while (phase_ != Phase::kDone) {
    std::vector<pollfd> waits{{signals_.get(), POLLIN, 0}};
    for (const Child& child : now_.children) waits.push_back({child.control.get(), POLLIN, 0});
    const size_t of_now = waits.size();
    if (upgrade_) {
      for (const int each : upgrade_->descriptors()) waits.push_back({each, POLLIN, 0});
    }
    ::poll(waits.data(), waits.size(), wait_ms());
    for (size_t i = 0; i + 1 < of_now; ++i) {
      if (waits[i + 1].revents != 0) on_control(i);
    }
    while (const auto signal = next_signal(signals_.get())) on_signal(*signal);
    if (upgrade_) on_upgrade();
    on_time();
  }
  return exit_code_;
}

void Supervisor::on_signal(int signal) {
  switch (signal) {
    case SIGCHLD:
      on_child_ends();
      break;
    case SIGHUP:
      reload();
      break;
    case SIGUSR2:
      begin_upgrade();
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
    if (upgrade_ && upgrade_->child_ended(pid, status)) continue;
    const auto child = std::ranges::find(now_.children, pid, &Child::pid);
    if (child != now_.children.end()) {
      child_ended(static_cast<size_t>(child - now_.children.begin()), status);
    }
  }
}

void Supervisor::child_ended(size_t index, int status) {
  if (now_.has_cards() && index == now_.cards_index()) return cards_ended(status);
  if (now_.has_keeper() && index == now_.keeper_index()) return keeper_ended(status);
  Child& child = now_.children[index];
  for (size_t i = 0; now_.shared && index != now_.front_index() && i < now_.workers(); ++i) {
    if (i == index || !now_.children[i].control) continue;
    send_message(now_.children[i].control.get(), MessageKind::kWorkerEnded,
                 static_cast<uint64_t>(child.pid));
  }
  if (now_.has_keeper() && index < now_.workers() && now_.keeper().control) {
    send_message(now_.keeper().control.get(), MessageKind::kWorkerEnded,
                 static_cast<uint64_t>(child.pid));
  }
  // One that hangs is not there for the next worker either. If it has ended, another has not begun.
  const bool is_over = WIFEXITED(status) && WEXITSTATUS(status) == kTermOver;
  if (now_.has_keeper() && is_over && now_.keeper().pid >= 0) ::kill(now_.keeper().pid, SIGKILL);
  child.pid = -1;
  child.control.reset();
  if (upgrade_ && upgrade_->is_before_leaving()) {
    upgrade_->give_up(now_,
                      fmt::format("the {} {} meanwhile; try again", child.name, ending(status)));
  }
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
      // start_node() starts it, when there is a keeper again.
      if (index < now_.workers() && now_.has_keeper() && now_.keeper().pid < 0) break;
      const auto delay = child.restart_delay.next(system_clock().monotonic() - child.started);
      child.restart_at = after(delay);
      log::error("the {} {}; starting another {}", child.name, ending(status),
                 delay == 0ns ? "at once" : fmt::format("in {} ms", delay / 1ms));
      break;
    }
    case Phase::kDrainingFront:
      if (index == now_.front_index()) drain_workers();
      break;
    case Phase::kDrainingWorkers:
    case Phase::kDone:
      break;
  }
  if (phase_ == Phase::kDrainingWorkers && now_.none_runs(0, now_.cards_index())) end_others();
}

// What others do does not depend on it, so it never keeps them from starting.
void Supervisor::cards_ended(int status) {
  on_control(now_.cards_index());  // what it said last
  Child& child = now_.cards();
  child.pid = -1;
  child.control.reset();
  if (phase_ == Phase::kDrainingWorkers && now_.none_runs(0, now_.children.size()))
    phase_ = Phase::kDone;
  if (phase_ != Phase::kStarting && phase_ != Phase::kServing) return;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoCards) return;  // it has said why
  const auto delay = child.restart_delay.next(system_clock().monotonic() - child.started);
  child.restart_at = after(delay);
  log::error("the {} {}; starting another {}", child.name, ending(status),
             delay == 0ns ? "at once" : fmt::format("in {} ms", delay / 1ms));
}

// What this node has is another's as well by now, or lost: nobody of it acknowledges anything any
// more. It begins anew.
void Supervisor::keeper_ended(int status) {
  Child& child = now_.keeper();
  child.pid = -1;
  child.control.reset();
  now_.kill(0, now_.workers());
  if (phase_ == Phase::kDrainingWorkers && now_.none_runs(0, now_.cards_index())) end_others();
  if (phase_ == Phase::kStarting) {
    // It has said why.
    exit_code_ = kCannotRun;
    return kill_all();
  }
  if (phase_ != Phase::kServing) return;
  const auto delay = child.restart_delay.next(system_clock().monotonic() - child.started);
  child.restart_at = after(delay);
  log::error("the {} {}; this node begins anew {}", child.name, ending(status),
             delay == 0ns ? "at once" : fmt::format("in {} ms", delay / 1ms));
}

// With new memory, when nobody has the old any more.
void Supervisor::start_node() {
  Child& keeper = now_.keeper();
  if (!now_.none_runs(0, now_.workers())) {
    keeper.restart_at = after(kKeeperWait);
    return;
  }
  if (!now_.make_shared() || !now_.start(now_.keeper_index())) {
    keeper.restart_at = after(kRestartDelayMax);
    return;
  }
  for (size_t i = 0; i < now_.workers(); ++i) now_.children[i].restart_at = keeper.started;
}

void Supervisor::end_others() {
  if (now_.has_keeper() && now_.keeper().pid >= 0) {
    // It ends when others have what is here.
    if (deadline_ && !std::exchange(is_keeper_leaving_, true)) {
      deadline_ = after(kDrainTime);
      send_message(now_.keeper().control.get(), MessageKind::kDrain);
    }
    return;
  }
  if (now_.has_cards() && now_.cards().pid >= 0) {
    ::kill(now_.cards().pid, SIGKILL);
  } else {
    phase_ = Phase::kDone;
  }
}

void Supervisor::on_control(size_t index) {
  Child& child = now_.children[index];
  while (child.control) {
    const auto message = receive_message(child.control.get());
    if (!message) {
      // Gone, or going: SIGCHLD brings the rest.
      if (!message.error().is_os(EAGAIN)) child.control.reset();
      return;
    }
    const bool is_cards = now_.has_cards() && index == now_.cards_index();
    if (message->kind == MessageKind::kNoCards && is_cards) {
      now_.cards_said = message->number;
      continue;
    }
    if (message->kind != MessageKind::kReady) {
      if (upgrade_) upgrade_->on_message(index, false, *message);
      continue;
    }
    child.ready = true;
    if (is_cards) now_.cards_said = 0;
    if (phase_ == Phase::kStarting && now_.all_ready()) all_ready();
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
  for (size_t i = 0; i < now_.children.size(); ++i) {
    const bool is_cards = now_.has_cards() && i == now_.cards_index();
    const bool may_start = phase_ == Phase::kServing || (phase_ == Phase::kStarting && is_cards);
    Child& child = now_.children[i];
    if (!may_start || !child.restart_at || *child.restart_at > now) continue;
    if (i < now_.workers() && upgrade_ && !upgrade_->may_start_workers()) continue;
    ++child.restarts;
    if (now_.has_keeper() && i == now_.keeper_index()) {
      start_node();
    } else if (!now_.start(i)) {
      child.restart_at = after(kRestartDelayMax);
    } else if (i == now_.front_index()) {
      for (size_t worker = 0; worker < i; ++worker) now_.connect(worker);
    } else if (is_cards) {
      now_.connect_cards();
    } else {
      now_.connect(i);
      now_.connect_cards(i);
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
  if (upgrade_) {
    reloads_after_upgrade_ = true;
    return;
  }
  if (!started_) {
    log::error("the configuration is a newer version's; upgrade again, or restart the server");
    return;
  }
  auto text = read_new_config(*started_);
  if (!text) return;
  notify_systemd("RELOADING=1");
  now_.text = std::move(text->text);
  config_ = std::move(text->config);
  now_.log_level = log_level_of(*config_);
  if (const Child& front = now_.front(); front.control) {
    send_message(front.control.get(), MessageKind::kLogLevel,
                 static_cast<uint64_t>(now_.log_level));
  }
  if (now_.has_keeper() && now_.keeper().control) {
    send_message(now_.keeper().control.get(), MessageKind::kLogLevel,
                 static_cast<uint64_t>(now_.log_level));
  }
  if (now_.has_cards() && now_.cards().control) {
    send_message(now_.cards().control.get(), MessageKind::kLogLevel,
                 static_cast<uint64_t>(now_.log_level));
  } else if (now_.has_cards() && !now_.cards().restart_at && now_.start(now_.cards_index())) {
    now_.connect_cards();
  }
  const auto file = make_memory_file(now_.text);
  for (size_t i = 0; file && i < now_.front_index(); ++i) {
    if (!now_.children[i].control) continue;
    send_message(now_.children[i].control.get(), MessageKind::kConfig, 0, file->get());
  }
  notify_systemd("READY=1");
}

void Supervisor::begin_drain() {
  if (upgrade_) {
    upgrade_->give_up(now_, "the server is stopping");
    upgrade_.reset();
  }
  log::info("stopping");
  notify_systemd("STOPPING=1");
  phase_ = Phase::kDrainingFront;
  deadline_ = after(FrontLimits{}.drain_time + 1s);
  now_.listeners.clear();
  const Child& front = now_.front();
  if (front.pid < 0 || !send_message(front.control.get(), MessageKind::kDrain)) drain_workers();
}

void Supervisor::drain_workers() {
  phase_ = Phase::kDrainingWorkers;
  deadline_ = after(kDrainTime);
  const Child& front = now_.front();
  if (front.pid >= 0) ::kill(front.pid, SIGKILL);
  for (size_t i = 0; i < now_.front_index(); ++i) {
    if (now_.children[i].control) send_message(now_.children[i].control.get(), MessageKind::kDrain);
  }
  if (now_.none_runs(0, now_.cards_index())) end_others();
}

void Supervisor::kill_all() {
  if (upgrade_) {
    upgrade_->give_up(now_, "the server is stopping");
    upgrade_.reset();
  }
  for (const Child& child : now_.children) {
    if (child.pid >= 0) ::kill(child.pid, SIGKILL);
  }
  // Not for ever: a thread that waits for a disk keeps its process even from that.
  const auto end = after(kKillTime);
  while (true) {
    for (Child& child : now_.children) {
      if (child.pid >= 0 && ::waitpid(child.pid, nullptr, WNOHANG) != 0) child.pid = -1;
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - system_clock().monotonic());
    if (now_.none_runs(0, now_.children.size()) || left.count() <= 0) break;
    pollfd wait{signals_.get(), POLLIN, 0};
    ::poll(&wait, 1, static_cast<int>(left.count()));
    while (next_signal(signals_.get())) continue;
  }
  for (const Child& child : now_.children) {
    if (child.pid < 0) continue;
    log::warn("the {}, process {}, does not end: it waits for a disk", child.name, child.pid);
  }
  phase_ = Phase::kDone;
}

int Supervisor::wait_ms() const {
  std::optional<Clock::Instant> next = deadline_;
  if (upgrade_ && upgrade_->deadline() && (!next || *upgrade_->deadline() < *next)) {
    next = upgrade_->deadline();
  }
  for (const Child& child : now_.children) {
    if (child.restart_at && (!next || *child.restart_at < *next)) next = child.restart_at;
  }
  if (!next) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*next - system_clock().monotonic());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 3'600'000));
}

void Supervisor::begin_upgrade() {
  if (upgrade_) return;  // who asks hears of that one
  if (now_.has_keeper()) {
    constexpr std::string_view kWhy =
        "a node of a cluster is not upgraded while it serves; restart it, one node after the other";
    log::error("no upgrade: {}", kWhy);
    return end_attempt({.failure = std::string(kWhy)});
  }
  if (phase_ != Phase::kServing || !now_.all_ready()) {
    constexpr std::string_view kWhy = "not every process is ready; try again in a moment";
    log::error("no upgrade: {}", kWhy);
    return end_attempt({.failure = std::string(kWhy)});
  }
  log::info("upgrading to what {} is now", program_);
  notify_systemd("RELOADING=1");
  UniqueFd program(::open(program_.c_str(), O_RDONLY | O_CLOEXEC));
  const std::string why = program ? "" : fail_last_os().error().message();
  UniqueFd started_text;
  UniqueFd text;
  upgrade_.emplace(std::move(program), encode(now_.state(started_text, text)),
                   now_.plan.config_file);
  if (!why.empty()) {
    upgrade_->give_up(now_, fmt::format("{}: {}; install it again", program_, why));
  }
}

void Supervisor::on_upgrade() {
  const auto before = upgrade_->step();
  // Steps that need nothing from others follow at once.
  for (auto last = before;;) {
    upgrade_->advance(now_);
    const auto now = upgrade_->step();
    if (now == Upgrade::Step::kDone || now == Upgrade::Step::kFailed) return end_upgrade();
    if (now == last) return;
    last = now;
  }
}

void Supervisor::end_upgrade() {
  Upgrade ended = std::move(*upgrade_);
  upgrade_.reset();
  if (ended.step() == Upgrade::Step::kFailed) {
    log::error("no upgrade: {}", log::Whole{ended.failure()});
    end_attempt({.failure = ended.failure()});
    notify_systemd("READY=1");
  } else {
    log::info("upgraded to braid {}: {} open files were handed over, nobody was served for {} ms",
              now_.plan.version, ended.done().opens, ended.done().pause_us / 1000);
    end_attempt({.done = ended.done()});
    become_new();
  }
  if (std::exchange(reloads_after_upgrade_, false)) reload();
}

void Supervisor::end_attempt(admin::UpgradeNews news) {
  ++now_.upgrade_attempts;
  now_.upgrade_news = std::move(news);
  for (size_t i = 0; i < now_.workers(); ++i) now_.tell_upgrade(i);
}

void Supervisor::become_new() {
  UniqueFd started_text;
  UniqueFd text;
  ServerState state = now_.state(started_text, text);
  state.lock = state_lock_.get();
  state.program = program_;
  const auto file = make_memory_file(encode(state));
  Error why = file ? Error::os(ENOEXEC) : file.error();
  if (file) {
    std::vector<int> fds = Generation::descriptors_in(state);
    fds.push_back(file->get());
    why = become(
        now_.program.get(),
        {"braidd", "--config", state.config_file, fmt::format("--resumed={}", file->get())}, fds);
  }
  log::error(
      "the supervisor could not become the new program: {}; it goes on as it is, and starts the "
      "new one's processes",
      why.message());
  notify_systemd("READY=1");
  // Of another version it may say what this one does not know.
  const auto config = config::parse(now_.started_text, state.config_file);
  started_ = config ? *config : nullptr;
  config_ = started_;
}

}  // namespace braid::braidd
