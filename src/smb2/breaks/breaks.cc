#include "smb2/breaks/breaks.h"

#include <algorithm>
#include <list>

#include "base/log.h"
#include "smb2/common/limits.h"
#include "smb2/connections/connection.h"
#include "wire/smb2/oplock_break.h"

namespace braid::smb2 {

void ClientTable::add(const Connection& connection) {
  const ClientGuid& client = connection.negotiated.client_guid;
  (*shard_of(client).lock())[client].members.try_emplace(connection.number);
}

void ClientTable::begin_ending(const Connection& connection) {
  const ClientGuid& client = connection.negotiated.client_guid;
  auto clients = shard_of(client).lock();
  const auto found = clients->find(client);
  if (found == clients->end()) return;
  const auto member = found->second.members.find(connection.number);
  if (member != found->second.members.end()) forget_users(found->second, member->second);
}

void ClientTable::remove(const Connection& connection) {
  const ClientGuid& client = connection.negotiated.client_guid;
  auto clients = shard_of(client).lock();
  const auto found = clients->find(client);
  if (found == clients->end()) return;
  Client& its = found->second;
  const auto member = its.members.find(connection.number);
  if (member == its.members.end()) return;
  forget_users(its, member->second);
  its.members.erase(member);
  if (its.members.empty()) clients->erase(found);
}

void ClientTable::add_session(const std::shared_ptr<Connection>& connection,
                              filestate::UserId user) {
  const ClientGuid& client = connection->negotiated.client_guid;
  auto clients = shard_of(client).lock();
  const auto found = clients->find(client);
  if (found == clients->end() || !found->second.members.contains(connection->number)) return;
  Sessions& sessions = found->second.by_user[user].sessions[connection->number];
  sessions.connection = connection;
  ++sessions.count;
}

void ClientTable::remove_session(const Connection& connection, filestate::UserId user) {
  const ClientGuid& client = connection.negotiated.client_guid;
  auto clients = shard_of(client).lock();
  const auto found = clients->find(client);
  if (found == clients->end()) return;
  auto& by_user = found->second.by_user;
  const auto own = by_user.find(user);
  if (own == by_user.end()) return;
  const auto sessions = own->second.sessions.find(connection.number);
  if (sessions == own->second.sessions.end() || --sessions->second.count != 0) return;
  own->second.sessions.erase(sessions);
  if (own->second.is_gone()) by_user.erase(own);
}

std::vector<std::shared_ptr<Connection>> ClientTable::connections(const ClientGuid& client,
                                                                  filestate::UserId user) const {
  std::vector<std::shared_ptr<Connection>> live;
  auto clients = shard_of(client).lock();
  const auto found = clients->find(client);
  if (found == clients->end()) return live;
  const auto own = found->second.by_user.find(user);
  if (own == found->second.by_user.end()) return live;
  for (const auto& [number, sessions] : own->second.sessions) {
    if (live.size() == kCandidatesMax) break;
    if (auto connection = sessions.connection.lock()) live.push_back(std::move(connection));
  }
  return live;
}

size_t ClientTable::count(const ClientGuid& client) const {
  auto clients = shard_of(client).lock();
  const auto found = clients->find(client);
  return found == clients->end() ? 0 : found->second.members.size();
}

bool ClientTable::admit_session(const Connection& connection, filestate::UserId user) {
  // 2.0.2 has no ClientGuid.
  const wire::Dialect dialect = connection.negotiated.dialect;
  if (dialect == wire::Dialect::kSmb202) return true;
  const ClientGuid& client = connection.negotiated.client_guid;
  auto clients = shard_of(client).lock();
  const auto found = clients->find(client);
  if (found == clients->end()) return true;
  Client& its = found->second;
  const auto there = its.by_user.find(user);
  if (there != its.by_user.end() && there->second.connections != 0 &&
      there->second.dialect != dialect) {
    return false;
  }
  const auto own = its.members.find(connection.number);
  if (own == its.members.end() || !own->second.insert(user).second) return true;
  User& known = its.by_user[user];
  ++known.connections;
  known.dialect = dialect;
  return true;
}

void ClientTable::forget_users(Client& client, Member& member) {
  for (const filestate::UserId user : std::exchange(member, {})) {
    const auto own = client.by_user.find(user);
    if (own == client.by_user.end()) continue;
    --own->second.connections;
    if (own->second.is_gone()) client.by_user.erase(own);
  }
}

// Thread: the reactor of the timers, except `stopped`.
struct Breaks::Timers {
  std::list<Timer> running;
  std::atomic<bool> stopped = false;
};

Breaks::Breaks(const SessionTable& sessions, const ClientTable& clients, config::BreakRetry retry,
               Reactor& timer_reactor)
    : sessions_(sessions),
      clients_(clients),
      retry_(retry),
      timer_reactor_(timer_reactor),
      timers_(std::make_shared<Timers>()) {}

// Those whose Server was not stopped are dropped where they run.
Breaks::~Breaks() {
  timers_->stopped = true;
  timer_reactor_.post([timers = timers_] { timers->running.clear(); });
}

Task<void> Breaks::end_timers() {
  timers_->stopped = true;
  co_await timer_reactor_.next_turn();
  timers_->running.clear();
}

namespace {

// [MS-SMB2] 3.3.4.6 and 3.3.4.7: MessageId all ones, TreeId 0, not signed.
template <class Body>
Bytes notification_message(const Body& body, SessionId session_id) {
  Bytes message;
  wire::Writer writer(message);
  wire::Header header;
  header.command = wire::Command::kOplockBreak;
  header.flags = wire::HeaderFlags::kServerToRedir;
  header.message_id = MessageId{~uint64_t{0}};
  header.session_id = session_id;
  header.encode(writer);
  body.encode(writer);
  return message;
}

}  // namespace

Breaks::BehindAnswer Breaks::hold_back(filestate::OpenToken open) {
  answers_of(open).lock()->try_emplace(open);
  return BehindAnswer(this, [open](Breaks* breaks) { breaks->told(open); });
}

std::shared_ptr<OneShot<bool>> Breaks::answer_to(filestate::OpenToken open) {
  auto answers = answers_of(open).lock();
  const auto found = answers->find(open);
  if (found == answers->end()) return nullptr;
  if (!found->second) found->second = std::make_shared<OneShot<bool>>();
  return found->second;
}

void Breaks::told(filestate::OpenToken open) {
  const auto answer = answers_of(open).lock()->extract(open);
  if (answer && answer.mapped()) answer.mapped()->set(true);
}

void Breaks::send_break(const filestate::Break& notification) {
  deliveries_.spawn(deliver(notification));
}

void Breaks::send_breaks(std::vector<filestate::Break> notifications) {
  const size_t at_once = std::min(notifications.size(), kBreaksAtOnce);
  for (size_t i = 0; i < at_once; ++i) send_break(notifications[i]);
  notifications.erase(notifications.begin(),
                      notifications.begin() + static_cast<ptrdiff_t>(at_once));
  if (!notifications.empty()) deliveries_.spawn(send_in_pieces(std::move(notifications)));
}

Task<void> Breaks::send_in_pieces(std::vector<filestate::Break> notifications) {
  for (size_t i = 0; i < notifications.size(); ++i) {
    if (i % kBreaksAtOnce == 0) co_await timer_reactor_.next_turn();
    // Its handle may be closed by now.
    const filestate::Break& notification = notifications[i];
    if (!notification.ack_required || is_awaited(notification)) send_break(notification);
  }
}

bool Breaks::is_awaited(const filestate::Break& notification) const {
  return notification.ack_required && table_->is_breaking(notification.id);
}

bool Breaks::tries_again(const filestate::Break& notification) const {
  return notification.is_lease || retry_ == config::BreakRetry::kSpec;
}

void Breaks::send_again(const filestate::Break& notification) {
  if (!tries_again(notification) || !is_awaited(notification)) return;
  deliveries_.spawn(deliver(notification, /*is_timed=*/true));
}

// The acknowledgement is awaited from the first try on, however many follow: whoever waits for it
// waits no longer because the client lost its channels.
Task<void> Breaks::deliver(filestate::Break notification, bool is_timed) {
  const auto begun = std::chrono::steady_clock::now();
  if (!notification.is_lease) {
    if (const auto answer = answer_to(notification.open)) co_await answer->wait(timer_reactor_);
  }
  DeliveryOutcome outcome = send(notification);
  if (outcome && notification.ack_required && !is_timed) {
    arm_timer(notification);
    is_timed = true;
  }
  while (outcome) {
    if (!tries_again(notification)) co_return;
    if (co_await outcome->wait(timer_reactor_) == Delivery::kArrived) {
      counters_.delivery.count(std::chrono::steady_clock::now() - begun);
      co_return;
    }
    // It may have been answered on another channel, or its handle closed.
    if (notification.ack_required && !is_awaited(notification)) co_return;
    outcome = send(notification);
  }
  // [MS-SMB2] 3.3.4.6 and 3.3.4.7: without a channel it ends as if the client kept nothing, or with
  // the end of the session.
  ++counters_.undelivered;
  if (!notification.ack_required || table_->break_undelivered(notification.id)) co_return;
  if (!is_timed) arm_timer(notification);
}

namespace {

// [MS-SMB2] 3.3.4.6 and 3.3.4.7 take the first connection that is available. Each that turns out to
// be dead costs whoever waits a second or more, so one that looks dead beside the others comes
// last: what it was sent is not acknowledged, or it has been silent while another was not.
// REQUIRES: there is one.
Connection& first_available(const std::vector<std::shared_ptr<Connection>>& connections) {
  if (connections.size() == 1) return *connections.front();
  const auto heard = [](const std::shared_ptr<Connection>& connection) {
    return connection->counters.last_frame.load();
  };
  const auto& latest = *std::ranges::max_element(connections, {}, heard);
  const Clock::Instant newest = heard(latest);
  const auto first = std::ranges::find_if(connections, [&](const auto& each) {
    return newest - heard(each) < kChannelSilenceMax && !each->transport().is_suspect();
  });
  return first == connections.end() ? *latest : **first;
}

}  // namespace

DeliveryOutcome Breaks::send(const filestate::Break& notification) {
  return notification.is_lease ? send_lease_break(notification) : send_oplock_break(notification);
}

DeliveryOutcome Breaks::send_oplock_break(const filestate::Break& notification) {
  const auto session = sessions_.find(notification.session);
  if (!session) return nullptr;
  wire::OplockBreakNotification body;
  body.oplock_level = static_cast<wire::OplockLevel>(notification.new_level);
  body.file_id = {notification.persistent_id, notification.open.value};
  std::vector<std::shared_ptr<Connection>> connections;
  for (const auto& channel : session->channels()) {
    auto connection = channel->connection.lock();
    if (connection && !connection->transport().is_closed()) {
      connections.push_back(std::move(connection));
    }
  }
  if (connections.empty()) return nullptr;
  Connection& chosen =  // Windows takes the one that was bound last
      retry_ == config::BreakRetry::kWindows ? *connections.back() : first_available(connections);
  return chosen.send_break(notification_message(body, session->session_id), session.get(),
                           notification);
}

DeliveryOutcome Breaks::send_lease_break(const filestate::Break& notification) {
  wire::LeaseBreakNotification body;
  body.new_epoch = notification.new_epoch;
  body.flags = notification.ack_required ? wire::LeaseBreakNotification::kFlagAckRequired : 0;
  body.lease_key = notification.lease.key;
  body.current_lease_state = static_cast<uint32_t>(notification.current_state);
  body.new_lease_state = static_cast<uint32_t>(notification.new_state);
  auto connections = clients_.connections(notification.lease.client, notification.lease.user);
  std::erase_if(connections, [](const std::shared_ptr<Connection>& each) {
    return each->transport().is_closed();
  });
  if (connections.empty()) return nullptr;
  return first_available(connections)
      .send_break(notification_message(body, SessionId{}), nullptr, notification);
}

void Breaks::arm_timer(const filestate::Break& notification) {
  timer_reactor_.post([this, timers = timers_, notification] {
    if (timers->stopped) return;
    // Not before: who made the break may hold locks.
    const std::chrono::seconds time = time_for_ ? time_for_(notification) : kBreakTimeout;
    const auto timer = timers->running.emplace(timers->running.end(), timer_reactor_);
    // Weakly: the timers own what they call.
    timer->start(time, [this, held = std::weak_ptr(timers), timer, id = notification.id] {
      const auto owner = held.lock();
      if (!owner) return;
      if (!owner->stopped) {
        if (table_->is_breaking(id)) ++counters_.timed_out;
        table_->break_timed_out(id);
      }
      owner->running.erase(timer);
    });
  });
}

Breaks::RetryWait::RetryWait(Breaks& breaks, filestate::OpenToken token, uint64_t seen)
    : breaks_(breaks), token_(token), waiter_(std::make_shared<OneShot<NtStatus>>()) {
  auto waiting = breaks_.waiting_.lock();
  if (breaks_.retries_ != seen) waiter_->set(NtStatus::kSuccess);
  (*waiting)[token_].insert(waiter_);
}

Breaks::RetryWait::~RetryWait() { breaks_.leave(token_, waiter_); }

bool Breaks::leave(filestate::OpenToken token, const Waiter& waiter) {
  auto waiting = waiting_.lock();
  const auto of_open = waiting->find(token);
  if (of_open == waiting->end() || of_open->second.erase(waiter) == 0) return false;
  if (!of_open->second.empty()) return false;
  waiting->erase(of_open);
  return true;
}

void Breaks::retry(filestate::OpenToken token) {
  auto waiting = waiting_.lock();
  ++retries_;
  const auto of_open = waiting->find(token);
  if (of_open == waiting->end()) return;
  for (const Waiter& each : of_open->second) each->set(NtStatus::kSuccess);
}

Waiter Breaks::expect(filestate::OpenToken token, filestate::LockId lock) {
  auto locks = locks_.lock();
  Waiter& waiter = (*locks)[{token, lock}];
  if (!waiter) waiter = std::make_shared<OneShot<NtStatus>>();
  return waiter;
}

void Breaks::forget(filestate::OpenToken token, filestate::LockId lock) {
  locks_.lock()->erase({token, lock});
}

void Breaks::completed(const FileKey&, const filestate::Completion& completion) {
  if (completion.kind != filestate::Completion::Kind::kLock) return retry(completion.token);
  expect(completion.token, completion.lock)->set(completion.status);
}

void Breaks::purged(const filestate::OpenRef& open, const filestate::CloseDecision& closed) {
  on_purged_(open, closed);
}

void Breaks::orphaned(const filestate::OrphanedDeletion& deletion) { on_orphaned_(deletion); }

}  // namespace braid::smb2
