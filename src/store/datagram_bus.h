// DatagramBus: a MessageBus over Unix datagram sockets.
#pragma once

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "base/result.h"
#include "store/message_bus.h"
#include "store/shared_region.h"

namespace braid::store {

// One socket pair for each worker, made before any of them starts: all hold its sending end, the
// worker the receiving one. It outlives the worker, so nobody has to connect again; what was sent
// to an earlier life is read by the next and makes no difference to it. Owned by a WorkerGroup.
// Life: handle() for each topic, start(), stop().
class DatagramBus final : public MessageBus {
 public:
  struct Pair {
    UniqueFd receive;
    UniqueFd send;
  };
  static Result<Pair> make_pair();

  // `send` has an end for each worker.
  DatagramBus(const SharedRegion& region, WorkerTag own, UniqueFd receive,
              std::vector<UniqueFd> send);
  ~DatagramBus() override;

  void handle(Topic topic, Handler handler, std::function<void()> missed) override;
  bool send(size_t worker, Topic topic, ByteView payload, int fd) override;
  void broadcast(Topic topic, ByteView payload) override;

  void start();
  // No handler runs any more. Idempotent. REQUIRES: not called by a handler.
  void stop();

 private:
  struct Subscriber {
    Handler handler;
    std::function<void()> missed;
  };
  void run();
  void take_all(MutableByteView room);
  void tell_missed();

  const SharedRegion& region_;
  const WorkerTag own_;
  const UniqueFd receive_;
  const std::vector<UniqueFd> send_;
  UniqueFd stop_;
  std::array<Subscriber, static_cast<size_t>(Topic::kCount)> subscribers_;
  std::thread thread_;
};

}  // namespace braid::store
