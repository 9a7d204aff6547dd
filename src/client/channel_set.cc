// The life of the channels; what happens to requests is in replay.cc.
#include "client/channel_set.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "transport/tcp_transport.h"

namespace braid::client {

namespace {

using transport::SocketAddress;

// A break is sent again within seconds, while few others come.
constexpr size_t kRecentBreaksMax = 64;

// The server forgot the session, which happens when it lost the last channel.
bool is_end_of_session(Error error) { return error == Error(NtStatus::kUserSessionDeleted); }

bool can_have_channels(const Connection& connection) {
  return connection.dialect() >= wire::Dialect::kSmb300 &&
         (connection.capabilities() & wire::Capabilities::kMultiChannel) != 0;
}

}  // namespace

ChannelSet::ChannelSet(SessionPtr session, ChannelSetOptions options)
    : session_(std::move(session)),
      options_(std::move(options)),
      connection_options_(session_->connection().options()),
      first_address_(session_->connection().transport().peer()),
      reactor_(session_->connection().reactor()),
      changed_(reactor_),
      stopping_(reactor_) {}

Task<Result<ChannelSetPtr>> ChannelSet::start(SessionPtr session, ChannelSetOptions options) {
  ChannelSetPtr set(new ChannelSet(std::move(session), std::move(options)));
  const ConnectionPtr first = set->session_->connection().shared_from_this();
  std::vector<SocketAddress> paths = {set->first_address_};
  if (can_have_channels(*first)) {
    auto found = co_await set->discover();
    if (!found && first->is_closed()) co_return std::unexpected(found.error());
    // A server that does not want to tell has one address.
    if (found) paths = *std::move(found);
  }
  set->adopt_paths(std::move(paths));
  const auto place =
      std::ranges::find(set->slots_, set->first_address_,
                        [](const Slot& slot) -> const SocketAddress& { return slot.info.address; });
  const bool is_among_paths = place != set->slots_.end();
  Slot& slot = is_among_paths ? *place : set->add_slot(set->first_address_);
  slot.is_offered = is_among_paths;
  set->take(slot, first);
  if (!is_among_paths) set->retire(slot);

  set->session_->set_router(set);
  for (Slot& each : set->slots_) set->tasks_.spawn(set->keep(each));
  set->tasks_.spawn(set->refresh());
  while (!std::ranges::all_of(set->slots_, &Slot::was_tried)) {
    co_await set->changed_.wait(set->options_.connect_timeout);
  }
  co_return std::move(set);
}

Task<void> ChannelSet::close() {
  const auto self = shared_from_this();
  if (!ended_) ended_ = Error(NtStatus::kConnectionDisconnected);
  session_->set_router(nullptr);
  // Their keepers wait for what the connections run.
  for (Slot& slot : slots_) {
    if (slot.connection) slot.connection->transport().close();
    if (slot.binding) slot.binding->abandon();
  }
  stopping_.ring();
  changed_.ring();
  co_await tasks_.join();
}

Task<Result<std::vector<SocketAddress>>> ChannelSet::discover() {
  if (!options_.addresses.empty()) co_return options_.addresses;
  BRAID_CO_TRY(const auto interfaces, co_await query_interfaces(session_));
  co_return choose_paths(interfaces, first_address_, options_.policy);
}

ChannelSet::Slot& ChannelSet::add_slot(SocketAddress address) {
  slots_.emplace_back();
  slots_.back().info.address = address;
  return slots_.back();
}

void ChannelSet::adopt_paths(std::vector<SocketAddress> paths) {
  paths_max_ = std::max(paths_max_, paths.size());
  std::vector<Slot*> free;
  for (Slot& slot : slots_) {
    const auto same = std::ranges::find(paths, slot.info.address);
    if (slot.is_offered && same != paths.end()) {
      paths.erase(same);
    } else {
      free.push_back(&slot);
    }
  }
  for (const SocketAddress& path : paths) {
    if (free.empty()) {
      Slot& slot = add_slot(path);
      if (session_->is_replaying()) tasks_.spawn(keep(slot));  // the others have their keepers
      continue;
    }
    Slot& slot = *free.back();
    free.pop_back();
    slot.info.address = path;
    slot.is_offered = true;
    retire(slot);
  }
  for (Slot* slot : free) {
    slot->is_offered = false;
    retire(*slot);
  }
}

void ChannelSet::retire(Slot& slot) {
  if (!slot.connection) return;
  slot.is_retiring = true;
  if (slot.requests_in_flight == 0 && live_count() > 1) slot.connection->transport().close();
}

Task<void> ChannelSet::refresh() {
  using std::chrono::steady_clock;
  auto asked = steady_clock::now();
  auto soon = options_.refresh_soon;
  while (!ended_) {
    co_await stopping_.wait(std::min(options_.refresh_soon, options_.refresh_interval));
    if (ended_ || !options_.addresses.empty() || live_count() == 0) continue;
    const bool is_short = std::ranges::count_if(slots_, [this](const Slot& slot) {
                            return slot.is_offered && is_usable(slot);
                          }) < static_cast<ptrdiff_t>(paths_max_);
    if (!is_short) soon = options_.refresh_soon;
    if (steady_clock::now() - asked < (is_short ? soon : options_.refresh_interval)) continue;
    if (!can_have_channels(session_->connection())) continue;
    asked = steady_clock::now();
    if (is_short) soon = std::min(soon * 2, options_.refresh_interval);
    auto paths = co_await discover();
    if (paths && !ended_) adopt_paths(std::move(*paths));
  }
}

Task<void> ChannelSet::keep(Slot& slot) {
  auto delay = options_.rebind_delay_min;
  while (!ended_) {
    if (!slot.connection && slot.is_offered) {
      const Result<void> bound = co_await bind(slot);
      if (!bound && is_end_of_session(bound.error()) && live_count() == 0) ended_ = bound.error();
    }
    slot.was_tried = true;
    changed_.ring();
    const ConnectionPtr connection = slot.connection;
    if (connection) {
      delay = options_.rebind_delay_min;
      static_cast<void>(co_await connection->ended());
      lost(*connection);
      co_await connection->close();
    } else if (!ended_) {
      co_await stopping_.wait(delay);
      delay = std::min(delay * 2, options_.rebind_delay_max);
    }
  }
}

Task<Result<void>> ChannelSet::bind(Slot& slot) {
  auto transport = options_.connect ? co_await options_.connect(slot.info.address)
                                    : co_await transport::connect_tcp(reactor(), slot.info.address,
                                                                      options_.connect_timeout);
  BRAID_CO_CHECK(transport);
  if (ended_) co_return fail(*ended_);
  const ConnectionPtr connection = Connection::over(std::move(*transport), connection_options_);
  connection->transport().set_peer_timeout(options_.peer_timeout);
  const Result<void> bound = co_await log_on(slot, connection);
  if (!bound || ended_) {
    co_await connection->close();
    co_return bound ? fail(*ended_) : bound;
  }
  take(slot, connection);
  co_return Result<void>{};
}

Task<Result<void>> ChannelSet::log_on(Slot& slot, ConnectionPtr connection) {
  slot.binding = connection;
  Timer limit(reactor());
  limit.start(options_.bind_timeout, [connection] { connection->abandon(); });
  Result<void> done = co_await connection->negotiate();
  if (done) done = co_await session_->bind(connection, options_.make_initiator());
  slot.binding = nullptr;
  co_return done;
}

void ChannelSet::take(Slot& slot, ConnectionPtr connection) {
  slot.connection = connection;
  slot.is_retiring = false;
  slot.info.is_live = true;
  connection->transport().set_peer_timeout(options_.peer_timeout);
  connection->set_break_handler([this](const BreakEvent& event) { on_break(event); });
  for (const BreakEvent& event : connection->take_breaks()) on_break(event);
  drop_closed();
  tasks_.spawn(probe(slot, connection));
  // Those that were waiting for a better one.
  for (Slot& other : slots_) {
    if (other.is_retiring) retire(other);
  }
  changed_.ring();
}

Task<void> ChannelSet::probe(Slot& slot, ConnectionPtr connection) {
  uint64_t heard = connection->messages_received();
  while (!ended_ && !connection->is_closed()) {
    co_await stopping_.wait(options_.probe_after);
    const uint64_t before = std::exchange(heard, connection->messages_received());
    if (ended_ || connection->is_closed()) break;
    if (heard != before || slot.requests_in_flight == 0) continue;
    Timer limit(reactor());
    limit.start(options_.probe_timeout, [connection, heard] {
      if (connection->messages_received() == heard) connection->abandon();
    });
    [[maybe_unused]] const Result<void> answered = co_await connection->echo();
  }
}

// [MS-SMB2] 3.2.7.1 "Handling a Network Disconnect".
void ChannelSet::lost(const Connection& connection) {
  const auto slot = std::ranges::find_if(
      slots_, [&](const Slot& each) { return each.connection.get() == &connection; });
  if (slot == slots_.end()) return;
  slot->connection = nullptr;
  slot->info.is_live = false;
  ++slot->info.losses;
  ++channel_sequence_;
  drop_closed();
  changed_.ring();
}

// The session keeps one channel in any case, since it asks it for what was negotiated.
void ChannelSet::drop_closed() {
  for (size_t i = session_->channel_count(); i-- > 0 && session_->channel_count() > 1;) {
    if (session_->connection(i).is_closed()) session_->remove_channel(i);
  }
}

bool ChannelSet::is_usable(const Slot& slot) const {
  return slot.connection && !slot.connection->is_closed();
}

std::vector<ChannelSet::ChannelInfo> ChannelSet::channels() const {
  std::vector<ChannelInfo> all;
  for (const Slot& slot : slots_) all.push_back(slot.info);
  return all;
}

size_t ChannelSet::live_count() const {
  return static_cast<size_t>(
      std::ranges::count_if(slots_, [this](const Slot& slot) { return is_usable(slot); }));
}

Task<bool> ChannelSet::wait_for_channels(size_t count, std::chrono::nanoseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (live_count() < count && !ended_) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero()) break;
    co_await changed_.wait(left);
  }
  co_return live_count() >= count;
}

void ChannelSet::cut(size_t channel) {
  if (slots_[channel].connection) slots_[channel].connection->abandon();
}

void ChannelSet::set_break_handler(std::function<void(const BreakEvent&)> handler) {
  break_handler_ = std::move(handler);
  if (!break_handler_) return;
  for (const BreakEvent& event : std::exchange(breaks_, {})) break_handler_(event);
}

void ChannelSet::on_break(const BreakEvent& event) {
  if (is_repeated(event)) return;
  recent_breaks_.push_back(event);
  if (recent_breaks_.size() > kRecentBreaksMax) recent_breaks_.pop_front();
  if (break_handler_) {
    break_handler_(event);
  } else {
    breaks_.push_back(event);
  }
}

// The server sends a break again when it does not know whether the first way was a dead end.
// [MS-SMB2] 3.3.4.6 and 3.3.4.7.
bool ChannelSet::is_repeated(const BreakEvent& event) {
  const auto* lease = std::get_if<wire::LeaseBreakNotification>(&event.notification);
  const auto* oplock = std::get_if<wire::OplockBreakNotification>(&event.notification);
  return std::ranges::any_of(recent_breaks_, [&](const BreakEvent& old) {
    if (oplock) {
      const auto* other = std::get_if<wire::OplockBreakNotification>(&old.notification);
      return other && *other == *oplock;
    }
    // A lease of version 1 has no epoch; the holder will find that it is where it should be.
    const auto* other = std::get_if<wire::LeaseBreakNotification>(&old.notification);
    return other && other->lease_key == lease->lease_key && lease->new_epoch != 0 &&
           other->new_epoch == lease->new_epoch;
  });
}

}  // namespace braid::client
