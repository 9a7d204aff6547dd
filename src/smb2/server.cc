#include "smb2/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/log.h"
#include "smb2/close_open.h"
#include "smb2/deletion.h"
#include "smb2/durable.h"
#include "smb2/siblings.h"
#include "smb2/work_owner.h"
#include "store/worker_group.h"

namespace braid::smb2 {
namespace {

// Of one of several workers.
uint64_t memory_limit(const config::Server& settings) {
  const uint64_t all = settings.memory_limit_mib > 0 ? uint64_t{settings.memory_limit_mib} << 20
                                                     : MemoryBudget::default_limit();
  return all / std::max<uint32_t>(settings.workers, 1);
}

void add_to(Server::Totals& totals, const Connection& connection) {
  ++totals.connections;
  totals.requests += connection.counters.requests.load(std::memory_order_relaxed);
  totals.bytes_received += connection.counters.bytes_received.load(std::memory_order_relaxed);
  totals.bytes_sent += connection.transport().bytes_sent();
}

void add_to(Server::Totals& totals, const Server::Totals& more) {
  totals.connections += more.connections;
  totals.requests += more.requests;
  totals.bytes_received += more.bytes_received;
  totals.bytes_sent += more.bytes_sent;
}

}  // namespace

Server::Server(ServerParts parts, ReactorPool& reactors, WorkerPool& pool)
    : memory(MemoryBudget::make(memory_limit(parts.config->server))),
      session_table(parts.group ? std::optional(parts.group->own_tag().index()) : std::nullopt),
      file_ids(parts.group ? parts.group->own_tag() : store::WorkerTag{}),
      fds(parts.descriptors_max),
      breaks(session_table, client_table, parts.config->server.break_retry, reactors.timers()),
      descriptors(parts.ids, parts.clock),
      notify(parts.group),
      file_table(breaks, parts.group),
      has_directory_leases(parts.group ? parts.group->region().directory_leases()
                                       : own_directory_leases_),
      siblings_(std::make_unique<Siblings>(*this, parts.group)),
      parts_(std::move(parts)),
      interfaces_(parts_.config->server, parts_.clock),
      reactors_(reactors),
      pool_(pool),
      scavenger_(std::make_shared<Scavenger>(reactors.timers())) {
  *live_.lock() = {parts_.config, parts_.shares};
  file_ids.start_at(parts_.first_file_id);
  breaks.set_table(file_table);
  breaks.set_purged([this](const auto& ref, const auto& closed) { purged(ref, closed); });
  open_table.set_purged(
      [this](PurgedOpen open) { scope_.spawn(close_purged(*this, std::move(open))); });
  breaks.set_orphaned([this](const auto& deletion) { orphaned(deletion); });
  file_table.hand_out_orphans();
  if (parts_.group) parts_.group->start();
}

Server::~Server() {
  if (parts_.group) parts_.group->stop();
  breaks.stop();
  scavenger_->stopped = true;
  // A Timer is its reactor's.
  reactors_.timers().post([scavenger = std::move(scavenger_)] { scavenger->timer.cancel(); });
}

void Server::adopt(transport::MakeTransport connection, Buffer first_message, Arrival arrival) {
  Reactor& reactor = reactors_.next();
  reactor.post(
      [this, &reactor, connection = std::move(connection), first_message = std::move(first_message),
       arrival]() mutable { serve(connection(reactor), std::move(first_message), arrival); });
}

void Server::serve(transport::TransportPtr transport, Buffer first_message, Arrival arrival) {
  auto account = memory->open_account(transport->peer().network());
  if (!account) {
    log::debug("{}: too many connections without a logon, dropped", transport->peer().host());
    return transport->close();
  }
  sockaddr_storage peer{};
  const transport::SocketAddress address = transport->peer();
  std::memcpy(&peer, address.data(), std::min<size_t>(address.size(), sizeof peer));
  FdBudget::Place place = fds.connect(peer_address(peer));
  if (!place) {
    log::debug("{}: has its share of connections, dropped", address.host());
    return transport->close();
  }
  auto connection = std::make_shared<Connection>(*this, std::move(transport), std::move(account),
                                                 std::move(place));
  bool stopping = false;
  {
    auto connections = connections_.lock();
    stopping = connections->stopping;
    if (!stopping) connections->set.insert(connection);
  }
  if (stopping) return connection->disconnect();
  scope_.spawn(serve_connection(std::move(connection), std::move(first_message), arrival));
}

Task<void> Server::serve_connection(std::shared_ptr<Connection> connection, Buffer first_message,
                                    Arrival arrival) {
  const std::string peer = connection->peer_host();
  log::debug("{}: connected", peer);
  co_await connection->run(std::move(first_message), arrival);
  client_table.remove(*connection);
  Totals own;
  add_to(own, *connection);
  {
    auto connections = connections_.lock();
    connections->set.erase(connection);
    add_to(connections->ended, own);
  }
  log::debug("{}: disconnected", peer);
}

void Server::stop() {
  std::vector<std::shared_ptr<Connection>> live;
  {
    auto connections = connections_.lock();
    connections->stopping = true;
    live.assign(connections->set.begin(), connections->set.end());
  }
  for (const auto& connection : live) connection->disconnect();
  live.clear();
  siblings_->stop();
  scope_.wait();
  breaks.wait_for_deliveries();
  // Nobody can come back for them.
  for (PreservedOpen& open : open_table.claim_expired(Clock::Instant::max())) {
    scope_.spawn(close_claimed(*this, std::move(open)));
  }
  scope_.wait();
  if (!parts_.group) return;
  // Until here others may wait for what a break took from this worker's clients.
  parts_.group->stop();
  scope_.wait();
  breaks.wait_for_deliveries();
}

void Server::reconfigure(config::Snapshot config, std::shared_ptr<const ShareTable> shares) {
  memory->set_limit(memory_limit(config->server));
  *live_.lock() = {std::move(config), std::move(shares)};
}

void Server::worker_ended(pid_t pid) {
  if (parts_.group) parts_.group->ended(pid);
}

std::vector<std::shared_ptr<Connection>> Server::connections() const {
  auto connections = connections_.lock();
  return {connections->set.begin(), connections->set.end()};
}

Server::Totals Server::totals() const {
  // Those that are there are counted without the lock: one that ends meanwhile is not among the
  // ended ones of before.
  Totals totals;
  std::vector<std::shared_ptr<Connection>> live;
  {
    auto connections = connections_.lock();
    totals = connections->ended;
    live.assign(connections->set.begin(), connections->set.end());
  }
  for (const auto& connection : live) add_to(totals, *connection);
  return totals;
}

bool Server::end_session(SessionId id) {
  auto session = session_table.find(id);
  if (!session) return false;
  scope_.spawn(end_session_soon(std::move(session)));
  return true;
}

Task<void> Server::end_session_soon(std::shared_ptr<Session> session) {
  WorkerPool::Seat seat(pool_, WorkOwner{});
  (void)co_await seat.turn();
  co_await close_session(std::move(session), DurableOpens::kClosed);
}

Task<void> Server::close_session(std::shared_ptr<Session> session, DurableOpens durable) {
  session_table.remove(session->session_id);
  const auto channels = session->begin_close();
  if (!channels) co_return;
  for (const auto& channel : *channels) {
    if (const auto connection = channel->connection.lock()) connection->session_ended(channel);
  }
  for (const auto& tree : session->take_trees()) tree->begin_close();
  auto opens = session->close_opens();
  // The client may be on its way back before the first of them is done.
  if (durable == DurableOpens::kKept) {
    for (const auto& open : opens) open_table.begin_leaving(*open);
  }
  co_await end_opens(std::move(opens), durable);
}

namespace {

Task<void> end_open(Server& server, std::shared_ptr<Open> open, DurableOpens durable) {
  if (durable == DurableOpens::kKept) {
    co_await lose_open(server, std::move(open));
  } else {
    co_await close_open(server, std::move(open));
  }
}

// Those of one share, each behind whatever its user and others wait with. One that a request uses
// is waited for beside the others.
Task<void> end_in_turn(Server& server, std::vector<std::shared_ptr<Open>> opens,
                       DurableOpens durable, TaskScope& scope) {
  for (auto& open : opens) {
    if (open->is_used()) {
      scope.spawn(end_open(server, std::move(open), durable));
    } else {
      co_await server.take_turn(*open);
      co_await end_open(server, std::move(open), durable);
    }
  }
}

}  // namespace

Task<void> Server::end_opens(std::vector<std::shared_ptr<Open>> opens, DurableOpens durable) {
  std::unordered_map<const Share*, std::vector<std::shared_ptr<Open>>> by_share;
  for (auto& open : opens) {
    by_share[open->tree_connect->share.get()].push_back(std::move(open));
  }
  TaskScope scope;
  for (auto& [share, of_share] : by_share) {
    scope.spawn(end_in_turn(*this, std::move(of_share), durable, scope));
  }
  co_await scope.join();
}

namespace {

// A file with its streams: they are deleted together.
FileKey whole_file(FileKey key) {
  key.stream = 0;
  return key;
}

}  // namespace

std::shared_ptr<OneShot<bool>> Server::deletion_of(const FileKey& file) const {
  auto deletions = deletions_.lock();
  const auto found = deletions->find(whole_file(file));
  return found == deletions->end() ? nullptr : found->second;
}

std::shared_ptr<OneShot<bool>> Server::deletion_of(const FileKey& file, store::WorkerTag by) {
  if (auto gone = deletion_of(file)) return gone;
  auto gone = std::make_shared<OneShot<bool>>();
  // Nobody to ask: it was quick.
  if (!siblings().watch_deletion(by, file, gone)) gone->set(true);
  return gone;
}

std::shared_ptr<const void> Server::announce_until(const FileKey& file,
                                                   std::shared_ptr<const void> held) {
  auto gone = std::make_shared<OneShot<bool>>();
  (*deletions_.lock())[whole_file(file)] = gone;
  const void* const pointer = held.get();
  return {pointer, [this, file = whole_file(file), gone, held = std::move(held)](auto) mutable {
            held.reset();
            end_deletion(file, gone);
          }};
}

void Server::purged(const filestate::OpenRef& ref, filestate::CloseDecision closed) {
  if (closed.delete_now) {
    closed.until_deleted = announce_until(closed.file, std::move(closed.until_deleted));
  }
  open_table.purge(ref, closed);
}

void Server::orphaned(filestate::OrphanedDeletion deletion) {
  auto& until_deleted = deletion.closed.until_deleted;
  until_deleted = announce_until(deletion.closed.file, std::move(until_deleted));
  scope_.spawn(delete_orphaned(*this, std::move(deletion)));
}

void Server::end_deletion(const FileKey& file, const std::shared_ptr<OneShot<bool>>& gone) {
  {
    auto deletions = deletions_.lock();
    // Another name of the file may be being deleted by now.
    const auto latest = deletions->find(file);
    if (latest != deletions->end() && latest->second == gone) deletions->erase(latest);
  }
  gone->set(true);
}

void Server::scavenge_opens() {
  for (PreservedOpen& open : open_table.claim_expired(clock().monotonic())) {
    log::debug("open {} expires", open.file_id.persistent);
    scope_.spawn(close_claimed(*this, std::move(open)));
  }
  arm_scavenger();
}

void Server::arm_scavenger() {
  const auto deadline = open_table.next_deadline();
  if (!deadline) return;
  const auto delay = std::max<Clock::Instant::duration>(*deadline - clock().monotonic(), {});
  reactors_.timers().post([this, delay, held = std::weak_ptr(scavenger_)] {
    const auto scavenger = held.lock();
    if (!scavenger || scavenger->stopped) return;
    scavenger->timer.start(delay, [this, held] {
      const auto live = held.lock();
      if (live && !live->stopped) scavenge_opens();
    });
  });
}

Task<void> Server::take_turn(const Open& open) {
  WorkerPool::Seat seat(pool_, work_of(open));
  (void)co_await seat.next_turn();
}

Task<void> Server::close_tree(std::shared_ptr<Session> session, std::shared_ptr<TreeConnect> tree) {
  auto opens = session->opens();
  std::erase_if(opens, [&](const auto& open) { return !open->tree_connect->is_part_of(*tree); });
  co_await end_opens(std::move(opens), DurableOpens::kClosed);
}

}  // namespace braid::smb2
