// Front: accepts connections, reads one message of each, and hands them to the workers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "apps/braidd/handover.h"
#include "apps/braidd/limits.h"
#include "apps/braidd/pending_list.h"
#include "apps/braidd/service.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "transport/socket_address.h"

namespace braid::braidd {

// Answers nothing itself, so that everything of a connection that counts, beginning with the
// preauth integrity hash of [MS-SMB2] 3.3.5.4 "Receiving an SMB2 NEGOTIATE Request", is the
// worker's. Connections of one client go to worker_of() its ClientGuid; one that tells it only
// after an SMB1 NEGOTIATE comes back from whichever worker answered that, and goes there, too.
// Those of RPC all go to one worker, which has the registrations of all.
//
// Owned by the front process, or by a thread of a single-process server. Thread: one. Life: until
// the supervisor orders it to drain, or is gone.
class Front {
 public:
  struct Options {
    struct Listener {
      UniqueFd socket;  // listening, non-blocking
      Service service = Service::kSmb;
    };
    UniqueFd control{};  // to the supervisor
    std::vector<Listener> listeners{};
    size_t workers = 1;
    FrontLimits limits{};
    const Clock& clock = system_clock();
    // Until the supervisor says so it accepts nothing: the front whose place it is to take does.
    bool is_held = false;
  };
  explicit Front(Options options);

  void run();
  // One round: waits for something to do, at most `wait_max`, and does it. For tests.
  void step(std::chrono::milliseconds wait_max);
  bool finished() const { return finished_; }

  size_t pending() const { return pending_.size(); }

 private:
  void watch(int fd, uint64_t tag, uint32_t events, int operation);
  void on_control();
  void on_listener(size_t index);
  void on_pending(uint64_t key);
  void on_link(size_t worker, uint32_t events);
  void rewatch(size_t worker);
  void set_accepting(bool accepting);
  void note_crowd(const transport::SocketAddress& peer);
  void start_drain();
  // Gives all connections there are to the front that takes this one's place, and ends.
  void hand_to(UniqueFd heir);
  // What comes from the one before.
  void on_before();
  void take_pending(Message message);
  void on_time(Clock::Instant now);
  void finish_if_drained(Clock::Instant now);
  int wait_ms(std::chrono::milliseconds wait_max) const;
  void hand_over(size_t worker, MessageKind kind, UniqueFd socket, Buffer frame);
  // What a worker gave back, for another.
  void on_passed_on(size_t worker);
  size_t worker_for(const FirstFrame& frame);

  UniqueFd control_;
  std::vector<Options::Listener> listeners_;
  const FrontLimits limits_;
  const Clock& clock_;
  UniqueFd epoll_;
  PendingList pending_;
  std::vector<Handover> workers_;
  size_t next_worker_ = 0;  // for connections without a ClientGuid
  bool accepting_ = true;
  std::optional<Clock::Instant> accept_again_;
  UniqueFd before_;
  uint64_t crowd_dropped_ = 0;
  std::optional<Clock::Instant> crowd_told_at_;
  std::optional<Clock::Instant> drain_deadline_;  // set: draining
  bool finished_ = false;
};

}  // namespace braid::braidd
