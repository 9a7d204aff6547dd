// The server's half of one RPC conversation.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "base/result.h"
#include "rpc/caller_info.h"
#include "rpc/directory.h"
#include "rpc/handle_table.h"
#include "rpc/interface.h"
#include "rpc/pdu.h"

namespace braid::rpc {

// Takes PDUs apart from bytes as they come, carries out requests, and queues the PDUs of the
// answers. [C706] chapter 12 and [MS-RPCE] 3.3 "Connection-Oriented RPC Protocol Details", server
// role, without security providers: the SMB session has authenticated the caller, so bind with an
// authentication type other than none is refused. Thread: one at a time, by the pipe's lock.
class Association {
 public:
  // What Windows and Samba announce on pipes, in bytes. Fragments a client sends may be as large as
  // their 16-bit length allows; it is the total below that protects us.
  static constexpr uint16_t kFragmentSize = 4280;
  static constexpr uint16_t kFragmentSizeMin = 1432;  // [C706] MustRecvFragSize
  // All fragments of one request: a lookup of 20,480 SIDs, the most MS-LSAT allows, takes 0.7 MiB.
  static constexpr size_t kStubSizeMax = 1 << 20;
  // Contexts a client may have on one pipe; clients use one or two.
  static constexpr size_t kContextsMax = 16;
  // Answers that a client may leave unread before it has to read.
  static constexpr size_t kQueuedMax = 4 << 20;

  Association(const Interface& interface, const Directory& directory)
      : interface_(interface), directory_(directory) {}

  // Errors end the conversation: nothing after a fault of the protocol can be trusted. A request is
  // that of who sends the end of it.
  Result<void> receive(const CallerInfo& caller, ByteView bytes);

  std::deque<Bytes>& answers() { return answers_; }
  const std::deque<Bytes>& answers() const { return answers_; }
  size_t queued_size() const { return queued_size_; }
  void forget(size_t bytes) { queued_size_ -= bytes; }
  // The conversation is over: only answers are kept.
  void forget_requests() {
    input_ = {};
    pending_.reset();
  }
  // What is kept of requests and answers.
  size_t held_size() const {
    return input_.capacity() + (pending_ ? pending_->stub.capacity() : 0) + queued_size_ +
           answers_.size() * kAnswerOverhead;
  }

 private:
  // What an answer of a few bytes costs.
  static constexpr size_t kAnswerOverhead = 64;

  struct Pending {  // a request whose last fragment has not come
    uint32_t call_id;
    RequestBody body;
    Bytes stub;
  };

  Result<void> process(const CallerInfo& caller, ByteView fragment);
  Result<void> bind(const PduHeader& header, wire::Reader& r);
  Result<void> request(const CallerInfo& caller, const PduHeader& header, wire::Reader& r);
  void carry_out(const CallerInfo& caller, const Pending& pending);
  FaultStatus dispatch(const CallerInfo& caller, const Pending& pending, Bytes& out);
  ContextAnswer negotiate(const PresentationContext& context);
  void send(Bytes pdu);

  const Interface& interface_;
  Directory directory_;
  HandleTable handles_;
  Bytes input_;  // the start of a PDU, shorter than one
  std::deque<Bytes> answers_;
  size_t queued_size_ = 0;
  std::optional<Pending> pending_;
  std::set<uint16_t> contexts_;  // accepted presentation contexts
  uint16_t max_xmit_frag_ = kFragmentSize;
  bool bound_ = false;
};

}  // namespace braid::rpc
