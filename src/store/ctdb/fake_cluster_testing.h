// Nodes of a cluster that is none, for tests of who talks to a ctdbd.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/unique_fd.h"
#include "store/ctdb/packets.h"

namespace braid::store::ctdb {

// Each node a Unix socket in a folder of its own that goes at the end. Answers as ctdbd 4.17 does
// what Client asks for, has the records of all databases in memory, and misbehaves as it is told.
// Thread: any; one of its own serves.
class FakeCluster {
 public:
  explicit FakeCluster(size_t nodes);
  ~FakeCluster();

  std::string socket_path(size_t node) const;

  // Ends the connections of its clients, as if its ctdbd had died; nobody can connect until it is
  // begun again. The others hear kReconfigured.
  void kill(size_t node);
  void begin(size_t node);
  // Takes what is sent and says nothing.
  void hang(size_t node);
  // Answers nothing but who it is and registrations.
  void drop_requests(size_t node);
  void set_flags(size_t node, uint32_t flags);
  // ctdb's own at the beginning.
  void set_tunable(const std::string& name, uint32_t value);
  void move_address(size_t to);
  // From now on the messages of which it says so. Called on the cluster's thread.
  void lose(std::function<bool(ByteView payload)> whether);
  // To all clients of the node, as it stands here.
  void say(size_t node, ByteView bytes);

  // What clients of the node have asked for so far.
  size_t asked(size_t node, Control control);
  std::vector<TcpConnection> connections(size_t node);

  // Stands for the file that a node shares with its clients.
  struct Record {
    RecordHeader header;
    Bytes data;
  };
  using Records = std::map<std::pair<uint32_t, Bytes>, Record>;
  // With the node's records locked, as a client has them that holds the lock of a chain.
  void with_records(size_t node, const std::function<void(Records&)>& work);

  // Of node 0 first.
  static const IpAddress& address();

 private:
  struct Peer {
    UniqueFd fd;
    size_t node = 0;
    PacketReader reader;
    std::set<uint64_t> registered;
  };
  struct NodeState {
    UniqueFd listener;
    bool is_hung = false;
    bool drops_requests = false;
    uint32_t flags = 0;
    std::vector<TcpConnection> connections;
    std::map<Control, size_t> asked;
    Records records;
  };

  void listen(size_t node);
  void serve();
  void wake();
  bool read(Peer& peer);
  void on_packet(Peer& peer, ByteView packet);
  void on_control(Peer& peer, const Header& header, const ControlRequest& request);
  void on_call(Peer& peer, const Header& header, const Call& call);
  // As ctdbd: who sent it is not said.
  void tell(size_t node, const Message& message);
  static void put(const Peer& peer, ByteView bytes);

  std::string folder_;
  mutable std::mutex mutex_;
  std::vector<NodeState> nodes_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::map<std::string, uint32_t> databases_;
  std::map<std::string, uint32_t> tunables_{{"KeepaliveInterval", 5}, {"KeepaliveLimit", 5}};
  std::function<bool(ByteView)> loses_;
  size_t address_at_ = 0;
  bool is_over_ = false;
  UniqueFd wake_;
  std::thread thread_;
};

}  // namespace braid::store::ctdb
