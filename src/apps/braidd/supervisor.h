// Supervisor: the process that an administrator starts; it keeps the others running.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "apps/braidd/limits.h"
#include "apps/braidd/listen.h"
#include "apps/braidd/restart_delay.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "config/config.h"
#include "store/worker_group.h"

namespace braid::braidd {

// It reads nothing a client sent and holds no key, only the right to start workers as root; that is
// why it is apart from the front. It carries out SIGTERM and SIGINT (drain, then exit 0; a second
// one ends everything at once) and SIGHUP (read the configuration again).
//
// Life: run() returns the exit code of the program. Thread: the only one of its process.
class Supervisor {
 public:
  // `text` is what `config` was parsed from.
  Supervisor(config::Snapshot config, std::string text, std::vector<Listener> listeners);
  int run();

 private:
  struct Child {
    std::string name;                    // "front", "worker 0"
    std::vector<std::string> arguments;  // of the program
    pid_t pid = -1;
    UniqueFd control{};
    bool ready = false;
    Clock::Instant started{};
    RestartDelay restart_delay{};
    std::optional<Clock::Instant> restart_at{};
  };
  enum class Phase { kStarting, kServing, kDrainingFront, kDrainingWorkers, kDone };

  size_t front_index() const { return started_->server.workers; }
  // The process with the network cards, where there is to be one.
  size_t cards_index() const { return front_index() + 1; }
  bool has_cards() const { return children_.size() > cards_index(); }
  Child& cards() { return children_[cards_index()]; }
  bool start(size_t index);
  // Gives both ends of a new link to the front and to the worker.
  void connect(size_t worker);
  // The same for the process with the network cards.
  void connect_cards();
  void cards_ended(int status);
  // When all others have ended.
  void end_cards();
  void on_signal(int signal);
  void on_child_ends();
  void child_ended(size_t index, int status);
  void on_control(size_t index);
  void on_time();
  void all_ready();
  void reload();
  void begin_drain();
  void drain_workers();
  void kill_all();
  int wait_ms() const;
  bool none_runs(size_t first, size_t last) const;

  const config::Snapshot started_;  // with what waits for a restart
  const std::string started_text_;
  config::Snapshot config_;  // now
  std::string text_;
  std::vector<Listener> listeners_;
  std::vector<Child> children_;                  // the workers by index, the front, the cards
  uint64_t cards_said_ = 0;                      // why the last process had none
  std::optional<store::GroupResources> shared_;  // by several workers
  UniqueFd signals_;
  Phase phase_ = Phase::kStarting;
  std::optional<Clock::Instant> deadline_;  // of the phase
  int exit_code_ = 0;
};

}  // namespace braid::braidd
