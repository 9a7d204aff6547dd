#include "smb2/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <thread>
#include <vector>

#include "base/log.h"
#include "smb2/files/access_check.h"
#include "smb2/files/deletion.h"
#include "smb2/logons/session_notice.h"
#include "smb2/opens/work_owner.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/shares/admission.h"

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
  totals.bytes_placed += connection.counters.bytes_placed.load(std::memory_order_relaxed);
  totals.bytes_copied += connection.counters.bytes_copied.load(std::memory_order_relaxed);
}

void add_to(Server::Totals& totals, const Server::Totals& more) {
  totals.connections += more.connections;
  totals.requests += more.requests;
  totals.bytes_received += more.bytes_received;
  totals.bytes_sent += more.bytes_sent;
  totals.bytes_placed += more.bytes_placed;
  totals.bytes_copied += more.bytes_copied;
}

Task<void> rest(std::shared_ptr<Connection> connection, std::chrono::steady_clock::time_point end,
                std::shared_ptr<std::atomic<size_t>> coming) {
  co_await connection->come_to_rest(end);
  --*coming;
}

}  // namespace

Server::Server(ServerParts parts, ReactorPool& reactors, WorkerPool& pool)
    : settings(parts.config, parts.shares),
      memory(MemoryBudget::make(memory_limit(parts.config->server))),
      workers(parts.group),
      logons({.clock = parts.clock,
              .authenticator = parts.authenticator,
              .penalties = parts.penalties,
              .anonymous_sessions = parts.anonymous_sessions,
              .workers = workers,
              .files = files}),
      files({.clock = parts.clock,
             .pool = pool,
             .timers = reactors.timers(),
             .ids = parts.ids,
             .settings = settings,
             .sessions = logons.session_table,
             .clients = logons.client_table,
             .break_retry = parts.config->server.break_retry,
             .first_file_id = parts.first_file_id,
             .descriptors_max = parts.descriptors_max,
             .workers = workers,
             .is_worker = parts.is_worker,
             .audit = parts.audit}),
      parts_(std::move(parts)),
      interfaces_(parts_.config->server, parts_.clock),
      reactors_(reactors) {
  if (parts_.group) parts_.group->start();
}

Server::~Server() {
  if (parts_.group) parts_.group->stop();
}

void Server::adopt(transport::MakeTransport connection, Buffer first_message, Arrival arrival) {
  Reactor& reactor = reactors_.next();
  scope_.spawn(serve_on(reactor, std::move(connection), std::move(first_message), arrival));
}

Task<void> Server::serve_on(Reactor& reactor, transport::MakeTransport connection,
                            Buffer first_message, Arrival arrival) {
  co_await reactor.next_turn();
  serve(connection(reactor), std::move(first_message), arrival);
}

std::shared_ptr<Connection> Server::make_connection(transport::TransportPtr transport) {
  auto account = memory->open_account(transport->peer().network());
  if (!account) {
    log::debug("{}: too many connections without a logon, dropped", transport->peer().host());
    transport->close();
    return nullptr;
  }
  sockaddr_storage peer{};
  const transport::SocketAddress address = transport->peer();
  std::memcpy(&peer, address.data(), std::min<size_t>(address.size(), sizeof peer));
  FdBudget::Place place = files.fds.connect(peer_address(peer));
  if (!place) {
    log::debug("{}: has its share of connections, dropped", address.host());
    transport->close();
    return nullptr;
  }
  return std::make_shared<Connection>(*this, std::move(transport), std::move(account),
                                      std::move(place));
}

// Requests that came over it meanwhile are served by the rules of now.
void Server::go_on_with(std::shared_ptr<Connection> connection) {
  connections_.lock()->set.insert(connection);
  if (!connection->comes_from(settings.server()->hosts)) {
    log::info("{}: ended, hosts in [server] do not name this address", connection->peer_host());
    connection->disconnect();
  }
  scope_.spawn(run_on_its_reactor(std::move(connection)));
}

Task<void> Server::run_on_its_reactor(std::shared_ptr<Connection> connection) {
  co_await connection->reactor().next_turn();
  co_await serve_connection(std::move(connection), {}, Arrival::kNew);
}

void Server::serve(transport::TransportPtr transport, Buffer first_message, Arrival arrival) {
  auto connection = make_connection(std::move(transport));
  if (!connection) return;
  bool stopping = false;
  {
    auto connections = connections_.lock();
    stopping = connections->stopping;
    if (!stopping) connections->set.insert(connection);
  }
  if (stopping) return connection->disconnect();
  // A reload has either seen the connection or changed the settings before this.
  if (!connection->comes_from(settings.server()->hosts)) {
    log::info("{}: refused, hosts in [server] do not name this address", connection->peer_host());
    connections_.lock()->set.erase(connection);
    return connection->disconnect();
  }
  scope_.spawn(serve_connection(std::move(connection), std::move(first_message), arrival));
}

Task<void> Server::serve_connection(std::shared_ptr<Connection> connection, Buffer first_message,
                                    Arrival arrival) {
  const std::string peer = connection->peer_host();
  log::debug("{}: connected", peer);
  co_await connection->run(std::move(first_message), arrival);
  logons.client_table.remove(*connection);
  Totals own;
  add_to(own, *connection);
  {
    auto connections = connections_.lock();
    connections->set.erase(connection);
    add_to(connections->ended, own);
    connection->channel_counters->bytes_received += own.bytes_received;
    connection->channel_counters->bytes_sent += own.bytes_sent;
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
  // What is queued before goes out before.
  for (const auto& session : logons.session_table.all()) tell_session_closed(*session);
  for (const auto& connection : live) connection->disconnect();
  live.clear();
  workers.stop();
  scope_.wait();
  files.wait();
  files.breaks.wait_for_deliveries();
  files.close_disconnected();
  files.wait();
  files.persistent->stop();
  if (parts_.group) {
    // Until here others may wait for what a break took from this worker's clients.
    parts_.group->stop();
    files.wait();
    files.breaks.wait_for_deliveries();
  }
  files.spawn(files.end_timers());
  files.wait();
}

namespace {

// Returns when each reactor has done what was posted to it before, but for those that a disk holds.
void wait_for_all(ReactorPool& reactors, std::chrono::steady_clock::time_point end) {
  end = std::min(end, std::chrono::steady_clock::now() + std::chrono::seconds(1));
  std::vector<std::future<void>> reached;
  for (size_t i = 0; i < reactors.size(); ++i) {
    const auto here = std::make_shared<std::promise<void>>();
    reached.push_back(here->get_future());
    reactors.at(i).post([here] { here->set_value(); });
  }
  for (const auto& each : reached) each.wait_until(end);
}

}  // namespace

bool Server::suspend(std::chrono::steady_clock::time_point end, Connected connected) {
  // Those that were adopted before are to be among the connections.
  wait_for_all(reactors_, end);
  std::vector<std::shared_ptr<Connection>> live;
  {
    auto connections = connections_.lock();
    connections->stopping = true;
    live.assign(connections->set.begin(), connections->set.end());
  }
  size_t resting = 0;
  if (connected == Connected::kGo) {
    const auto coming = std::make_shared<std::atomic<size_t>>(live.size());
    for (const auto& connection : live) scope_.spawn(rest(connection, end, coming));
    live.clear();
    // A reactor may wait for a disk, and its connections never come to rest.
    while (*coming != 0 && std::chrono::steady_clock::now() < end) {
      // Who waits for changes is told to look, whenever the request came.
      files.notify.lose_all();
      std::this_thread::sleep_for(kRestLook);
    }
    resting = live_handover_.choose();
  }
  for (const auto& connection : live) connection->disconnect();
  live.clear();
  const bool is_all = scope_.wait_until(end, resting) && files.wait_until(end);
  files.pause_scavenger();
  return is_all;
}

void Server::resume() {
  opens_handover_.take_back();
  live_handover_.take_back();
  files.resume_scavenger();
  files.arm_scavenger();
  connections_.lock()->stopping = false;
  for (const auto& connection : connections()) connection->go_on();
}

void Server::leave() {
  files.persistent->stop();
  if (parts_.group) parts_.group->stop();
}

void Server::reconfigure(config::Snapshot config, std::shared_ptr<const ShareTable> shares) {
  memory->set_limit(memory_limit(config->server));
  settings.replace(std::move(config), std::move(shares));
  const auto server = settings.server();
  for (const auto& connection : connections()) {
    if (connection->comes_from(server->hosts)) continue;
    log::info("{}: ended, hosts in [server] do not name this address", connection->peer_host());
    connection->disconnect();
  }
  end_what_may_not_stay();
  readings_.fetch_add(1, std::memory_order_release);
}

bool Server::may_stay(const Session& session, const TreeConnect& tree) const {
  if (tree.is_pipe()) return true;
  const auto entry = settings.shares()->entry(tree.share->name);
  if (!entry) return true;
  const config::ShareRules& now = entry->rules();
  // What may be less from now on; what may be more waits until the client connects again.
  if (now.read_only && !tree.is_read_only()) return false;
  if (entry->encrypts_data() && !tree.share->encrypt) return false;
  if (now.hosts != tree.share->hosts) return false;
  if (!check_reaches(session.principal(), entry->type(), now.guest)) return false;
  if (now.allow == tree.share->allow) return true;
  const Admission admission = admission_of(now, *session.principal().identity);
  return admission.is_admitted && (!admission.read_only || tree.is_read_only());
}

Task<void> Server::end_trees_that_may_not_stay() {
  WorkerPool::Seat seat(files.pool, work_of(nullptr, nullptr));
  co_await seat.schedule();
  std::vector<std::pair<std::shared_ptr<Session>, std::shared_ptr<TreeConnect>>> ending;
  for (const auto& session : logons.session_table.all()) {
    if (!session->security()) continue;
    for (const auto& tree : session->trees()) {
      if (may_stay(*session, *tree)) continue;
      log::info("share '{}': the connection of '{}' is ended: what may be done there has changed",
                tree->share->name, session->principal().identity->account_name);
      ending.emplace_back(session, tree);
    }
  }
  for (const auto& [session, tree] : ending) {
    session->remove_tree(tree->tree_id);
    if (tree->begin_close()) co_await files.close_tree(session, tree);
  }
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

std::vector<Server::AddressTotals> Server::totals_by_address() const {
  std::vector<AddressTotals> all;
  const auto known = channel_counters.all();
  std::vector<std::shared_ptr<Connection>> live;
  {
    auto connections = connections_.lock();
    for (const auto& [name, counters] : known) {
      all.push_back({.name = name,
                     .counters = counters,
                     .bytes_received = counters->bytes_received.load(),
                     .bytes_sent = counters->bytes_sent.load()});
    }
    live.assign(connections->set.begin(), connections->set.end());
  }
  for (const auto& connection : live) {
    const auto of = std::ranges::find(all, connection->channel_counters, &AddressTotals::counters);
    if (of == all.end()) continue;
    Totals own;
    add_to(own, *connection);
    ++of->connections;
    of->bytes_received += own.bytes_received;
    of->bytes_sent += own.bytes_sent;
  }
  return all;
}

}  // namespace braid::smb2
