#include "rpc/tcp/server.h"

#include <utility>

#include "base/log.h"
#include "rpc/interface.h"

namespace braid::rpc::tcp {
namespace {

witness::TimePoint steady_now() { return std::chrono::steady_clock::now(); }

}  // namespace

Server::Server(Parts parts)
    : parts_(std::move(parts)),
      endpoints_{{.interface = witness_interface().syntax,
                  .annotation = "Service Witness Protocol",
                  .port = parts_.witness_port}},
      witness_(parts_.server_names, steady_now,
               [this](witness::Completions completions) { deliver(std::move(completions)); }) {
  scope_.spawn(watch_time());
}

void Server::adopt(UniqueFd socket, Buffer first_pdu, Port port) {
  Reactor& reactor = parts_.reactors.next();
  scope_.spawn(serve_on(reactor, std::move(socket), std::move(first_pdu), port));
}

Task<void> Server::serve_on(Reactor& reactor, UniqueFd socket, Buffer first_pdu, Port port) {
  co_await reactor.next_turn();
  const auto peer = transport::SocketAddress::peer_of(socket.get());
  auto place = parts_.host.admit(peer);
  if (!place) {
    log::debug("{}: has its share of connections, dropped", peer.host());
    co_return;
  }
  const auto stream = transport::make_byte_stream(reactor, std::move(socket));
  const transport::SocketAddress local = stream->local();
  const bool is_witness = port == Port::kWitness;
  const uint64_t number = parts_.host.next_connection_number();
  const auto connection = std::make_shared<Connection>(Connection::Parts{
      .reactor = reactor,
      .host = parts_.host,
      .place = std::move(place),
      .stream = stream,
      .association = {.interface = is_witness ? witness_interface() : epm_interface(),
                      .directory = parts_.directory,
                      .authenticator = &parts_.authenticator,
                      .witness = is_witness ? &witness_ : nullptr,
                      .number = number,
                      .endpoints = is_witness ? nullptr : &endpoints_,
                      .server_address = local.host(),
                      .server_port = std::to_string(local.port()),
                      .pdus_at_once = Connection::kPdusPerTurn},
      .stranger_time = parts_.stranger_time});
  {
    auto state = state_.lock();
    if (state->stopping) co_return;
    state->connections.emplace(number, connection);
  }
  const ByteView first = first_pdu.view();
  co_await connection->run(Bytes(first.begin(), first.end()));
  state_.lock()->connections.erase(number);
}

void Server::deliver(witness::Completions completions) {
  for (witness::Completion& completion : completions) {
    std::shared_ptr<Connection> connection;
    {
      auto state = state_.lock();
      const auto found = state->connections.find(completion.call.association);
      if (found != state->connections.end()) connection = found->second;
    }
    if (connection) connection->complete(std::move(completion));
  }
}

bool Server::end_connection(uint64_t number) {
  auto state = state_.lock();
  const auto found = state->connections.find(number);
  if (found == state->connections.end()) return false;
  found->second->disconnect();
  return true;
}

size_t Server::end_connections_at(const IpAddress& address) {
  size_t count = 0;
  auto state = state_.lock();
  for (const auto& [number, connection] : state->connections) {
    const auto local = IpAddress::parse(connection->server_host());
    if (!local || !local->same_address(address)) continue;
    connection->disconnect();
    ++count;
  }
  return count;
}

Task<void> Server::watch_time() {
  Reactor& reactor = parts_.reactors.timers();
  co_await reactor.next_turn();
  for (;;) {
    const auto wake = std::make_shared<OneShot<bool>>();
    {
      auto state = state_.lock();
      if (state->stopping) co_return;
      state->wake = wake;
    }
    Timer timer(reactor);
    timer.start(parts_.tick, [wake] { wake->set(true); });
    if (!co_await wake->wait(reactor)) co_return;
    witness_.expire();
  }
}

void Server::stop() {
  std::vector<std::shared_ptr<Connection>> live;
  std::shared_ptr<OneShot<bool>> wake;
  {
    auto state = state_.lock();
    state->stopping = true;
    for (const auto& [number, connection] : state->connections) live.push_back(connection);
    wake = state->wake;
  }
  if (wake) wake->set(false);
  for (const auto& connection : live) connection->disconnect();
  live.clear();
  scope_.wait();
}

}  // namespace braid::rpc::tcp
