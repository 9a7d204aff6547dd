#include "rpc/witness/registry.h"

#include <algorithm>

#include "base/ip_address.h"
#include "crypto/secret.h"
#include "wire/fold.h"

namespace braid::rpc::witness {
namespace {

bool is_named(const std::optional<std::string>& name, std::string_view wanted) {
  return name && wire::equal_fold(*name, wanted);
}

bool is_too_long(const std::optional<std::string>& name) {
  return name && name->size() > Registry::kNameMax;
}

// From 224.0.0.0 and from ff00:: on there are groups, and nothing else that a client could use.
bool is_usable(const IpAddress& address) {
  constexpr uint8_t kFirstGroup4 = 224;
  constexpr uint8_t kFirstGroup6 = 0xff;
  const braid::IpAddress plain(ByteView(address.bytes).first(address.is_v6 ? 16 : 4));
  const bool is_group = plain.bytes()[0] >= (plain.is_v4() ? kFirstGroup4 : kFirstGroup6);
  return !is_group && !plain.is_unspecified() && !plain.is_loopback() && !plain.is_link_local();
}

// Two notices of a resource tell all there is to know of it: that it went, and how it is now.
void add_change(std::deque<ResourceChange>& changes, ResourceChange change) {
  std::erase(changes, change);
  changes.push_back(std::move(change));
}

}  // namespace

Registry::Registry(std::vector<std::string> server_names)
    : server_names_(std::move(server_names)) {}

Bytes Completion::encode() const {
  Bytes stub;
  wire::NdrWriter out(stub);
  if (interfaces) {
    encode_interface_list(out, *interfaces);
  } else if (notice) {
    notice->encode(out);
  } else {
    out.pointer(false);
  }
  out.u32(result);
  return stub;
}

std::optional<Completion> Registry::interface_list(CallToken call,
                                                   std::optional<IpAddress> asked_at) {
  if (interfaces_.empty()) return Completion{call, error::kNoMoreItems};
  if (is_any_available()) {
    return Completion{.call = call, .interfaces = interfaces_for(asked_at)};
  }
  list_waits_.emplace(call, asked_at);
  return std::nullopt;
}

std::vector<Interface> Registry::interfaces_for(const std::optional<IpAddress>& asked_at) const {
  std::vector<Interface> list = interfaces_;
  for (Interface& interface : list) {
    if (asked_at == interface.address) interface.is_witness = false;
  }
  return list;
}

bool Registry::is_any_available() const {
  return std::ranges::any_of(
      interfaces_, [](const Interface& interface) { return interface.state == State::kAvailable; });
}

bool Registry::is_ours(const std::optional<std::string>& net_name) const {
  const auto address = net_name ? IpAddress::parse(*net_name) : std::nullopt;
  const bool is_interface =
      address && std::ranges::find(interfaces_, *address, &Interface::address) != interfaces_.end();
  if (is_interface) return true;
  return std::ranges::any_of(server_names_,
                             [&](const std::string& name) { return is_named(net_name, name); });
}

std::pair<uint32_t, Handle> Registry::register_client(RegisterRequest request, uint64_t association,
                                                      Registrant registrant, TimePoint now) {
  if (!request.net_name || !request.ip_address || !request.client_name) {
    return {error::kInvalidParameter, {}};
  }
  if (!is_ours(request.net_name)) return {error::kInvalidParameter, {}};
  if (is_too_long(request.ip_address) || is_too_long(request.client_name) ||
      is_too_long(request.share_name)) {
    return {error::kInvalidParameter, {}};
  }
  const auto of_user = per_user_.find(registrant.sid);
  if (registrations_.size() >= kRegistrationsMax ||
      (of_user != per_user_.end() && of_user->second >= kPerUserMax)) {
    return {error::kNoSystemResources, {}};
  }
  ++per_user_[registrant.sid];
  Handle handle;
  crypto::random_bytes(handle.uuid.bytes);
  per_association_[association].insert(handle);
  Registration& registration = registrations_[handle];
  registration.address = IpAddress::parse(*request.ip_address);
  registration.request = std::move(request);
  registration.association = association;
  registration.registrant = std::move(registrant);
  set_deadline(handle, registration, now + kUnusedTime);
  return {error::kSuccess, handle};
}

uint32_t Registry::unregister(const Handle& handle, uint64_t association, Completions& ended) {
  const auto entry = registrations_.find(handle);
  if (entry == registrations_.end() || entry->second.association != association) {
    return error::kInvalidParameter;
  }
  if (entry->second.waiting) ended.push_back({*entry->second.waiting, error::kNotFound});
  erase(entry);
  return error::kSuccess;
}

std::optional<Completion> Registry::async_notify(const Handle& handle, CallToken call,
                                                 TimePoint now) {
  const auto entry = registrations_.find(handle);
  if (entry == registrations_.end() || entry->second.association != call.association) {
    return Completion{call, error::kNotFound};
  }
  Registration& registration = entry->second;
  if (registration.waiting) return Completion{call, error::kNoSystemResources};
  if (has_pending(registration)) {
    set_deadline(handle, registration, now + kUnusedTime);
    return Completion{call, error::kSuccess, take_notice(registration)};
  }
  registration.waiting = call;
  waiting_.emplace(call, handle);
  const bool has_keep_alive = registration.request.version == RegisterRequest::kVersion2;
  const auto wanted = std::chrono::seconds(std::max(registration.request.keep_alive_s, 1u));
  set_deadline(handle, registration,
               has_keep_alive ? now + std::min<std::chrono::seconds>(wanted, kKeepAliveMax)
                              : TimePoint::max());
  return std::nullopt;
}

void Registry::forget_call(CallToken call, TimePoint now) {
  list_waits_.erase(call);
  const auto found = waiting_.find(call);
  if (found == waiting_.end()) return;
  const auto entry = registrations_.find(found->second);
  waiting_.erase(found);
  entry->second.waiting.reset();
  set_deadline(entry->first, entry->second, now + kUnusedTime);
}

void Registry::association_ended(uint64_t association) {
  list_waits_.erase(list_waits_.lower_bound({association, 0}),
                    list_waits_.lower_bound({association + 1, 0}));
  const auto its = per_association_.find(association);
  if (its == per_association_.end()) return;
  for (const Handle& handle : std::set<Handle>(its->second)) erase(registrations_.find(handle));
}

Completions Registry::set_interface(Interface interface, TimePoint now) {
  Completions completions;
  const auto known = std::ranges::find(interfaces_, interface.address, &Interface::address);
  if (known == interfaces_.end()) {
    interfaces_.push_back(interface);
    tell_change(interface, now, completions);
  } else {
    const bool is_news =
        known->state != interface.state || known->group_name != interface.group_name;
    *known = interface;
    if (is_news) tell_change(interface, now, completions);
  }
  if (is_any_available()) {
    for (const auto& [call, asked_at] : std::exchange(list_waits_, {})) {
      completions.push_back({.call = call, .interfaces = interfaces_for(asked_at)});
    }
  }
  return completions;
}

Completions Registry::remove_interface(const IpAddress& address, TimePoint now) {
  Completions completions;
  const auto known = std::ranges::find(interfaces_, address, &Interface::address);
  if (known == interfaces_.end()) return completions;
  Interface gone = std::move(*known);
  interfaces_.erase(known);
  gone.state = State::kUnavailable;
  tell_change(gone, now, completions);
  if (interfaces_.empty()) {
    for (const auto& [call, asked_at] : std::exchange(list_waits_, {})) {
      completions.push_back({call, error::kNoMoreItems});
    }
  }
  return completions;
}

void Registry::tell_change(const Interface& interface, TimePoint now, Completions& completions) {
  for (auto& [handle, registration] : registrations_) {
    if (registration.address == interface.address) {
      add_change(registration.changes, {interface.group_name, interface.state});
    }
    if (registration.request.wants_ip_changes) {
      registration.ip_changes[interface.address] = interface.state;
    }
    deliver(handle, registration, now, completions);
  }
}

Registry::MoveResult Registry::move_clients(std::string_view client_name,
                                            std::string_view destination, TimePoint now,
                                            Reach reach) {
  const auto addresses = destination_of(destination, reach);
  if (!addresses) return std::unexpected(addresses.error());
  Moved moved;
  for (auto& [handle, registration] : registrations_) {
    if (!client_name.empty() && !is_named(registration.request.client_name, client_name)) continue;
    ++moved.registrations;
    registration.move = *addresses;
    deliver(handle, registration, now, moved.completions);
  }
  return moved;
}

Registry::MoveResult Registry::move_away(const IpAddress& address, TimePoint now) {
  std::vector<AddressState> others;
  for (const Interface& interface : interfaces_) {
    if (interface.address == address || interface.state != State::kAvailable) continue;
    others.push_back({interface.address, interface.state});
  }
  if (others.empty()) return std::unexpected(Refusal::kUnavailable);
  Moved moved;
  for (auto& [handle, registration] : registrations_) {
    if (registration.address != address) continue;
    ++moved.registrations;
    registration.move = others;
    deliver(handle, registration, now, moved.completions);
  }
  return moved;
}

Registry::MoveResult Registry::move_group_away(std::string_view group_name, TimePoint now) {
  std::vector<AddressState> others;
  std::set<IpAddress> own;
  for (const Interface& interface : interfaces_) {
    if (interface.group_name == group_name) {
      own.insert(interface.address);
    } else if (interface.state == State::kAvailable) {
      others.push_back({interface.address, interface.state});
    }
  }
  if (own.empty()) return std::unexpected(Refusal::kUnknown);
  if (others.empty()) return std::unexpected(Refusal::kUnavailable);
  Moved moved;
  for (auto& [handle, registration] : registrations_) {
    if (!registration.address || !own.contains(*registration.address)) continue;
    ++moved.registrations;
    registration.move = others;
    deliver(handle, registration, now, moved.completions);
  }
  return moved;
}

Registry::MoveResult Registry::move_share(std::string_view client_name, std::string_view share_name,
                                          std::string_view destination, TimePoint now,
                                          Reach reach) {
  const auto addresses = destination_of(destination, reach);
  if (!addresses) return std::unexpected(addresses.error());
  Moved moved;
  for (auto& [handle, registration] : registrations_) {
    if (!client_name.empty() && !is_named(registration.request.client_name, client_name)) continue;
    if (!is_named(registration.request.share_name, share_name)) continue;
    ++moved.registrations;
    registration.share_move = *addresses;
    deliver(handle, registration, now, moved.completions);
  }
  return moved;
}

std::optional<TimePoint> Registry::next_deadline() const {
  if (deadlines_.empty() || deadlines_.begin()->first == TimePoint::max()) return std::nullopt;
  return deadlines_.begin()->first;
}

Completions Registry::expire(TimePoint now) {
  Completions completions;
  while (!deadlines_.empty() && deadlines_.begin()->first < now) {
    const auto entry = registrations_.find(deadlines_.begin()->second);
    Registration& registration = entry->second;
    if (!registration.waiting) {
      erase(entry);
      continue;
    }
    completions.push_back({*registration.waiting, error::kTimeout});
    waiting_.erase(*registration.waiting);
    registration.waiting.reset();
    set_deadline(entry->first, registration, now + kUnusedTime);
  }
  return completions;
}

std::vector<Registry::Entry> Registry::entries() const {
  std::vector<Entry> entries;
  entries.reserve(registrations_.size());
  for (const auto& [handle, registration] : registrations_) {
    entries.push_back({handle, registration.request, registration.registrant,
                       registration.association, registration.waiting.has_value(),
                       registration.changes.size() + registration.ip_changes.size() +
                           (registration.move.empty() ? 0 : 1) +
                           (registration.share_move.empty() ? 0 : 1)});
  }
  return entries;
}

bool Registry::has_pending(const Registration& registration) {
  return !registration.changes.empty() || !registration.move.empty() ||
         !registration.share_move.empty() || !registration.ip_changes.empty();
}

std::expected<std::vector<AddressState>, Refusal> Registry::destination_of(std::string_view name,
                                                                           Reach reach) const {
  std::vector<AddressState> addresses;
  const auto literal = IpAddress::parse(name);
  if (literal && !is_usable(*literal)) return std::unexpected(Refusal::kUnusable);
  for (const Interface& interface : interfaces_) {
    if (literal ? interface.address == *literal : wire::equal_fold(interface.group_name, name)) {
      addresses.push_back({interface.address, interface.state});
    }
  }
  if (literal && addresses.empty() && reach == Reach::kAnywhere) {
    addresses.push_back({*literal, State::kAvailable});
  }
  if (addresses.empty()) return std::unexpected(Refusal::kUnknown);
  if (std::ranges::find(addresses, State::kAvailable, &AddressState::state) == addresses.end()) {
    return std::unexpected(Refusal::kUnavailable);
  }
  return addresses;
}

// One kind at a time, as an answer has room for one; the others wait for the client's next call.
Notice Registry::take_notice(Registration& registration) {
  Notice notice;
  if (!registration.changes.empty()) {
    notice.changes.assign(registration.changes.begin(), registration.changes.end());
    registration.changes.clear();
  } else if (!registration.move.empty()) {
    notice.type = NoticeType::kClientMove;
    notice.addresses = std::exchange(registration.move, {});
  } else if (!registration.share_move.empty()) {
    notice.type = NoticeType::kShareMove;
    notice.addresses = std::exchange(registration.share_move, {});
  } else {
    notice.type = NoticeType::kIpChange;
    for (const auto& [address, state] : std::exchange(registration.ip_changes, {})) {
      notice.addresses.push_back({address, state});
    }
  }
  return notice;
}

void Registry::deliver(const Handle& handle, Registration& registration, TimePoint now,
                       Completions& completions) {
  if (!registration.waiting || !has_pending(registration)) return;
  completions.push_back({*registration.waiting, error::kSuccess, take_notice(registration)});
  waiting_.erase(*registration.waiting);
  registration.waiting.reset();
  set_deadline(handle, registration, now + kUnusedTime);
}

void Registry::set_deadline(const Handle& handle, Registration& registration, TimePoint deadline) {
  deadlines_.erase({registration.deadline, handle});
  registration.deadline = deadline;
  deadlines_.insert({deadline, handle});
}

void Registry::erase(Registrations::iterator entry) {
  const Registration& registration = entry->second;
  if (registration.waiting) waiting_.erase(*registration.waiting);
  deadlines_.erase({registration.deadline, entry->first});
  const auto its = per_association_.find(registration.association);
  its->second.erase(entry->first);
  if (its->second.empty()) per_association_.erase(its);
  const auto of_user = per_user_.find(registration.registrant.sid);
  if (--of_user->second == 0) per_user_.erase(of_user);
  registrations_.erase(entry);
}

}  // namespace braid::rpc::witness
