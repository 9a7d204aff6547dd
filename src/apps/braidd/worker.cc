#include "apps/braidd/worker.h"

#include <poll.h>

#include <array>
#include <cerrno>

#include "apps/braidd/link.h"
#include "apps/braidd/memory_file.h"
#include "apps/braidd/reload.h"
#include "base/log.h"
#include "config/restart.h"

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

}  // namespace

bool run_worker(UniqueFd control, WorkerServer& server, PassedOn& passed_on,
                const config::Config& config) {
  UniqueFd link;
  send_message_waiting(control.get(), MessageKind::kReady);
  while (true) {
    // A front that is behind, or gone, leaves them waiting here.
    const bool is_sent = passed_on.send(link.get());
    const short link_events = is_sent || !link ? POLLIN : POLLIN | POLLOUT;
    std::array<pollfd, 3> waits{{{control.get(), POLLIN, 0},
                                 {link.get(), link_events, 0},
                                 {passed_on.wake_fd(), POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;
    // Connections first: a drain must not overtake those that were sent before it.
    if (link && (waits[1].revents & ~POLLOUT) != 0 && !take_connections(link.get(), server)) {
      link.reset();
    }
    if (waits[0].revents == 0) continue;
    auto message = receive_message(control.get());
    if (!message) {
      if (message.error().is_os(EAGAIN)) continue;
      return false;
    }
    if (message->kind == MessageKind::kLink && message->is_fd_lost) {
      // Nobody would ever reach this worker again.
      log::error("no descriptor for the link to the front");
      return false;
    }
    if (message->kind == MessageKind::kLink) {
      // A front that was replaced may have left connections behind.
      if (link) take_connections(link.get(), server);
      link = std::move(message->fd);
    } else if (message->kind == MessageKind::kConfig) {
      reload(*message, server, config);
    } else if (message->kind == MessageKind::kCardLink) {
      server.use_cards(std::move(message->fd));
    } else if (message->kind == MessageKind::kWorkerEnded) {
      server.worker_ended(static_cast<pid_t>(message->number));
    } else if (message->kind == MessageKind::kDrain) {
      if (link) take_connections(link.get(), server);
      server.drain();
      return true;
    }
  }
}

}  // namespace braid::braidd
