// Client: this process as a client of the ctdbd of its node.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "runtime/task_scope.h"
#include "store/ctdb/packets.h"

namespace braid::store::ctdb {

enum class ClusterEvent : uint8_t {
  kReconfigured,          // nodes came or went, and the databases are whole again
  kAddressReleased,       // this node has lost it: connections to it are to end
  kAddressTaken,          // this node has it from now on
  kAddressesReallocated,  // who has which may have changed
};

// Who is told. Calls come on the client's reactor, and must not wait; they may call the client,
// but for stop().
class ClientSink {
 public:
  virtual ~ClientSink() = default;
  // From now on requests are answered. Nothing of an earlier connection holds: what happened
  // since is not told, so whoever goes by it looks at everything (nodes, addresses, records).
  virtual void on_connected(uint32_t pnn) = 0;
  // At once when ctdbd is gone or says nothing any more, after every request has failed.
  virtual void on_lost(Error why) = 0;
  // `payload` is valid until this returns, and made by anybody: who sent it only it can say, as
  // ctdbd names its own node as the source of all it passes on.
  virtual void on_message(uint64_t to, ByteView payload) = 0;
  // `address` of kAddressReleased and kAddressTaken.
  virtual void on_event(ClusterEvent event, std::optional<IpAddress> address) = 0;
};

struct ClientOptions {
  std::string socket_path = "/run/ctdb/ctdbd.socket";
  // Messages to these come to this process, from the beginning.
  std::vector<uint64_t> registered;
  // Doubles with each attempt in vain, up to the second.
  std::chrono::milliseconds reconnect_first{100};
  std::chrono::milliseconds reconnect_max{2'000};
  // A ctdbd that lives answers in microseconds what it is asked for itself, but may wait that long
  // for other nodes and for a recovery.
  std::chrono::seconds answer_max{30};
  // One that says nothing for so long although it was asked is as one that is gone.
  std::chrono::seconds silence_max{5};
};

// Keeps one connection to ctdbd and begins it anew whenever it is lost. Requests are coroutines
// that hold no thread; those to a ctdbd that is not there fail at once with ENOTCONN, and those
// that it does not answer (it drops what it cannot pass on) with ETIMEDOUT, what it refuses with
// EREMOTEIO.
// Owned by who is the sink, or outlived by him. Thread: that of the reactor for all.
// Life: start(), stop(), and no request under way at the end.
class Client {
 public:
  // Bytes that ctdbd has not taken yet, and requests that it has not answered.
  static constexpr size_t kUnsentMax = size_t{16} << 20;
  static constexpr size_t kRequestsMax = 65'536;

  // A socket to whoever listens there, at once.
  static Result<UniqueFd> connect_to(const std::string& path);

  Client(Reactor& reactor, ClientOptions options, ClientSink& sink);
  ~Client();

  void start();
  // Every request fails with ENOTCONN. The sink hears nothing any more.
  Task<void> stop();

  bool is_connected() const { return pnn_.has_value(); }
  // The number of this node; nothing without a connection.
  std::optional<uint32_t> pnn() const { return pnn_; }

  // A message to who has registered for `to` on that node, or kConnectedNodes. False: it is lost,
  // since there is no connection, it is too long, or ctdbd is behind with taking what it was sent.
  // It may get lost later, too: ctdbd acknowledges none.
  bool send(uint32_t pnn, uint64_t to, ByteView payload);

  Task<Result<std::vector<Node>>> nodes();
  // Whether the process of that node, by its number there, has registered for `number`. False too
  // when ctdbd cannot reach the node.
  Task<Result<bool>> is_registered(uint32_t pnn, uint32_t process, uint64_t number);
  // As that node has them: of those in its own list, who has each.
  Task<Result<std::vector<PublicAddress>>> public_addresses(uint32_t pnn = kThisNode);
  // Whether the cluster is being put in order, and nothing else goes on meanwhile.
  Task<Result<bool>> is_recovering();
  // By its name, without regard to case. EREMOTEIO: there is none.
  Task<Result<uint32_t>> tunable(std::string name);
  // Of this node: whether it may have addresses that move. An administrator's wish.
  Task<Result<void>> set_disabled(bool is_disabled);
  // Makes the volatile database if there is none yet. Its number is the same on all nodes.
  Task<Result<uint32_t>> attach(std::string name);
  // Where this node's part of it is, and with which flags of TDB it is to be opened.
  struct DatabaseFile {
    std::string path;
    uint32_t tdb_flags = 0;
  };
  Task<Result<DatabaseFile>> file_of(uint32_t database);
  // Has the record come to this node. Whether it is still here when this returns says its header.
  Task<Result<void>> migrate(uint32_t database, Bytes key);
  // An empty record may go, on all nodes, when ctdbd comes to it.
  Task<Result<void>> schedule_for_deletion(uint32_t database, RecordHeader header, Bytes key);
  // REQUIRES: this node has the server's address, else EREMOTEIO. Until forget_connection(), or
  // this process has lost ctdbd.
  Task<Result<void>> register_connection(TcpConnection connection);
  Task<Result<void>> forget_connection(TcpConnection connection);

  // For metrics: what came and was of no use (no request waits for it, or it could not be decoded).
  uint64_t ignored_packets() const { return ignored_packets_; }

 private:
  class Link;
  struct Answer {
    int32_t status = 0;
    Bytes data;
  };
  using Answered = OneShot<Result<Answer>>;
  struct Waiting {
    std::shared_ptr<Answered> answered;
    Operation reply{};
    uint64_t ends_at = 0;  // ticks_
  };

  Task<Result<Answer>> control(Control control, Bytes data, uint64_t number = 0,
                               uint32_t pnn = kThisNode);
  Task<Result<Answer>> answer_to(Operation reply, uint32_t id, Bytes packet);
  uint32_t next_id();

  void try_to_connect();
  void try_later();
  Task<void> greet(std::shared_ptr<Link> link);
  void tick();
  void on_packet(ByteView packet);
  void on_answer(uint32_t id, Operation reply, Result<Answer> answer);
  void on_message(const Message& message);
  // The link is over.
  void on_ended(const Link& link, Error why);
  void fail_all(Error why);

  Reactor& reactor_;
  const ClientOptions options_;
  ClientSink& sink_;
  TaskScope greetings_;
  Timer reconnect_timer_;
  Timer tick_timer_;
  std::chrono::milliseconds reconnect_delay_;
  bool is_stopped_ = true;
  bool is_loss_logged_ = false;

  std::shared_ptr<Link> link_;  // null: not connected
  std::optional<uint32_t> pnn_;
  std::unordered_map<uint32_t, Waiting> waiting_;
  uint32_t last_id_ = 0;
  // Of a second each, while there is a link.
  uint64_t ticks_ = 0;
  uint64_t heard_at_ = 0;
  uint64_t ignored_packets_ = 0;
};

}  // namespace braid::store::ctdb
