// Service: the registry for those who share it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "rpc/witness/registry.h"

namespace braid::rpc::witness {

// A Registry behind a lock, with the time, and with somebody who hands answers to the conversations
// that wait for them. Owned by the server; outlives its conversations. Thread: any.
class Service {
 public:
  // Called without a lock, from whatever thread the event is on: hands each to the thread of its
  // conversation.
  using Deliver = std::function<void(Completions)>;
  Service(std::vector<std::string> server_names, std::function<TimePoint()> now, Deliver deliver)
      : now_(std::move(now)), deliver_(std::move(deliver)), registry_(std::move(server_names)) {}

  // As the Registry's, with what came of others delivered.
  std::optional<Completion> interface_list(CallToken call, std::optional<IpAddress> asked_at = {});
  std::pair<uint32_t, Handle> register_client(RegisterRequest request, uint64_t association,
                                              Registrant registrant);
  uint32_t unregister(const Handle& handle, uint64_t association);
  std::optional<Completion> async_notify(const Handle& handle, CallToken call);
  void forget_call(CallToken call);
  void association_ended(uint64_t association);
  size_t size_of(uint64_t association) const { return registry_.lock()->size_of(association); }

  void set_interface(Interface interface);
  void remove_interface(const IpAddress& address);
  // How many registrations.
  using MoveResult = std::expected<size_t, Refusal>;
  MoveResult move_clients(std::string_view client_name, std::string_view destination,
                          Reach reach = Reach::kInterfaces);
  MoveResult move_away(const IpAddress& address);
  MoveResult move_group_away(std::string_view group_name);
  MoveResult move_share(std::string_view client_name, std::string_view share_name,
                        std::string_view destination, Reach reach = Reach::kInterfaces);
  void expire();
  std::optional<TimePoint> next_deadline() const { return registry_.lock()->next_deadline(); }
  std::vector<Registry::Entry> entries() const { return registry_.lock()->entries(); }

 private:
  void deliver(Completions completions);
  MoveResult finish(Registry::MoveResult moved);

  const std::function<TimePoint()> now_;
  const Deliver deliver_;
  Guarded<Registry> registry_;
};

}  // namespace braid::rpc::witness
