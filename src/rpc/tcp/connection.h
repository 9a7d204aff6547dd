// Connection: one RPC conversation over TCP.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/memory_budget.h"
#include "rpc/association.h"
#include "rpc/tcp/host.h"
#include "rpc/witness/registry.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "transport/byte_stream.h"

namespace braid::rpc::tcp {

// Held by the Server while run() runs. Thread: the reactor's, except for disconnect() and
// complete().
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // A connection over which nobody has logged on ends after this: the endpoint mapper's clients ask
  // one question, and Witness has nothing for strangers.
  static constexpr std::chrono::seconds kStrangerTime{60};
  // PDUs that are worked on in one turn of the reactor; each may be a call that is answered.
  static constexpr size_t kPdusPerTurn = 16;
  // What a registration costs, with its names.
  static constexpr size_t kRegistrationSize = 1536;

  struct Parts {
    Reactor& reactor;
    Host& host;
    std::unique_ptr<Place> place;
    transport::ByteStreamPtr stream;
    Association::Parts association;
    std::chrono::nanoseconds stranger_time = kStrangerTime;
  };
  explicit Connection(Parts parts);

  // Until the conversation is over. `first` has been read from the stream.
  Task<void> run(Bytes first);
  // A call that waited is over. Thread: any.
  void complete(witness::Completion completion);
  // Thread: any.
  void disconnect() { stream_->close(); }

  uint64_t number() const { return number_; }
  // The address of ours that it came to.
  const std::string& server_host() const { return server_host_; }

 private:
  Task<Result<void>> take(Bytes bytes);
  // Sends what is answered, and pays for what is kept.
  Result<void> settle();

  Reactor& reactor_;
  Host& host_;
  const std::unique_ptr<Place> place_;
  const transport::ByteStreamPtr stream_;
  witness::Service* const witness_;
  const uint64_t number_;
  const std::string server_host_;
  const CallerInfo stranger_;  // who calls without a logon
  const std::chrono::nanoseconds stranger_time_;
  Association association_;
  MemoryCharge memory_;
  bool is_over_ = false;
  bool is_known_ = false;
};

}  // namespace braid::rpc::tcp
