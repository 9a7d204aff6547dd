// Supervisor: the process that an administrator starts; it keeps the others running.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "apps/braidd/generation.h"
#include "apps/braidd/link.h"
#include "apps/braidd/upgrade.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "config/config.h"

namespace braid::braidd {

// It reads nothing a client sent and holds no key, only the right to start workers as root; that is
// why it is apart from the front. It carries out SIGTERM and SIGINT (drain, then exit 0; a second
// one ends everything at once), SIGHUP (read the configuration again) and SIGUSR2 (upgrade: the
// program and the configuration that there are now take over from those that run).
//
// Life: run() returns the exit code of the program. Thread: the only one of its process.
class Supervisor {
 public:
  // Of a server that starts. `started`: the configuration of `generation`. `state_lock`: kept while
  // it runs. `program`: the file that an upgrade looks for a new program in.
  Supervisor(config::Snapshot started, Generation generation, UniqueFd state_lock,
             std::string program);
  // After an upgrade: the processes of `generation` serve already.
  void resume();
  int run();

 private:
  enum class Phase { kStarting, kServing, kDrainingFront, kDrainingWorkers, kDone };

  bool start_all();
  void cards_ended(int status);
  void keeper_ended(int status);
  void start_node();
  // When all others have ended, first the keeper, then the cards.
  void end_others();
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

  void begin_upgrade();
  // Its next step, when there is something new; or its end.
  void on_upgrade();
  void end_upgrade();
  void end_attempt(admin::UpgradeNews news);
  // Runs the new program in place of this one. Returns if that cannot be.
  void become_new();

  config::Snapshot started_;  // with what waits for a restart; null: a newer version's
  config::Snapshot config_;   // now
  Generation now_;
  const UniqueFd state_lock_;
  const std::string program_;
  UniqueFd signals_;
  Phase phase_ = Phase::kStarting;
  std::optional<Clock::Instant> deadline_;  // of the phase
  std::optional<Upgrade> upgrade_;
  bool reloads_after_upgrade_ = false;
  bool is_keeper_leaving_ = false;
  int exit_code_ = 0;
};

}  // namespace braid::braidd
