// ClusterBus: a MessageBus between workers of several nodes, over messages of ctdb.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "runtime/reactor.h"
#include "runtime/task_scope.h"
#include "store/ctdb/bus_packet.h"
#include "store/ctdb/client.h"
#include "store/message_bus.h"

namespace braid::store::ctdb {

struct BusPlace {
  WorkerTag own;
  size_t workers = 1;          // of all nodes, up to kWorkersMax
  size_t workers_on_node = 1;  // the worker with index i is on the node i / workers_on_node
  // A set of 1 << Topic that no node says to another: what only those of one machine may hear.
  uint32_t refused = 0;
};

// ctdbd acknowledges nothing, keeps what a receiver does not take in its own memory, and loses
// what was on its way when it or a connection between two of them dies. So a receiver tells what it
// has handled, a sender has no more than a window on its way, and whoever finds that bytes are
// missing, or that nodes came or went, was told `missed` of all topics.
// Owned by who has the client, whose sink passes on what the client says. Life: handle() for each
// topic, start(), stop(). Thread: as MessageBus says; on_...() that of the client's reactor.
class ClusterBus final : public MessageBus {
 public:
  // Bytes on their way to one receiver, of one lane. One message may be larger.
  static constexpr uint64_t kWindow = uint64_t{1} << 20;

  // `is_alive`: whether a worker with this index is known to live; on any thread.
  ClusterBus(Reactor& reactor, Client& client, const BusPlace& place,
             std::function<bool(size_t)> is_alive);
  ~ClusterBus() override;

  // What the client of worker `worker` registers for.
  static uint64_t number_of(size_t worker) { return kNumbers | worker; }

  void on_connected();
  void on_lost();
  // ClusterEvent::kReconfigured: a node may have gone with what was on its way.
  void on_reconfigured();
  void on_message(ByteView payload);
  // It is known that this worker has ended: what it had yet to tell is missed, and nothing waits
  // for it. Thread: any. REQUIRES: worker < place.workers.
  void ended(size_t worker);

  void handle(Topic topic, Handler handler, std::function<void()> missed) override;
  void on_room(Topic topic, std::function<void(size_t)> has_room) override;
  void want_room(size_t worker, Topic topic) override;
  bool send(size_t worker, Topic topic, ByteView payload, int fd = -1,
            IfFull if_full = IfFull::kMiss) override;
  void broadcast(Topic topic, ByteView payload, IfFull if_full = IfFull::kMiss) override;

  void start();
  // No handler runs any more. Idempotent. REQUIRES: not called by a handler.
  void stop();

  // Messages that were of no use: of another version, or that no worker makes.
  uint64_t ignored() const { return ignored_; }

 private:
  static constexpr uint64_t kNumbers = 0xB500000000000000;  // a range that nobody else has
  static constexpr size_t kLaneCount = static_cast<size_t>(Lane::kCount);
  static constexpr int kTurn = 64;
  static constexpr uint64_t kTellAfter = kWindow / 8;

  struct Subscriber {
    Handler handler;
    std::function<void()> missed;
    std::function<void(size_t)> has_room;
  };
  // To one worker in one lane.
  struct Outbound {
    uint64_t sent = 0;
    uint64_t taken = 0;
    uint32_t missed = 0;  // to be told
    bool wants_room = false;
    struct Waiting {
      Topic topic{};
      bool is_fd_lost = false;
      Bytes payload;
    };
    std::deque<Waiting> waiting;
    size_t waiting_bytes = 0;
  };
  // From one worker in one lane.
  struct Inbound {
    WorkerTag from;
    uint64_t position = 0;  // of what has come
  };
  // What one worker was told that its messages were taken.
  struct Told {
    WorkerTag from;
    uint64_t position = 0;
  };
  struct Received {
    Topic topic{};
    WorkerTag from;
    uint64_t position = 0;
    bool is_fd_lost = false;
    Bytes payload;
  };
  // What the lane's thread does next.
  struct Work {
    std::deque<Received> received;
    size_t bytes = 0;
    uint32_t missed = 0;
    uint64_t has_room = 0;  // a set of workers
    bool stops = false;
  };
  struct LaneState {
    Guarded<std::vector<Outbound>> outbound;
    std::vector<Inbound> inbound;  // the reactor's
    std::vector<Told> told;        // the lane thread's
    std::mutex mutex;
    std::condition_variable added;
    Work work;
    std::thread thread;
  };

  LaneState& lane(Lane which) { return lanes_[static_cast<size_t>(which)]; }
  Subscriber& subscriber(Topic topic) { return subscribers_[static_cast<size_t>(topic)]; }
  static uint32_t topics_of(Lane lane);
  bool is_refused(Topic topic) const {
    return (place_.refused >> static_cast<unsigned>(topic) & 1) != 0;
  }
  bool has_window(const Outbound& to) const {
    return to.waiting.empty() && to.sent - to.taken < kWindow;
  }
  void put(size_t worker, Lane which, Outbound& to, Topic topic, bool is_fd_lost, Bytes payload);
  void post(size_t worker, BusPacket packet);
  void note_missed(size_t worker, Lane which, Outbound& to, uint32_t topics);
  // What waits and has room goes; who wants to know of room is told.
  void go_on(size_t worker, Lane which, Outbound& to);
  void on_taken(const BusPacket& packet);
  void add_missed(Lane which, uint32_t topics);
  // Nothing that was on its way counts any more, in both directions.
  void begin_anew();

  void run(Lane which);
  void handle_some(Lane which, Work& work);
  void tell_taken(Lane which, const Received& last);

  Reactor& reactor_;
  Client& client_;
  const BusPlace place_;
  const std::function<bool(size_t)> is_alive_;
  std::array<Subscriber, static_cast<size_t>(Topic::kCount)> subscribers_;
  std::array<LaneState, kLaneCount> lanes_;
  std::atomic<bool> is_connected_ = false;
  std::atomic<bool> is_stopped_ = false;
  std::atomic<uint64_t> ignored_ = 0;
  TaskScope sending_;
};

}  // namespace braid::store::ctdb
