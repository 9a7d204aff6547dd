// DatagramBus: a MessageBus over Unix datagram sockets.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/result.h"
#include "store/datagram_lane.h"
#include "store/message_bus.h"
#include "store/shared_region.h"

namespace braid::store {

inline constexpr size_t kLanes = static_cast<size_t>(Lane::kCount);

// A socket pair for each worker and lane, made before any of them starts: all hold its sending end,
// the worker the receiving one. It outlives the worker, so nobody has to connect again; what was
// sent to an earlier life is read by the next and makes no difference to it. Owned by a
// WorkerGroup. Life: handle() for each topic, start(), stop().
class DatagramBus final : public MessageBus {
 public:
  using Pairs = std::array<DatagramLane::Pair, kLanes>;
  static Result<Pairs> make_pairs();
  struct Ends {
    UniqueFd receive;
    std::vector<UniqueFd> send;  // one for each worker
  };

  DatagramBus(const SharedRegion& region, WorkerTag own, std::array<Ends, kLanes> ends);
  ~DatagramBus() override;

  void handle(Topic topic, Handler handler, std::function<void()> missed) override;
  void on_room(Topic topic, std::function<void(size_t)> has_room) override;
  void want_room(size_t worker, Topic topic) override;
  bool send(size_t worker, Topic topic, ByteView payload, int fd, IfFull if_full) override;
  void broadcast(Topic topic, ByteView payload, IfFull if_full) override;

  void start();
  // No handler runs any more. Idempotent. REQUIRES: not called by a handler.
  void stop();

  // A life has ended that owed the workers of this set (WorkerSlot::owed) to tell what was lost.
  void tell_owed(uint64_t workers);

 private:
  struct Subscriber {
    Handler handler;
    std::function<void()> missed;
    std::function<void(size_t)> has_room;
  };
  DatagramLane& lane(Lane which) { return *lanes_[static_cast<size_t>(which)]; }
  Subscriber& subscriber(Topic topic) { return subscribers_[static_cast<size_t>(topic)]; }
  void on_message(ByteView message, UniqueFd fd, bool is_fd_lost);
  void tell_missed(Lane which);
  void tell_room(Lane which, size_t worker);
  // `topics`: a set of 1 << topic.
  void note_missed(size_t worker, Lane of, uint32_t topics);

  const SharedRegion& region_;
  const WorkerTag own_;
  std::array<Subscriber, static_cast<size_t>(Topic::kCount)> subscribers_;
  std::array<std::unique_ptr<DatagramLane>, kLanes> lanes_;
};

}  // namespace braid::store
