// Exchange: a request in flight and what comes back for it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "client/response.h"
#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace braid::client {

struct ChannelKeys;

// Made by Connection for each request it sends; shared with the caller. Thread: the connection's.
// Ends with the final response, with the connection, or with a time-out.
class Exchange {
 public:
  Exchange(Reactor& reactor, std::chrono::nanoseconds timeout, MessageId message_id,
           wire::Command command)
      : reactor_(reactor), timeout_(timeout), message_id_(message_id), command_(command) {}

  // The final response whatever its status. Errors: those of Transport::receive(), ETIMEDOUT, and
  // STATUS_INVALID_SIGNATURE if its signature is wrong or missing. May be awaited again.
  Task<Result<Response>> response();
  // Continues at the interim response and gives its AsyncId; nothing if the final response came
  // without one.
  Task<std::optional<AsyncId>> interim();
  // The decoded body of the final response, or its status as an error.
  template <class Body>
  Task<Result<Reply<Body>>> reply() {
    co_return reply_of<Body>(co_await response());
  }

  bool is_done() const { return final_.is_set(); }
  MessageId message_id() const { return message_id_; }
  wire::Command command() const { return command_; }
  // Of the interim response, if there was one so far.
  std::optional<AsyncId> async_id() const { return async_id_; }
  // The request as it went out, unless it was encrypted: for the preauthentication hash.
  ByteView sent() const { return sent_; }

 private:
  friend class Connection;

  void set_interim(AsyncId id) {
    async_id_ = id;
    interim_.set(id);
  }
  void finish(Result<Response> result) {
    final_.set(std::move(result));
    interim_.set(std::nullopt);
  }

  Reactor& reactor_;
  const std::chrono::nanoseconds timeout_;
  const MessageId message_id_;
  const wire::Command command_;
  bool expects_signature_ = false;
  bool expects_encryption_ = false;
  std::shared_ptr<const ChannelKeys> keys_;
  std::optional<AsyncId> async_id_;
  Bytes sent_;
  OneShot<Result<Response>> final_;
  OneShot<std::optional<AsyncId>> interim_;
};

using ExchangePtr = std::shared_ptr<Exchange>;

}  // namespace braid::client
