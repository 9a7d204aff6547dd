// Upgrade: how a new program and a new configuration take the place of those that run, while
// clients are connected.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/protocol.h"
#include "apps/braidd/generation.h"
#include "apps/braidd/link.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace braid::braidd {

// Step by step, and until kLeaving nothing is lost by going back: then the old processes go on.
//
//   kAsking     the new program, as a probe, reads the configuration and says what it takes
//   kStarting   its workers and its front are started beside the old ones; they serve nobody
//   kSuspending the old workers take no requests any more
//   kHandingOver  what waits for clients goes from the old workers to the new ones
//   kLeaving    the old workers end, or hang in a disk with nothing of their clients any more; the
//               new front has the connections of the old one
//   kServing    the new workers read the logs of handles, and serve
//   kDone       the supervisor becomes the new program
//
// ARCHITECTURE.md, "An upgrade hands over what runs", draws it. Owned by the Supervisor, whose
// generation of processes it replaces. Thread: its only one.
class Upgrade {
 public:
  enum class Step : uint8_t {
    kAsking,
    kStarting,
    kSuspending,
    kHandingOver,
    kLeaving,
    kServing,
    kDone,
    kFailed,
  };
  // `running`: what there is, for the probe.
  Upgrade(UniqueFd program, const std::string& running, const std::string& config_file);

  // What to poll for.
  std::vector<int> descriptors() const;
  // A child of the supervisor that is none of its generation has ended. False: it is none of here.
  bool child_ended(pid_t pid, int status);
  // Reads what has come and does what is to be done now. `now`: the supervisor's generation, the
  // new one from kLeaving on.
  void advance(Generation& now);
  // Of a server that is stopping, or of which a process has ended. The old workers go on where that
  // can be.
  void give_up(Generation& now, std::string why);
  // A worker of the generation that runs may be started again: the logs of handles are nobody's.
  bool may_start_workers() const { return step_ != Step::kLeaving; }

  Step step() const { return step_; }
  bool is_before_leaving() const { return step_ < Step::kLeaving; }
  std::optional<Clock::Instant> deadline() const { return deadline_; }
  const std::string& failure() const { return failure_; }
  const admin::UpgradeNews::Done& done() const { return done_; }
  int program() const { return program_.get(); }
  // Of an old worker, a new one or a new front before kLeaving: reads its control.
  void on_message(size_t index, bool is_new, const Message& message);

 private:
  void read(Generation& from, bool is_new);
  void read_probe();
  void start_new(const Generation& now);
  void suspend(Generation& now);
  void hand_over(Generation& now);
  void leave(Generation& now);
  void serve(Generation& now);
  // Whether each has nothing of its clients any more. It may hang all the same, in a disk.
  bool old_workers_left() const;
  // The first `count` of the old processes, which get kKillTime for it.
  void kill_old(size_t count);
  void fail(Generation& now, std::string why);
  void enter(Step step, std::chrono::nanoseconds time);
  void set_deadline(std::chrono::nanoseconds time);

  UniqueFd program_;
  Step step_ = Step::kAsking;
  std::optional<Clock::Instant> deadline_;
  pid_t probe_ = -1;
  UniqueFd probe_control_;
  std::optional<std::string> text_;
  std::optional<ServerState> plan_;
  std::vector<std::pair<uint64_t, UniqueFd>> listeners_;  // new ones, by their place in the plan
  std::optional<Generation> new_;                         // up to kLeaving
  std::optional<Generation> old_;  // from then on, until its processes have ended
  bool connections_go_ = false;    // from kSuspending on
  bool is_killed_ = false;         // old_, which had time enough
  bool serves_ = false;            // each of the generation that takes its place
  size_t suspended_ = 0;
  size_t taken_ = 0;
  std::string failure_;
  admin::UpgradeNews::Done done_;
  Clock::Instant suspended_at_{};
};

}  // namespace braid::braidd
