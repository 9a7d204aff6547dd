// The server's half of one RPC conversation.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "rpc/caller_info.h"
#include "rpc/directory.h"
#include "rpc/handle_table.h"
#include "rpc/interface.h"
#include "rpc/pdu.h"
#include "rpc/pipe.h"
#include "rpc/security_contexts.h"

namespace braid::rpc {

// Takes PDUs apart from bytes as they come, carries out requests, and queues the PDUs of the
// answers. [C706] chapter 12 and [MS-RPCE] 3.3 "Connection-Oriented RPC Protocol Details", server
// role. A bind that logs on stops it: whoever owns it has the token judged, where that may wait,
// and says what came of it. Who does not log on is who the session says. Thread: one at a time, by
// the pipe's lock.
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

  // Fragments without the first one that come for a call which is over: of one so much older than
  // the last they are dropped, and are a fault of the protocol otherwise. [MS-RPCE] 3.3.3.5.6.
  static constexpr uint32_t kOldCalls = 150;

  // Calls that a client may have waiting: as many as it has shares and machines to watch them.
  static constexpr size_t kWaitingMax = 1024;

  // What the conversation is about, and with whom it works. All outlive it.
  struct Parts {
    const Interface& interface;
    const Directory& directory;
    const auth::Authenticator* authenticator;  // null: nobody can log on here
    witness::Service* witness = nullptr;       // of an interface that needs it
    uint64_t number = 0;                       // for tokens: unlike all others whose calls wait
    const std::vector<epm::Endpoint>* endpoints = nullptr;  // of an interface that needs them
    // Over TCP: this end's address and port, as text. Empty: it is a pipe.
    std::string server_address = {};
    std::string server_port = {};
    size_t pdus_at_once = SIZE_MAX;  // that one step works on, however many came
  };
  explicit Association(const Parts& parts)
      : interface_(parts.interface),
        directory_(parts.directory),
        witness_(parts.witness),
        number_(parts.number),
        endpoints_(parts.endpoints),
        server_address_(parts.server_address),
        server_port_(parts.server_port),
        pdus_at_once_(parts.pdus_at_once),
        security_(parts.authenticator) {}
  // Calls that wait are abandoned.
  ~Association();
  Association(const Association&) = delete;
  Association& operator=(const Association&) = delete;

  // Errors end the conversation: nothing after a fault of the protocol can be trusted. Answers that
  // were made before, such as the fault itself, can still be read. A request is
  // that of who sends the end of it. REQUIRES: no logon is due.
  Result<void> receive(const CallerInfo& caller, ByteView bytes);
  // Whether PDUs that were received wait for go_on().
  bool has_more() const { return has_more_ && !leg_; }
  // Some more of them. Errors as receive(). REQUIRES: no logon is due.
  Result<void> go_on(const CallerInfo& caller) { return work(caller); }
  // A leg of a logon that has to be judged before anything behind it is worked on.
  std::optional<PipeLogon> logon_due() const;
  // What came of it; then the rest of what was received. REQUIRES: one is due.
  Result<void> logged_on(const CallerInfo& caller, const Result<auth::AuthStep>& step);

  // The answer to a call that waits; nothing if it does not any more. Errors as receive().
  Result<void> complete(uint64_t call_number, FaultStatus status, ByteView stub);

  std::deque<Bytes>& answers() { return answers_; }
  const std::deque<Bytes>& answers() const { return answers_; }
  size_t queued_size() const { return queued_size_; }
  void forget(size_t bytes) { queued_size_ -= bytes; }
  // The conversation is over: only answers are kept.
  void forget_requests() {
    input_ = {};
    pending_.reset();
    leg_.reset();
    abandon_calls();
  }
  // What is kept of requests and answers.
  size_t held_size() const {
    return input_.capacity() + (pending_ ? pending_->stub.capacity() : 0) + queued_size_ +
           answers_.size() * kAnswerOverhead + security_.held_size() +
           (leg_ ? leg_->token.capacity() : 0) + waiting_.size() * kWaitingSize;
  }

 private:
  // What an answer of a few bytes costs.
  static constexpr size_t kAnswerOverhead = 64;
  // What a call that waits costs.
  static constexpr size_t kWaitingSize = 256;

  struct Pending {  // a request whose last fragment has not come
    uint32_t call_id;
    wire::ByteOrder order;
    RequestBody body;
    const SecurityContext* security;  // null: none
    Bytes stub;
  };
  struct Leg {  // of a logon: a bind, alter_context or rpc_auth_3
    PduHeader header;
    SecTrailer trailer;
    BindBody body;  // not of rpc_auth_3
    Bytes token;
    SecurityContext* context;
  };

  Result<void> work(const CallerInfo& caller);
  Result<void> refuse_header(ByteView header, Error error);
  Result<void> process(const CallerInfo& caller, MutableByteView fragment);
  Result<void> bind(const PduHeader& header, ByteView fragment);
  Result<void> auth3(const PduHeader& header, ByteView fragment);
  Result<void> take_leg(Leg leg);
  Result<void> acknowledge(const PduHeader& header, const BindBody& body, const SecTrailer& trailer,
                           ByteView token);
  Result<void> request(const CallerInfo& caller, const PduHeader& header, MutableByteView fragment);
  Result<void> carry_out(const CallerInfo& caller, const Pending& pending);
  struct WaitingCall {
    Pending pending;  // without its stub
    std::move_only_function<void()> abandoned;
  };

  FaultStatus dispatch(const CallerInfo& caller, const Pending& pending, Bytes& out);
  void cancel(uint32_t call_id, bool is_answered);
  void abandon_calls();
  Result<void> respond(const Pending& pending, ByteView stub);
  ContextAnswer negotiate(const PresentationContext& context);
  void fault(uint32_t call_id, uint16_t context_id, FaultStatus status);
  // The same, and nothing after it can be trusted.
  std::unexpected<Error> end(uint32_t call_id, uint16_t context_id, FaultStatus status);
  void send(Bytes pdu);

  const Interface& interface_;
  Directory directory_;
  witness::Service* const witness_;
  const uint64_t number_;
  const std::vector<epm::Endpoint>* const endpoints_;
  const std::string server_address_;
  const std::string server_port_;
  const size_t pdus_at_once_;
  HandleTable handles_;
  SecurityContexts security_;
  std::map<uint64_t, WaitingCall> waiting_;  // by the number in its token
  // Of those: a call's id, which a client may give to several, and its number.
  std::set<std::pair<uint32_t, uint64_t>> waiting_ids_;
  uint64_t next_call_ = 1;
  Bytes input_;  // the start of a PDU, shorter than one
  std::deque<Bytes> answers_;
  size_t queued_size_ = 0;
  std::optional<Pending> pending_;
  std::optional<uint32_t> current_call_id_;  // of the last first fragment
  std::optional<Leg> leg_;                   // the one that is due
  std::set<uint16_t> contexts_;              // accepted presentation contexts
  uint16_t max_xmit_frag_ = kFragmentSize;
  bool bound_ = false;
  bool has_more_ = false;
};

}  // namespace braid::rpc
