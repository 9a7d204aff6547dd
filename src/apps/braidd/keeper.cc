#include "apps/braidd/keeper.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "apps/braidd/exit_status.h"
#include "apps/braidd/link.h"
#include "base/log.h"
#include "runtime/reactor.h"
#include "store/cluster/home_keeper.h"

namespace braid::braidd {
namespace {

using store::cluster::HomeKeeper;
using store::cluster::KeeperMessage;

// Nothing of the file or the memory is put in order, as others have them.
[[noreturn]] void end_process(int status) {
  std::fflush(nullptr);
  ::_exit(status);
}

}  // namespace

int run_keeper(UniqueFd control, UniqueFd region_fd, UniqueFd link, std::string socket_path) {
  auto region = store::SharedRegion::map(region_fd.get());
  if (!region) {
    log::error("no memory for the records of open files: {}", region.error().message());
    return kCannotRun;
  }
  ReactorPool reactors(1);
  Reactor& reactor = reactors.at(0);
  store::cluster::KeeperLink to_worker(std::move(link));
  std::unique_ptr<HomeKeeper> keeper;
  const auto on_keeper = [&](auto work) {
    reactor.post([&keeper, work = std::move(work)] { work(*keeper); });
  };
  reactor.post([&] {
    keeper = std::make_unique<HomeKeeper>(store::cluster::HomeKeeperParts{
        .reactor = reactor,
        .socket_path = std::move(socket_path),
        .region = *region,
        .to_worker = [&](const KeeperMessage& message) { to_worker.send(message); },
        .failed =
            [](const std::string& why) {
              log::error("{}", log::Whole{why});
              end_process(kCannotRun);
            },
        .left = [] { end_process(0); }});
    keeper->start();
  });
  std::thread([&] {
    for (;;) {
      const auto message = to_worker.receive();
      if (!message && message.error().is_os(ENOBUFS)) {
        log::error("the worker takes nothing any more: all connections are closed");
      }
      if (!message) end_process(kCannotRun);
      on_keeper([message = *message](HomeKeeper& it) { it.on_worker(message); });
    }
  }).detach();
  send_message(control.get(), MessageKind::kReady);
  for (;;) {
    const auto message = receive_message_waiting(control.get());
    if (!message) end_process(kCannotRun);
    switch (message->kind) {
      case MessageKind::kWorkerEnded:
        on_keeper([process = static_cast<uint32_t>(message->number)](HomeKeeper& it) {
          it.worker_ended(process);
        });
        break;
      case MessageKind::kDrain:
        on_keeper([](HomeKeeper& it) { it.leave(); });
        break;
      case MessageKind::kLogLevel:
        log::set_level(static_cast<log::Level>(message->number));
        break;
      default:
        break;
    }
  }
}

}  // namespace braid::braidd
