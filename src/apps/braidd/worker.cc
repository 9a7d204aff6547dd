#include "apps/braidd/worker.h"

#include <poll.h>

#include <array>
#include <cerrno>

#include "apps/braidd/channel.h"
#include "apps/braidd/memory_file.h"
#include "base/log.h"

namespace braid::braidd {
namespace {

// Takes what the front sent. False: the front is gone.
bool take_connections(int channel, WorkerServer& server) {
  while (true) {
    auto message = receive_message(channel);
    if (!message) return message.error().is_os(EAGAIN);
    if (message->kind != MessageKind::kConnection || !message->fd) continue;
    // Acknowledged first and looked at second: see Handover. When the front is gone by now, nobody
    // else can have this connection either.
    const auto told = send_message_waiting(channel, MessageKind::kAccepted, message->number);
    if (!told) log::debug("the front did not take an acknowledgement: {}", told.error().message());
    server.adopt(std::move(message->fd), std::move(message->payload));
  }
}

void reload(const Message& message, WorkerServer& server, const std::string& file) {
  const auto text = read_memory_file(message.fd.get());
  // The supervisor has checked it, paths and all.
  auto config = config::parse(text, file);
  if (config) {
    server.reload(std::move(*config));
    log::info("took the new configuration");
  }
}

}  // namespace

bool run_worker(UniqueFd control, WorkerServer& server, const config::Config& config) {
  UniqueFd channel;
  send_message_waiting(control.get(), MessageKind::kReady);
  while (true) {
    std::array<pollfd, 2> waits{{{control.get(), POLLIN, 0}, {channel.get(), POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;
    // Connections first: a drain must not overtake those that were sent before it.
    if (channel && waits[1].revents != 0 && !take_connections(channel.get(), server)) {
      channel.reset();
    }
    if (waits[0].revents == 0) continue;
    auto message = receive_message(control.get());
    if (!message) {
      if (message.error().is_os(EAGAIN)) continue;
      return false;
    }
    if (message->kind == MessageKind::kChannel) {
      // A front that was replaced may have left connections behind.
      if (channel) take_connections(channel.get(), server);
      channel = std::move(message->fd);
    } else if (message->kind == MessageKind::kConfig) {
      reload(*message, server, config.file);
    } else if (message->kind == MessageKind::kDrain) {
      if (channel) take_connections(channel.get(), server);
      server.drain();
      return true;
    }
  }
}

}  // namespace braid::braidd
