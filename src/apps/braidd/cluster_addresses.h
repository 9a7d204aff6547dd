// ClusterAddresses: what a node's ctdbd says of addresses, and what it is told of connections.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "runtime/task_scope.h"
#include "store/ctdb/client.h"

namespace braid::braidd {

// The addresses that move, and the nodes they move between.
struct ClusterView {
  uint32_t own = 0;
  std::vector<store::ctdb::Node> nodes;
  std::vector<store::ctdb::PublicAddress> addresses;
};

struct ClusterAddressesParts {
  std::string socket_path;  // of ctdbd
  // Called on the thread of this, and must not wait. The node has lost the address: what is
  // connected to it can send nothing any more, and its clients are on their way to another node.
  std::function<void(const IpAddress&)> released;
  // What is known has changed, or is known for the first time.
  std::function<void(const ClusterView&)> changed;
  // An administrator is about to empty that node.
  std::function<void(uint32_t node)> draining;
  // Those over TCP that there are.
  std::function<std::vector<store::ctdb::TcpConnection>()> connections;
};

// Has a connection to ctdbd of its own. Every connection of a client to an address that moves is
// registered there, so that the node that has the address next resets it: the client finds out at
// once, and not when TCP gives up. Owned by the worker's server, and gone before what `parts` use.
// Thread: one of its own; connected() from any.
class ClusterAddresses final : private store::ctdb::ClientSink {
 public:
  explicit ClusterAddresses(ClusterAddressesParts parts);
  ~ClusterAddresses() override;

  // A connection has come. Before its client was answered anything.
  void connected(int socket);

 private:
  Task<void> watch();
  Task<void> end();
  void look_soon();
  Task<void> look();
  // The registrations with ctdbd are those of the connections that there are.
  Task<void> put_in_order();
  Task<void> put_on_record(store::ctdb::TcpConnection connection);
  bool is_ours(const IpAddress& address) const;
  bool is_movable(const IpAddress& address) const;

  void on_connected(uint32_t pnn) override;
  void on_lost(Error why) override;
  void on_message(uint64_t to, ByteView payload) override;
  void on_event(store::ctdb::ClusterEvent event, std::optional<IpAddress> address) override;

  using Key = std::pair<std::string, std::string>;  // "10.0.2.9:4711", "10.0.2.2:445"
  static Key key_of(const store::ctdb::TcpConnection& connection);

  const ClusterAddressesParts parts_;
  ReactorPool reactors_;
  Reactor& reactor_;
  std::optional<store::ctdb::Client> client_;
  TaskScope tasks_;
  bool is_over_ = false;
  bool is_looking_ = false;
  bool looks_again_ = false;
  ClusterView view_;
  struct Registered {
    store::ctdb::TcpConnection connection;
    int absent = 0;  // in how many looks it was not among the connections
  };
  std::map<Key, Registered> registered_;
  std::set<Key> strays_;  // to an address that is another node's, as it seemed the last time
};

}  // namespace braid::braidd
