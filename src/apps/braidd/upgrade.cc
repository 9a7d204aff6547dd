#include "apps/braidd/upgrade.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

#include "apps/braidd/limits.h"
#include "apps/braidd/memory_file.h"
#include "apps/braidd/spawn.h"
#include "base/log.h"
#include "smb2/handover/live_state.h"

namespace braid::braidd {
namespace {

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  return fmt::format("ended with code {}", WEXITSTATUS(status));
}

}  // namespace

Upgrade::Upgrade(UniqueFd program, const std::string& running, const std::string& config_file)
    : program_(std::move(program)) {
  enter(Step::kAsking, kAskTime);
  auto ends = make_link();
  const auto state = make_memory_file(running);
  if (!ends || !state) {
    failure_ = "out of descriptors; raise LimitNOFILE= of the systemd unit";
    return;
  }
  const auto pid = spawn({"braidd", "--role=probe", "--config", config_file},
                         {ends->second.get(), state->get()}, program_.get());
  if (!pid) {
    failure_ = fmt::format("the new program cannot be started: {}", pid.error().message());
    return;
  }
  probe_ = *pid;
  probe_control_ = std::move(ends->first);
}

void Upgrade::enter(Step step, std::chrono::nanoseconds time) {
  step_ = step;
  set_deadline(time);
}

void Upgrade::set_deadline(std::chrono::nanoseconds time) {
  deadline_ =
      system_clock().monotonic() + std::chrono::duration_cast<Clock::Instant::duration>(time);
}

std::vector<int> Upgrade::descriptors() const {
  std::vector<int> all{probe_control_.get()};
  for (size_t i = 0; new_ && i < new_->children.size(); ++i) {
    all.push_back(new_->children[i].control.get());
  }
  for (size_t i = 0; old_ && i < old_->children.size(); ++i) {
    all.push_back(old_->children[i].control.get());
  }
  return all;
}

bool Upgrade::child_ended(pid_t pid, int status) {
  if (pid == probe_) {
    probe_ = -1;
    read_probe();
    if (step_ == Step::kAsking && !plan_ && failure_.empty()) {
      failure_ = fmt::format("the new program {} and did not say why; install it again",
                             how_it_ended(status));
    }
    return true;
  }
  const auto end_in = [&](std::optional<Generation>& generation) -> Child* {
    if (!generation) return nullptr;
    const auto child = std::ranges::find(generation->children, pid, &Child::pid);
    if (child == generation->children.end()) return nullptr;
    child->pid = -1;
    return &*child;
  };
  if (const Child* const child = end_in(new_)) {
    read(*new_, true);
    if (failure_.empty()) {
      failure_ = fmt::format("the new {} {}; the log says why", child->name, how_it_ended(status));
    }
    return true;
  }
  return end_in(old_) != nullptr;
}

void Upgrade::on_message(size_t index, bool is_new, const Message& message) {
  switch (message.kind) {
    case MessageKind::kReady:
      if (!is_new) break;
      new_->children[index].ready = true;
      new_->children[index].live_version = message.number;
      break;
    case MessageKind::kSuspended:
      ++suspended_;
      break;
    case MessageKind::kLeft:
      if (old_) old_->children[index].has_left = true;
      break;
    case MessageKind::kTaken:
      ++taken_;
      done_.opens += message.number;
      break;
    case MessageKind::kRefused:
      if (failure_.empty()) failure_ = as_text(message.payload.view());
      break;
    default:
      break;
  }
}

void Upgrade::read(Generation& from, bool is_new) {
  for (size_t i = 0; i < from.children.size(); ++i) {
    while (from.children[i].control) {
      const auto message = receive_message(from.children[i].control.get());
      if (!message) {
        // Gone, or going: SIGCHLD brings the rest.
        if (!message.error().is_os(EAGAIN)) from.children[i].control.reset();
        break;
      }
      on_message(i, is_new, *message);
    }
  }
}

void Upgrade::read_probe() {
  while (probe_control_) {
    auto message = receive_message(probe_control_.get());
    if (!message) {
      if (!message.error().is_os(EAGAIN)) probe_control_.reset();
      return;
    }
    switch (message->kind) {
      case MessageKind::kRefused:
        if (failure_.empty()) failure_ = as_text(message->payload.view());
        break;
      case MessageKind::kListener:
        listeners_.emplace_back(message->number, std::move(message->fd));
        break;
      case MessageKind::kPlanText:
        text_ = read_memory_file(message->fd.get());
        break;
      case MessageKind::kPlan: {
        auto plan = decode_server_state(read_memory_file(message->fd.get()));
        if (plan && plan->protocol == kProcessProtocol && text_) {
          plan_ = std::move(*plan);
        } else if (failure_.empty()) {
          failure_ = "the new program is of a version that this one cannot start";
        }
        break;
      }
      default:
        break;
    }
  }
}

void Upgrade::start_new(const Generation& now) {
  std::vector<Listener> listeners;
  for (size_t i = 0; i < plan_->listeners.size(); ++i) {
    const ListenerState& each = plan_->listeners[i];
    Listener listener{.socket = {},
                      .address = each.address,
                      .host = each.host,
                      .service = each.service,
                      .port = each.port,
                      .wanted = each.wanted};
    if (each.fd >= 0 && static_cast<size_t>(each.fd) < now.listeners.size()) {
      const int socket = now.listeners[static_cast<size_t>(each.fd)].socket.get();
      listener.socket.reset(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
    } else if (const auto opened = std::ranges::find(
                   listeners_, i, [](const auto& each_new) { return each_new.first; });
               opened != listeners_.end()) {
      listener.socket = std::move(opened->second);
    }
    if (!listener.socket) {
      failure_ = "out of descriptors; raise LimitNOFILE= of the systemd unit";
      return;
    }
    listeners.push_back(std::move(listener));
  }
  new_.emplace(*plan_, std::move(*text_), std::move(listeners));
  new_->upgrade_attempts = now.upgrade_attempts;
  new_->upgrade_news = now.upgrade_news;
  new_->program.reset(::fcntl(program_.get(), F_DUPFD_CLOEXEC, 0));
  if (const auto made = new_->make_shared(&now); !made) {
    failure_ = fmt::format(
        "no memory for the new workers to share: {}; raise what limits it, or lower workers",
        made.error().message());
    return;
  }
  for (size_t i = 0; i < new_->cards_index(); ++i) {
    if (new_->start(i, Generation::Begin::kWhenTold)) continue;
    failure_ =
        fmt::format("the new {} cannot be started; the log says why", new_->children[i].name);
    return;
  }
  enter(Step::kStarting, kStartTime);
}

void Upgrade::suspend(Generation& now) {
  suspended_at_ = system_clock().monotonic();
  // The ids that clients have name one of several workers: each goes on in the one in its place.
  connections_go_ =
      now.workers() == new_->workers() &&
      std::all_of(new_->children.begin(),
                  new_->children.begin() + static_cast<ptrdiff_t>(new_->workers()),
                  [](const Child& worker) { return worker.live_version >= smb2::kLiveVersion; });
  for (size_t i = 0; i < now.workers(); ++i) {
    send_message(now.children[i].control.get(), MessageKind::kSuspend, connections_go_ ? 1 : 0);
  }
  enter(Step::kSuspending, kSuspendTime + kHandOverTime);
}

void Upgrade::hand_over(Generation& now) {
  bool is_sent = true;
  for (size_t i = 0; i < now.workers(); ++i) {
    for (size_t k = 0; k < new_->workers(); ++k) {
      auto ends = make_link();
      is_sent =
          is_sent && ends &&
          send_message(now.children[i].control.get(), MessageKind::kPeer, k, ends->first.get()) &&
          send_message(new_->children[k].control.get(), MessageKind::kPeer, i, ends->second.get());
    }
  }
  if (!is_sent) {
    failure_ = "no links between the old workers and the new ones; raise what limits descriptors";
    return;
  }
  for (size_t i = 0; i < now.workers(); ++i) {
    send_message(now.children[i].control.get(), MessageKind::kHandOver, new_->workers());
  }
  for (size_t k = 0; k < new_->workers(); ++k) {
    if (connections_go_) {
      send_message(new_->children[k].control.get(), MessageKind::kLiveComes);
    }
    send_message(new_->children[k].control.get(), MessageKind::kTakeOver, now.workers());
  }
  enter(Step::kHandingOver, kHandOverTime);
}

void Upgrade::leave(Generation& now) {
  old_ = std::exchange(now, std::move(*new_));
  new_.reset();
  for (size_t i = 0; i < old_->workers(); ++i) {
    send_message(old_->children[i].control.get(), MessageKind::kLeave);
  }
  old_->kill(old_->cards_index(), old_->children.size());
  if (auto ends = make_link(); ends && old_->front().control) {
    send_message(now.front().control.get(), MessageKind::kBefore, 0, ends->first.get());
    send_message(old_->front().control.get(), MessageKind::kHeir, 0, ends->second.get());
  }
  send_message(now.front().control.get(), MessageKind::kAccept);
  for (size_t i = 0; i < now.workers(); ++i) now.connect(i);
  enter(Step::kLeaving, kLeaveTime);
}

void Upgrade::serve(Generation& now) {
  for (size_t i = 0; i < now.workers(); ++i) {
    Child& child = now.children[i];
    if (!std::exchange(child.is_taking_over, false)) continue;
    child.ready = false;
    if (child.control) send_message(child.control.get(), MessageKind::kServe);
  }
  enter(Step::kServing, kStartTime);
}

void Upgrade::kill_old(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const Child& child = old_->children[i];
    if (child.pid < 0) continue;
    log::warn("the old {}, process {}, is ended: it waits for a disk", child.name, child.pid);
  }
  old_->kill(0, count);
  is_killed_ = true;
  set_deadline(kKillTime);
}

bool Upgrade::old_workers_left() const {
  for (size_t i = 0; i < old_->workers(); ++i) {
    const Child& worker = old_->children[i];
    if (worker.pid >= 0 && !worker.has_left) return false;
  }
  return true;
}

void Upgrade::fail(Generation& now, std::string why) {
  const bool is_suspended = step_ == Step::kSuspending || step_ == Step::kHandingOver;
  if (probe_ >= 0) ::kill(probe_, SIGKILL);
  if (new_) new_->kill(0, new_->children.size());
  new_.reset();
  for (size_t i = 0; is_suspended && i < now.workers(); ++i) {
    if (now.children[i].control) send_message(now.children[i].control.get(), MessageKind::kGoOn);
  }
  failure_ = std::move(why);
  step_ = Step::kFailed;
  deadline_.reset();
}

void Upgrade::give_up(Generation& now, std::string why) {
  if (is_before_leaving()) return fail(now, std::move(why));
  old_->kill(0, old_->children.size());
  step_ = Step::kDone;
}

void Upgrade::advance(Generation& now) {
  if (step_ == Step::kAsking) read_probe();
  if (new_) read(*new_, true);
  if (old_) read(*old_, false);
  const bool is_late = deadline_ && *deadline_ <= system_clock().monotonic();
  if (is_before_leaving() && !failure_.empty()) return fail(now, std::move(failure_));
  switch (step_) {
    case Step::kAsking:
      if (plan_) {
        start_new(now);
      } else if (is_late) {
        failure_ = fmt::format("the new program did not say anything within {} s; install it again",
                               kAskTime / 1s);
      }
      break;
    case Step::kStarting:
      if (new_->all_ready()) {
        suspend(now);
      } else if (is_late) {
        failure_ = fmt::format("not every new process was ready within {} s; the log says why",
                               kStartTime / 1s);
      }
      break;
    case Step::kSuspending:
      if (suspended_ >= now.workers()) {
        hand_over(now);
      } else if (is_late) {
        failure_ = "a worker did not come to an end of its requests; try again";
      }
      break;
    case Step::kHandingOver:
      if (taken_ >= new_->workers()) {
        leave(now);
      } else if (is_late) {
        failure_ = fmt::format("what is open was not handed over within {} s; try again",
                               kHandOverTime / 1s);
      }
      break;
    case Step::kLeaving:
      if (old_workers_left() || (is_late && is_killed_)) {
        serve(now);
      } else if (is_late) {
        kill_old(old_->workers());
      }
      break;
    case Step::kServing: {
      const bool is_gone = old_->none_runs(0, old_->children.size());
      if (now.all_ready() && !serves_) {
        // Those that have left end soon, or wait for a disk.
        serves_ = true;
        done_.pause_us = static_cast<uint64_t>((system_clock().monotonic() - suspended_at_) / 1us);
        set_deadline(kLeaveTime);
      }
      if (is_gone ? serves_ || is_late : is_late && is_killed_) {
        step_ = Step::kDone;
        deadline_.reset();
        if (now.has_cards()) now.cards().restart_at = system_clock().monotonic();
      } else if (is_late && !is_gone) {
        kill_old(old_->children.size());
      }
      break;
    }
    case Step::kDone:
    case Step::kFailed:
      return;
  }
  if (is_before_leaving() && !failure_.empty()) fail(now, std::move(failure_));
}

}  // namespace braid::braidd
