// DatagramLane: messages of one kind between workers, over Unix datagram sockets.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/guarded.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "store/message_bus.h"

namespace braid::store {

// A socket pair for each worker, and what waits in this one for room in those of others. Owned by a
// DatagramBus. Life: start(), stop(). Thread: send() and want_room() any.
class DatagramLane {
 public:
  struct Pair {
    UniqueFd receive;
    UniqueFd send;
  };
  // `message_max`: bytes that a message may have.
  static Result<Pair> make_pair(size_t message_max);

  // All on the lane's thread.
  struct Sink {
    // `is_fd_lost`: as BusMessage says.
    std::function<void(ByteView message, UniqueFd fd, bool is_fd_lost)> received;
    // After at most kTurn messages, however many there are.
    std::function<void()> turn_ends;
    std::function<void(size_t worker)> has_room;
  };
  static constexpr size_t kTurn = 64;

  // `send` has an end for each worker.
  DatagramLane(UniqueFd receive, std::vector<UniqueFd> send, size_t message_max, Sink sink);
  ~DatagramLane();

  // False: it is lost. REQUIRES: heading and payload together are message_max at most.
  bool send(size_t worker, ByteView heading, ByteView payload, int fd, IfFull if_full);
  // has_room() is wanted, once.
  void want_room(size_t worker);
  // And was not called yet.
  bool wants_room(size_t worker) const { return receivers_[worker].waiting.lock()->wants_room; }

  void start();
  // Idempotent. REQUIRES: not called on the lane's thread.
  void stop();

 private:
  struct Message {
    Bytes bytes;
    UniqueFd fd;
  };
  struct Waiting {
    std::deque<Message> messages;
    size_t bytes = 0;
    bool wants_room = false;
  };
  struct Receiver {
    UniqueFd socket;
    // Whether there are messages in `waiting`, which no later one may overtake.
    std::atomic<bool> is_behind = false;
    Guarded<Waiting> waiting;
  };

  void run();
  void take_some(MutableByteView room);
  // False: there is no room after all, though the socket said so.
  bool send_waiting(size_t worker);
  void wake();

  const UniqueFd receive_;
  std::vector<Receiver> receivers_;  // by worker
  const size_t message_max_;
  const Sink sink_;
  const UniqueFd wake_;
  std::atomic<bool> stops_ = false;
  std::thread thread_;
};

}  // namespace braid::store
