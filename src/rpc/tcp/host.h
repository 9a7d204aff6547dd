// Host: what conversations over TCP need of the server that they are a part of.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "auth/authenticator.h"
#include "auth/identity.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "rpc/pipe.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "transport/socket_address.h"

namespace braid::rpc::tcp {

// What one connection counts as, given back by the destructor.
class Place {
 public:
  virtual ~Place() = default;
  // Somebody has logged on.
  virtual void user_known(const auth::Identity& identity) = 0;
  virtual const std::shared_ptr<MemoryAccount>& memory() const = 0;
};

// A logon within a conversation. `is_over` is asked on the reactor while it waits for its turn.
struct Logon {
  Reactor& reactor;
  std::string client_address;
  uint64_t connection;
  PipeLogon leg;
  std::function<bool()> is_over;
};

// Implemented above. Outlives the Server. Thread: any.
class Host {
 public:
  virtual ~Host() = default;
  // Null: its address has all it may have.
  virtual std::unique_ptr<Place> admit(const transport::SocketAddress& peer) = 0;
  // Unlike that of any other connection, of SMB's as well.
  virtual uint64_t next_connection_number() = 0;
  // Takes one leg of a logon, in the turn of who tries to log on, with what is judged counted among
  // all attempts. Continues on the reactor. Errors as AuthExchange::step().
  virtual Task<Result<auth::AuthStep>> judge(Logon logon) = 0;
};

}  // namespace braid::rpc::tcp
