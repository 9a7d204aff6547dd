// Generation: the processes that serve with one configuration, and what they share.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/protocol.h"
#include "apps/braidd/listen.h"
#include "apps/braidd/restart_delay.h"
#include "apps/braidd/upgrade_state.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "config/config.h"
#include "store/worker_group.h"

namespace braid::braidd {

struct Child {
  std::string name;                    // "front", "worker 0"
  std::vector<std::string> arguments;  // of the program
  pid_t pid = -1;
  UniqueFd control{};
  bool ready = false;
  uint64_t live_version = 0;    // of connections, as it can take them over
  bool is_taking_over = false;  // a worker that was not told to serve yet
  bool has_left = false;        // it has nothing of its clients any more
  Clock::Instant started{};
  RestartDelay restart_delay{};
  uint64_t restarts = 0;  // how often another one took its place
  std::optional<Clock::Instant> restart_at{};
};

// What a configuration takes: how many processes, and how each is started. `listeners`: open, or
// those of the running server.
ServerState plan_of(const config::Config& config, const std::vector<Listener>& listeners,
                    std::string version);

// What the supervisor has of the processes it starts. Thread: its only one.
class Generation {
 public:
  // `text` is what the configuration is parsed from.
  Generation(const ServerState& plan, std::string text, std::vector<Listener> listeners);

  // Before the first start(), and in a cluster before each new keeper. An error: there is no memory
  // for them to share. `before`: whose processes these take the place of; with as many workers each
  // has the number of one of them.
  std::expected<void, Error> make_shared(const Generation* before = nullptr);

  size_t workers() const { return workers_; }
  size_t front_index() const { return workers_; }
  // The process with the network cards, where there is to be one.
  size_t cards_index() const { return workers_ + 1; }
  bool has_cards() const { return plan.has_cards; }
  // The process with the records that all nodes share, in a cluster.
  size_t keeper_index() const { return cards_index() + plan.has_cards; }
  bool has_keeper() const { return plan.has_keeper; }
  Child& front() { return children[front_index()]; }
  Child& cards() { return children[cards_index()]; }
  Child& keeper() { return children[keeper_index()]; }

  // A worker serves from the start, or takes over; a front accepts from the start, or is held.
  enum class Begin : uint8_t { kAtOnce, kWhenTold };
  // False, after a line, if it cannot be started.
  bool start(size_t index, Begin begin = Begin::kAtOnce);
  // Gives both ends of a new link to the front and to the worker.
  void connect(size_t worker);
  // The same for the process with the network cards, and for all workers or one.
  void connect_cards();
  void connect_cards(size_t worker);
  bool none_runs(size_t first, size_t last) const;
  bool all_ready() const;  // but for the cards
  void kill(size_t first, size_t last) const;

  // With what is open, for the program that this one becomes: descriptors under their numbers.
  ServerState state(UniqueFd& started_text_file, UniqueFd& text_file) const;
  // What became of the last attempt to upgrade.
  void tell_upgrade(size_t worker) const;
  // All those numbers.
  static std::vector<int> descriptors_in(const ServerState& state);
  // The other side. An error is a line.
  static std::expected<Generation, std::string> of(const ServerState& state);

  std::string started_text;
  std::string text;  // now
  log::Level log_level{};
  std::vector<Listener> listeners;
  std::vector<Child> children;                  // the workers by index, the front, the cards
  std::optional<store::GroupResources> shared;  // by several workers, or a worker and the keeper
  std::pair<UniqueFd, UniqueFd> keeper_link;    // the worker's end and the keeper's
  UniqueFd program;                             // what is started; none: what runs here
  uint64_t upgrade_attempts = 0;                // workers are told when they are started
  admin::UpgradeNews upgrade_news;              // of the last attempt, if there was one
  uint64_t cards_said = 0;                      // why the last process with the cards had none
  ServerState plan;

 private:
  size_t workers_;
};

}  // namespace braid::braidd
