// Endpoint: one connection of a network card with RDMA, as librdmacm and libibverbs have it.
#pragma once

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <atomic>
#include <functional>
#include <memory>

#include "base/result.h"
#include "runtime/reactor.h"
#include "transport/smbdirect/queue_pair.h"
#include "transport/socket_address.h"
#include "verbs/devices.h"

namespace braid::verbs {

// Private to this folder; others have the QueuePair. Thread: the reactor's, but for what is marked.
class Endpoint : public std::enable_shared_from_this<Endpoint> {
 public:
  // What the card's connection manager says; `status` as it has it, negative, or 0.
  using OnEvent = std::move_only_function<void(rdma_cm_event_type event, int status)>;

  // Takes `id`, which has no queue pair yet, over from `channel` to one of its own. Null: a new
  // one.
  static Result<std::shared_ptr<Endpoint>> make(Reactor& reactor, rdma_cm_id* id = nullptr);
  ~Endpoint();

  rdma_cm_id* id() { return id_; }
  void on_event(OnEvent callback) { on_event_ = std::move(callback); }
  // REQUIRES: the id has a device.
  Result<void> make_queue_pair(Devices& devices);
  const Device& device() const { return *device_; }
  transport::SocketAddress peer() const;
  transport::SocketAddress local() const;

  // What others have, once. The connection ends with it.
  std::unique_ptr<transport::smbdirect::QueuePair> take_queue_pair();
  // The connection ends, and what was posted is flushed.
  void disconnect();
  // Nobody has it any more.
  bool is_abandoned() const { return is_shut_; }

 private:
  class Pair;
  struct Impl;
  explicit Endpoint(Reactor& reactor);
  void wait_for_events();
  void take_events();
  void wait_for_completions();
  // The card lets go of everything. Thread: any, with nobody using it.
  void shut();

  Reactor& reactor_;
  std::unique_ptr<Impl> impl_;  // the descriptors that are waited for
  rdma_event_channel* events_ = nullptr;
  rdma_cm_id* id_ = nullptr;
  ibv_comp_channel* channel_ = nullptr;
  ibv_cq* queue_ = nullptr;
  std::shared_ptr<Device> device_;
  OnEvent on_event_;
  std::move_only_function<void()> on_completion_;
  const Devices* devices_ = nullptr;  // when there is a queue pair
  bool is_disconnected_ = false;
  std::atomic<bool> is_shut_ = false;
};

}  // namespace braid::verbs
