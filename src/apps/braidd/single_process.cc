#include "apps/braidd/single_process.h"

#include <poll.h>
#include <signal.h>

#include <system_error>
#include <thread>

#include "apps/braidd/descriptor_limit.h"
#include "apps/braidd/exit_status.h"
#include "apps/braidd/front.h"
#include "apps/braidd/link.h"
#include "apps/braidd/memory_file.h"
#include "apps/braidd/reload.h"
#include "apps/braidd/signals.h"
#include "apps/braidd/systemd_notify.h"
#include "apps/braidd/thread_limit.h"
#include "base/log.h"

namespace braid::braidd {

int run_single_process(config::Snapshot config, std::vector<Listener> listeners,
                       WorkerServer& server, int signals) {
  auto front_control = make_link();
  auto worker_control = make_link();
  auto link = make_link();
  if (!front_control || !worker_control || !link) {
    log::error("out of descriptors");
    return kCannotRun;
  }
  const size_t of_front = descriptors_of_front(descriptor_limit()) + kFrontOwnDescriptors + 1;
  Front::Options options{.control = std::move(front_control->second),
                         .limits = fit(FrontLimits{}, of_front, 1)};
  for (Listener& listener : listeners) {
    options.listeners.push_back({std::move(listener.socket), listener.service});
  }
  Front front(std::move(options));
  std::jthread front_thread;
  std::jthread worker_thread;
  try {
    front_thread = std::jthread([&] { front.run(); });
    worker_thread =
        std::jthread([&, control = std::move(worker_control->second), settings = config]() mutable {
          PassedOn nothing(0, 1);
          run_worker(std::move(control), server, nothing, *settings);
        });
  } catch (const std::system_error& error) {
    log::error("{}", log::Whole{no_threads(*config, error.code().message())});
    front_control->first.reset();  // a front ends with its supervisor
    return kCannotRun;
  }
  send_message(worker_control->first.get(), MessageKind::kLink, 0, link->first.get());
  send_message(front_control->first.get(), MessageKind::kLink, 0, link->second.get());
  link->first.reset();
  link->second.reset();
  log::info("ready");
  notify_systemd("READY=1");

  while (true) {
    pollfd wait{signals, POLLIN, 0};
    ::poll(&wait, 1, -1);
    const auto signal = next_signal(signals);
    if (!signal) continue;
    if (*signal == SIGUSR2) {
      log::error("no upgrade: a server that is one process ends with it; restart it");
      continue;
    }
    if (*signal != SIGHUP) break;
    auto next = read_new_config(*config);
    if (!next) continue;
    if (const auto file = make_memory_file(next->text)) {
      send_message(worker_control->first.get(), MessageKind::kConfig, 0, file->get());
    }
  }
  log::info("stopping");
  notify_systemd("STOPPING=1");
  send_message(front_control->first.get(), MessageKind::kDrain);
  front_thread.join();
  send_message(worker_control->first.get(), MessageKind::kDrain);
  worker_thread.join();
  return 0;
}

}  // namespace braid::braidd
