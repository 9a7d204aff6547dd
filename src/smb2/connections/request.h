// Request and Reply: what a command handler takes and gives.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "runtime/task.h"
#include "runtime/worker_pool.h"
#include "smb2/compression/compression_trials.h"
#include "smb2/connections/conduct.h"
#include "smb2/opens/open.h"
#include "smb2/sessions/session.h"
#include "smb2/sessions/tree_connect.h"
#include "wire/smb2/header.h"

namespace braid::smb2 {

class Connection;
class FileServices;
class LogonServices;
class Server;
class Compound;
class Request;

// What becomes of a request that waits for its turn on the worker pool, at first or between its
// pieces, when nobody is left to hear the answer.
enum class Unheard : uint8_t {
  kStops,             // it changes nothing: stops once its connection is lost
  kStopsWithSession,  // goes on while the client may ask for its outcome on another channel
  kGoesOn,
};
Unheard unheard_of(Changes changes);

// A request's way to the worker pool. Thread: where the request is.
class RequestSeat final : public WorkerPool::Seat {
 public:
  RequestSeat(WorkerPool& pool, WorkerPool::Group& group, const Request& request)
      : Seat(pool, {}, &group), request_(request) {}
  // Before the first turn.
  void begin(WorkOwner owner, Unheard unheard) {
    belong_to(owner);
    unheard_ = unheard;
  }
  // STATUS_CANCELLED, STATUS_USER_SESSION_DELETED.
  Result<void> check_wanted() const override;

 private:
  const Request& request_;
  Unheard unheard_ = Unheard::kGoesOn;
};

// What a handler answers. The header is filled in by Compound.
struct Reply {
  NtStatus status = NtStatus::kSuccess;
  Bytes message;   // Header::kSize bytes of room, then the body
  Buffer payload;  // file data that follows the body, sent without a copy
  // Made or used by this request; the next related one of the compound continues with it.
  std::optional<FileId> file_id;
  // Whether the payload, or the listing that the message is, may go out compressed:
  // compress_reply.h
  std::shared_ptr<CompressionTrials> compress = {};
};

template <class Body>
Reply reply_with(const Body& body, NtStatus status = NtStatus::kSuccess) {
  Reply reply{.status = status};
  reply.message.resize(wire::Header::kSize);
  wire::Writer writer(reply.message, 0);
  body.encode(writer);
  return reply;
}

// The opens that a request names. The gates of dispatch.cc take their uses at once, where it came
// in: a CLOSE that came later then waits for it, wherever it waits for its own turn.
struct NamedOpens {
  std::optional<FileId> open;        // of a related request, whatever the one before it left
  std::optional<FileId> source;      // a second one, to copy from
  const Conduct* conduct = nullptr;  // where the command's is not the whole story: of its FSCTL
};
// One that fails says what the request is answered with. Starts and ends on the reactor.
using NameOpens = Result<NamedOpens> (*)(const Request&);

// When go_async() sends the interim response. kLater: the handler calls send_interim().
enum class Interim : uint8_t { kAtOnce, kLater };

// [MS-SMB2] 3.3.1.13 "Per Request". Lives in the coroutine that answers it. The members from
// `conduct` to `lasting_memory` are filled by dispatch.cc before a handler sees the Request.
// Thread: the connection's reactor, except while its handler runs on the worker pool.
class Request {
 public:
  Request(Server& its_server, std::shared_ptr<Connection> its_connection, Compound& its_compound,
          size_t its_index, wire::Header its_header, ByteView its_message, bool encrypted);
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  Server& server;
  FileServices& files;
  LogonServices& logons;
  const std::shared_ptr<Connection> connection;
  Compound& compound;
  const size_t index;  // within the compound
  const wire::Header header;
  const ByteView message;  // header and body
  const bool is_encrypted;

  bool signature_verified = false;
  // A request that waits for others, or has done so, was cancelled; and what ends the wait that it
  // is in, if that can be ended. Both are those of files/waiting.h. Thread: the reactor.
  bool cancelled = false;
  std::move_only_function<bool()> end_wait;
  // Its message where it waits and has done nothing yet that may not be done again: an upgrade may
  // have the next process ask again in its place. Set by its handler, which keeps it. What makes
  // the wait stop for that is set by files/waiting.h, and gone when the wait is over or cannot be
  // stopped. Thread: the reactor.
  ByteView repeatable;
  std::move_only_function<void()> set_aside;
  Conduct conduct{Target::kNone, Changes::kNothing, Waits::kNever};
  std::shared_ptr<Channel> channel;
  std::shared_ptr<Session> session;
  std::shared_ptr<TreeConnect> tree_connect;
  Principal principal;
  OpenUse open;
  OpenUse source;  // empty also when there is no such open: it is the handler that says so
  SequenceUse sequence_use;
  // Taken before the handler runs: for the largest answer there may be, and for what the command
  // leaves behind, which the handler gives to that.
  MemoryCharge answer_memory;
  MemoryCharge lasting_memory;
  // Where its handler may wait for a disk: BRAID_CO_CHECK(co_await request.seat.turn()).
  RequestSeat seat;
  // READ and WRITE over RDMA: memory that they need beside the answer's, and a key of the client's
  // that its card invalidates with the answer. Known before the gates.
  size_t transfer_size = 0;
  std::optional<uint32_t> invalidate;
  // Set by SESSION_SETUP and TREE_CONNECT: the ids the answer carries.
  std::optional<SessionId> reply_session_id;
  std::optional<TreeId> reply_tree_id;
  // The file of the open that it has closed, which is not `open` any more.
  std::optional<FileKey> closed;
  // The key the answer is signed with, if not the channel's: SESSION_SETUP.
  std::shared_ptr<const crypto::SigningKey> reply_signing_key;
  // Which rule refuses, where the status does not say it: for the audit.
  std::string_view refused_by;
  // What its answer is to be ahead of: Breaks::hold_back().
  std::shared_ptr<void> ahead_of;
  // Where the file was that SET_INFO names, where there is an audit.
  std::string audited_path;
  // SESSION_SETUP of 3.1.1: whether the answer as sent goes into the preauthentication hash.
  std::function<void(ByteView)> on_reply_bytes;

  const Credentials& credentials() const { return principal.credentials; }

  wire::Reader body() const { return wire::Reader(message, wire::Header::kSize); }

  // [MS-SMB2] 3.3.5.2.5 "Verifying the Credit Charge and the Payload Size": the larger of what is
  // sent and what may be answered. STATUS_INVALID_PARAMETER.
  Result<void> check_credit_charge(uint64_t sent, uint64_t answered) const;

  // [MS-SMB2] 3.3.5.2.10 "Verifying the Channel Sequence Number": counts the request in its open.
  // STATUS_FILE_NOT_AVAILABLE for one that changes something and comes too late, or too early.
  // REQUIRES: the open was found, once.
  Result<void> verify_channel_sequence();

  // STATUS_MEDIA_WRITE_PROTECTED where `changes` says so. Beside the rights of the handle, which
  // the handlers know, and before anything is changed.
  Result<void> check_may_change(Changes changes) const;

  // Before a request goes to the worker pool: should it take long there, or wait long for its turn,
  // an interim response goes out meanwhile. CANCEL does not end it. REQUIRES: on the connection's
  // reactor.
  void may_take_long();

  // Sends STATUS_PENDING and registers `on_cancel` for CANCEL and for the loss of the connection;
  // it runs on the reactor, at most once, and not after finish_async(). Before waiting for anything
  // a client decides, as conduct.waits says: what waits for ever has its frame dropped, and has
  // taken from it what it needs. STATUS_INSUFFICIENT_RESOURCES when too many wait already.
  // REQUIRES: on the connection's reactor.
  Result<void> go_async(std::move_only_function<void()> on_cancel,
                        Interim interim = Interim::kAtOnce);
  // The one that was left for later, if any. REQUIRES: on the connection's reactor.
  void send_interim();
  // It has gone async in the process before, by this id. REQUIRES: nothing was asked of it yet.
  void continue_async(AsyncId id);
  // Whether go_async() has been called.
  bool has_gone_async() const { return gone_async_; }
  // The request is done.
  void finish_async();
  AsyncId async_id() const { return async_id_; }

 private:
  friend class SlowRequests;
  // It has taken long.
  void send_sign_of_life();
  bool waits_for_ever() const;

  AsyncId async_id_;
  bool gone_async_ = false;
  bool owes_interim_ = false;
  bool is_watched_ = false;
  bool is_slow_ = false;     // counted in its share's slow_requests
  size_t watched_slot_ = 0;  // in SlowRequests
};

using Handler = Task<Result<Reply>> (*)(Request&);

}  // namespace braid::smb2
