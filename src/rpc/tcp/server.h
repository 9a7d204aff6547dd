// Server: the conversations over TCP, and the witness that they share.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/authenticator.h"
#include "base/bytes.h"
#include "base/guarded.h"
#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "rpc/directory.h"
#include "rpc/epm/endpoint.h"
#include "rpc/tcp/connection.h"
#include "rpc/tcp/host.h"
#include "rpc/witness/service.h"
#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/task_scope.h"

namespace braid::rpc::tcp {

// Which port a connection came to.
enum class Port : uint8_t { kEndpointMapper, kWitness };

// Owned by the worker's server, which stops it before what it uses. Thread: any.
class Server {
 public:
  // How late a registration may end, and a call that has waited for as long as its client wanted.
  static constexpr std::chrono::milliseconds kTick{1000};

  struct Parts {
    ReactorPool& reactors;
    Host& host;
    const auth::Authenticator& authenticator;
    Directory directory;
    std::vector<std::string> server_names;  // that clients may know this server by
    uint16_t witness_port;                  // where the endpoint mapper says that Witness is
    std::chrono::nanoseconds stranger_time = Connection::kStrangerTime;
    std::chrono::nanoseconds tick = kTick;
  };
  explicit Server(Parts parts);
  ~Server() { stop(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes over a connected socket, of which `first_pdu` has been read and nothing behind it.
  void adopt(UniqueFd socket, Buffer first_pdu, Port port);
  // Ends all connections and waits for what runs. Idempotent. Blocks the calling thread, which must
  // not be a reactor.
  void stop();

  // Whether there was such a connection; it ends with its registrations.
  bool end_connection(uint64_t number);
  // Those to this address of ours: it has gone to another machine. How many.
  size_t end_connections_at(const IpAddress& address);

  witness::Service& witness() { return witness_; }
  size_t connections() const { return state_.lock()->connections.size(); }

 private:
  Task<void> serve_on(Reactor& reactor, UniqueFd socket, Buffer first_pdu, Port port);
  void deliver(witness::Completions completions);
  Task<void> watch_time();

  Parts parts_;
  const epm::Endpoints endpoints_;
  witness::Service witness_;
  struct State {
    std::unordered_map<uint64_t, std::shared_ptr<Connection>> connections;
    std::shared_ptr<OneShot<bool>> wake;  // of watch_time()
    bool stopping = false;
  };
  Guarded<State> state_;
  TaskScope scope_;
};

}  // namespace braid::rpc::tcp
