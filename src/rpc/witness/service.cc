#include "rpc/witness/service.h"

#include <utility>

namespace braid::rpc::witness {

void Service::deliver(Completions completions) {
  if (!completions.empty()) deliver_(std::move(completions));
}

std::optional<Completion> Service::interface_list(CallToken call,
                                                  std::optional<IpAddress> asked_at) {
  return registry_.lock()->interface_list(call, asked_at);
}

std::pair<uint32_t, Handle> Service::register_client(RegisterRequest request, uint64_t association,
                                                     Registrant registrant) {
  return registry_.lock()->register_client(std::move(request), association, std::move(registrant),
                                           now_());
}

uint32_t Service::unregister(const Handle& handle, uint64_t association) {
  Completions ended;
  const uint32_t result = registry_.lock()->unregister(handle, association, ended);
  deliver(std::move(ended));
  return result;
}

std::optional<Completion> Service::async_notify(const Handle& handle, CallToken call) {
  return registry_.lock()->async_notify(handle, call, now_());
}

void Service::forget_call(CallToken call) { registry_.lock()->forget_call(call, now_()); }

void Service::association_ended(uint64_t association) {
  registry_.lock()->association_ended(association);
}

void Service::set_interface(Interface interface) {
  // The lock ends with its statement, and deliver() is called without one.
  Completions ended = registry_.lock()->set_interface(std::move(interface), now_());
  deliver(std::move(ended));
}

void Service::remove_interface(const IpAddress& address) {
  Completions ended = registry_.lock()->remove_interface(address, now_());
  deliver(std::move(ended));
}

Service::MoveResult Service::finish(Registry::MoveResult moved) {
  if (!moved) return std::unexpected(moved.error());
  deliver(std::move(moved->completions));
  return moved->registrations;
}

Service::MoveResult Service::move_clients(std::string_view client_name,
                                          std::string_view destination, Reach reach) {
  auto moved = registry_.lock()->move_clients(client_name, destination, now_(), reach);
  return finish(std::move(moved));
}

Service::MoveResult Service::move_away(const IpAddress& address) {
  auto moved = registry_.lock()->move_away(address, now_());
  return finish(std::move(moved));
}

Service::MoveResult Service::move_group_away(std::string_view group_name) {
  auto moved = registry_.lock()->move_group_away(group_name, now_());
  return finish(std::move(moved));
}

Service::MoveResult Service::move_share(std::string_view client_name, std::string_view share_name,
                                        std::string_view destination, Reach reach) {
  auto moved = registry_.lock()->move_share(client_name, share_name, destination, now_(), reach);
  return finish(std::move(moved));
}

void Service::expire() {
  Completions ended = registry_.lock()->expire(now_());
  deliver(std::move(ended));
}

}  // namespace braid::rpc::witness
