#include "apps/braidd/worker.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>

#include "apps/braidd/limits.h"
#include "apps/braidd/link.h"
#include "apps/braidd/memory_file.h"
#include "apps/braidd/reload.h"
#include "base/log.h"
#include "config/restart.h"
#include "smb2/handover/live_state.h"
#include "store/worker_tag.h"

namespace braid::braidd {
namespace {

// Takes what the front sent. False: the front is gone.
bool take_connections(int link, WorkerServer& server) {
  while (true) {
    auto message = receive_message(link);
    if (!message) return message.error().is_os(EAGAIN);
    const bool is_mapper = message->kind == MessageKind::kMapperConnection;
    const bool is_rpc = is_mapper || message->kind == MessageKind::kWitnessConnection;
    const bool is_new = message->kind == MessageKind::kConnection;
    if (!is_new && !is_rpc && message->kind != MessageKind::kContinued) continue;
    if (!message->fd && !message->is_fd_lost) continue;
    // Acknowledged first and looked at second: see Handover. When the front is gone by now, nobody
    // else can have this connection either.
    const auto told = send_message_waiting(link, MessageKind::kAccepted, message->number);
    if (!told) log::debug("the front did not take an acknowledgement: {}", told.error().message());
    if (message->is_fd_lost) {
      // The front lets go of its own descriptor by now, so the client sees an end at once.
      log::warn("a connection was closed: out of descriptors");
      continue;
    }
    if (is_rpc) {
      server.adopt_rpc(std::move(message->fd), std::move(message->payload),
                       is_mapper ? Service::kEndpointMapper : Service::kWitness);
      continue;
    }
    server.adopt(std::move(message->fd), std::move(message->payload),
                 is_new ? Arrival::kNew : Arrival::kAfterSmb1Negotiate);
  }
}

// `started`: with what waits for a restart.
void reload(const Message& message, WorkerServer& server, const config::Config& started) {
  if (!message.fd) return log::error("no descriptor for the new configuration; send SIGHUP again");
  const auto text = read_memory_file(message.fd.get());
  // The supervisor has checked it, paths and all.
  auto config = config::parse(text, started.file);
  if (config) {
    apply_log_level(**config);
    server.keys_wait(config::waiting_keys(started.server, (*config)->server));
    server.reload(config::until_restart(started.server, **config));
    log::info("took the new configuration");
  }
}

admin::UpgradeNews news_in(const Message& message) {
  admin::UpgradeNews news;
  const ByteView payload = message.payload.view();
  if (message.kind == MessageKind::kNotUpgraded) {
    news.failure = as_text(payload);
  } else if (payload.size() == sizeof news.done) {
    std::memcpy(&news.done, payload.data(), sizeof news.done);
  }
  return news;
}

// A worker between its start and its end.
class Worker {
 public:
  Worker(UniqueFd control, WorkerServer& server, PassedOn& passed_on, const config::Config& config,
         WorkerBegin begin)
      : control_(std::move(control)),
        server_(server),
        passed_on_(passed_on),
        config_(config),
        takes_connections_(begin == WorkerBegin::kServing) {}

  WorkerEnd run() {
    say(MessageKind::kReady, smb2::kLiveVersion);
    while (!end_) {
      // A front that is behind, or gone, leaves them waiting here.
      const bool is_sent = passed_on_.send(link_.get());
      const short to_send = is_sent || !link_ ? 0 : POLLOUT;
      const short to_take = takes_connections_ ? POLLIN : 0;
      const int watched = to_send | to_take ? link_.get() : -1;
      std::array<pollfd, 3> waits{{{control_.get(), POLLIN, 0},
                                   {watched, static_cast<short>(to_send | to_take), 0},
                                   {passed_on_.wake_fd(), POLLIN, 0}}};
      if (::poll(waits.data(), waits.size(), -1) < 0) continue;
      // Connections first: a drain must not overtake those that were sent before it.
      if ((waits[1].revents & ~POLLOUT) != 0) take();
      if (waits[0].revents != 0) on_control();
    }
    return *end_;
  }

 private:
  void say(MessageKind kind, uint64_t number = 0, ByteView payload = {}) {
    send_message_waiting(control_.get(), kind, number, -1, payload);
  }
  void take() {
    if (!link_ || !takes_connections_) return;
    if (!take_connections(link_.get(), server_)) link_.reset();
  }

  void on_control() {
    auto message = receive_message(control_.get());
    if (!message) {
      if (!message.error().is_os(EAGAIN)) end_ = WorkerEnd::kNoSupervisor;
      return;
    }
    switch (message->kind) {
      case MessageKind::kLink:
        return on_link(*message);
      case MessageKind::kConfig:
        return reload(*message, server_, config_);
      case MessageKind::kCardLink:
        return server_.use_cards(std::move(message->fd));
      case MessageKind::kWorkerEnded:
        return server_.worker_ended(static_cast<pid_t>(message->number));
      case MessageKind::kDrain:
        take();
        server_.drain();
        end_ = WorkerEnd::kDrained;
        return;
      default:
        return on_upgrade(*message);
    }
  }

  void on_link(Message& message) {
    if (message.is_fd_lost) {
      // Nobody would ever reach this worker again.
      log::error("no descriptor for the link to the front");
      end_ = WorkerEnd::kNoSupervisor;
      return;
    }
    // A front that was replaced may have left connections behind.
    take();
    link_ = std::move(message.fd);
  }

  // What the front has sent meanwhile stays in the link, and is for whoever serves next.
  void on_upgrade(Message& message) {
    switch (message.kind) {
      case MessageKind::kSuspend:
        takes_connections_ = false;
        server_.suspend(
            std::chrono::steady_clock::now() + kSuspendTime,
            message.number == 1 ? WorkerServer::Connected::kGo : WorkerServer::Connected::kEnd);
        return say(MessageKind::kSuspended);
      case MessageKind::kPeer:
        peers_[message.number] = std::move(message.fd);
        return;
      case MessageKind::kHandOver:
        server_.hand_over(take_peers(message.number));
        return;
      case MessageKind::kGoOn:
        peers_.clear();
        server_.go_on();
        takes_connections_ = true;
        return;
      case MessageKind::kLeave:
        server_.leave();
        say(MessageKind::kLeft);
        end_ = WorkerEnd::kLeft;
        return;
      case MessageKind::kLiveComes:
        connected_ = WorkerServer::Connected::kGo;
        return;
      case MessageKind::kTakeOver: {
        const auto taken = server_.take_over(take_peers(message.number), connected_);
        return taken ? say(MessageKind::kTaken, *taken)
                     : say(MessageKind::kRefused, 0, as_bytes(taken.error()));
      }
      case MessageKind::kServe:
        server_.serve();
        takes_connections_ = true;
        return say(MessageKind::kReady);
      case MessageKind::kUpgraded:
      case MessageKind::kNotUpgraded:
        return server_.tell_upgrade(message.number, news_in(message));
      default:
        return;
    }
  }

  // One that did not come is none.
  std::vector<UniqueFd> take_peers(uint64_t count) {
    std::vector<UniqueFd> links;
    for (uint64_t i = 0; i < count && i < store::kWorkersMax; ++i) {
      links.push_back(std::move(peers_[i]));
    }
    peers_.clear();
    return links;
  }

  const UniqueFd control_;
  WorkerServer& server_;
  PassedOn& passed_on_;
  const config::Config& config_;
  bool takes_connections_;
  UniqueFd link_;
  std::map<uint64_t, UniqueFd> peers_;
  WorkerServer::Connected connected_ = WorkerServer::Connected::kEnd;  // when it takes over
  std::optional<WorkerEnd> end_;
};

}  // namespace

WorkerEnd run_worker(UniqueFd control, WorkerServer& server, PassedOn& passed_on,
                     const config::Config& config, WorkerBegin begin) {
  return Worker(std::move(control), server, passed_on, config, begin).run();
}

}  // namespace braid::braidd
