// Connection. [MS-SMB2] 3.3.1.7 "Per Transport Connection".
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "auth/authenticator.h"
#include "base/counted_buffer.h"
#include "base/ids.h"
#include "base/memory_budget.h"
#include "crypto/key_derivation.h"
#include "crypto/sha256.h"
#include "runtime/connection_sink.h"
#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/reactor_lane.h"
#include "runtime/task.h"
#include "runtime/task_scope.h"
#include "runtime/worker_pool.h"
#include "smb2/common/channel_counters.h"
#include "smb2/common/connection_counters.h"
#include "smb2/common/fd_budget.h"
#include "smb2/compression/compression_load.h"
#include "smb2/compression/negotiated_compression.h"
#include "smb2/connections/async_command_list.h"
#include "smb2/connections/channel_table.h"
#include "smb2/connections/command_sequence_window.h"
#include "smb2/connections/frame_codec.h"
#include "smb2/connections/request.h"
#include "smb2/connections/slow_requests.h"
#include "smb2/connections/unacked_breaks.h"
#include "smb2/sessions/session.h"
#include "transport/transport.h"
#include "wire/smb2/negotiate.h"
#include "wire/smb2/rdma_transform.h"

namespace braid::smb2 {

class Server;

// What NEGOTIATE settled. Constant afterwards.
struct Negotiated {
  wire::Dialect dialect = wire::Dialect::kNone;  // kNone before, kWildcard after "SMB 2.???"
  ClientGuid client_guid;
  uint32_t client_capabilities = 0;
  uint32_t server_capabilities = 0;
  uint16_t client_security_mode = 0;
  uint16_t server_security_mode = 0;
  // Of the list of the client's dialects: it may be long, and the client a stranger.
  crypto::Digest32 client_dialects{};
  crypto::Cipher cipher = crypto::Cipher::kNone;
  crypto::SigningAlgorithm signing_algorithm = crypto::SigningAlgorithm::kHmacSha256;
  NegotiatedCompression compression;
  wire::RdmaTransforms rdma_transforms;  // Connection.RDMATransformIds
  bool supports_multi_credit = false;
  bool should_sign = false;  // the client requires it
  bool posix_extensions = false;
  uint32_t max_transact_size = 0;
  uint32_t max_read_size = 0;
  uint32_t max_write_size = 0;

  bool is_smb3() const { return dialect >= wire::Dialect::kSmb300; }
  bool is_done() const {
    return dialect != wire::Dialect::kNone && dialect != wire::Dialect::kWildcard;
  }
};

crypto::Digest32 digest_of(const std::vector<wire::Dialect>& dialects);

// A SESSION_SETUP series under way: state per attempt, not per connection, since clients run
// several at once. [MS-SMB2] 3.3.1.15 "Per PreauthSession" is in it.
struct SessionSetupExchange {
  std::shared_ptr<Session> session;
  std::unique_ptr<auth::AuthExchange> exchange;
  crypto::PreauthHash preauth_hash;
  MemoryCharge memory;
  enum class Purpose : uint8_t { kNew, kReauthenticate, kBind };
  Purpose purpose = Purpose::kNew;
};

// Held by its run() coroutine, by the Compounds of its frames with their Requests, and by the
// Server while it runs; a Channel and the ClientTable point at it weakly. Thread: that of its
// transport's reactor. Life: run() until the transport ends, then one close().
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server& server, transport::TransportPtr transport,
             std::shared_ptr<MemoryAccount> account, FdBudget::Place place);

  // Names it to administrators; never used twice by a Server.
  const uint64_t number;
  ConnectionCounters counters;
  CompressionCounters compression_counters;
  // Shared with all that end at the same address.
  const std::shared_ptr<ChannelCounters> channel_counters;
  // What it makes the server hold.
  const std::shared_ptr<MemoryAccount> memory;

  // Serves the connection to its end. `first_message` came with the socket.
  Task<void> run(Buffer first_message, Arrival arrival);
  // Ends the transport; run() then tears down. Thread: any.
  void disconnect() { transport_->close(); }

  // For another process that is to go on with it. Reads no more, and waits until everything that
  // was read is answered and sent, or set aside: then it rests, until go_on(). One that cannot come
  // to rest by `end`, or waits for what a client decides and cannot be asked again, is
  // disconnected. Thread: any.
  Task<void> come_to_rest(std::chrono::steady_clock::time_point end);
  bool is_resting() const { return is_resting_ && !transport_->is_closed(); }
  void go_on();
  // REQUIRES, of the next three: it rests, or it does not run yet. Thread: the reactor's.
  std::vector<std::shared_ptr<Channel>> all_channels() const { return channels_.all(); }
  std::optional<transport::Transport::Handed> handed() const { return transport_->handed(); }
  // As it was in the process before. A session's first channel comes behind this.
  void was_negotiated(Negotiated as, const crypto::PreauthHash& hash,
                      const CommandSequenceWindow::Image& window);
  // A request that waits, after STATUS_PENDING, as another process can ask it again.
  struct WaitingRequest {
    AsyncId async_id;
    bool is_encrypted = false;
    Bytes message;  // header and body
  };
  // Those that were set aside, and in the other process the same: served before anything is read.
  // One that there is no room for, or that is none of a session here, ends the connection.
  // REQUIRES: it rests; it does not run yet, and has its channels.
  std::vector<WaitingRequest> requests_aside() const;
  void ask_again(const std::vector<WaitingRequest>& requests);

  // Where a request that can be asked again waits, from the constructor on: files/waiting.h.
  // Thread: the reactor.
  class RepeatableWait {
   public:
    explicit RepeatableWait(Request& request);
    ~RepeatableWait();
    RepeatableWait(const RepeatableWait&) = delete;
    RepeatableWait& operator=(const RepeatableWait&) = delete;

   private:
    Request& request_;
  };
  // `request` waits no more, until the server goes on here: then `over` is set.
  // Thread: the reactor.
  class Aside {
   public:
    Aside(Request& request, std::shared_ptr<OneShot<NtStatus>> over);
    ~Aside();
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;

   private:
    Request& request_;
  };

  Server& server() { return server_; }
  Reactor& reactor() { return transport_->reactor(); }
  transport::Transport& transport() const { return *transport_; }
  std::string peer_host() const { return transport_->peer().host(); }
  // Whether the client's address is among those that `hosts` names.
  bool comes_from(const std::vector<config::HostRule>& hosts) const;

  Negotiated negotiated;
  AsyncCommandList async_commands;
  crypto::PreauthHash preauth_integrity_hash;  // Connection.PreauthIntegrityHashValue
  CommandSequenceWindow command_sequence_window;
  // Bytes between head and data of the answers to READ; 0 unless a test wants otherwise.
  std::atomic<uint8_t> read_response_padding = 0;

  // Connection.SessionTable.
  std::shared_ptr<Channel> find_channel(SessionId id) const { return channels_.find(id); }
  bool add_channel(std::shared_ptr<Channel> channel);
  // The key of one of the last sessions that ended here, to sign with that it is gone; or null.
  std::shared_ptr<const crypto::SigningKey> key_of_ended_session(SessionId id) const {
    return channels_.key_of_ended(id);
  }
  void remove_channel(const Channel& channel);
  // The session of `channel` is over: lets go of it, and ends its requests that wait. Thread: any.
  void session_ended(std::shared_ptr<Channel> channel);
  // Ends whatever of a lost connection still waits. Thread: any.
  void abandon();
  // Room for an answer of `size`, waiting for it behind those that wait already: none when none of
  // them got any for kMemoryWait. So however slow a client or this machine is, one that reads is
  // not refused. REQUIRES: on the reactor.
  Task<std::optional<MemoryCharge>> take_memory(size_t size);

  // Lets larger frames in, once a user is known.
  void session_became_valid(const Session& session);
  // Whether a user ever was. Thread: any.
  bool has_known_user() const { return any_session_valid_; }

  // Connection.PreauthSessionTable and the unfinished authentications.
  // Shared with an answer that is not sent yet, whose bytes go into the exchange's hash.
  std::unordered_map<SessionId, std::shared_ptr<SessionSetupExchange>> session_setups;
  // Those whose leg is being judged, or waits for that, are not in the table meanwhile.
  size_t session_setups_under_way = 0;

  // [MS-SMB2] 3.3.5.16 "Receiving an SMB2 CANCEL Request".
  void cancel(const wire::Header& header);
  // Whether the connection is lost. Its requests may run on. Thread: any.
  bool is_ending() const { return ending_; }
  // The same, or it will be, as soon as what came before is read. Thread: any.
  bool is_lost() const { return ending_ || transport_->is_peer_gone(); }
  // Set when its sessions know that it is lost.
  const std::shared_ptr<OneShot<bool>> loss = std::make_shared<OneShot<bool>>();

  SlowRequests slow_requests;
  // Its requests that wait for a turn on the worker pool, and its logons.
  WorkerPool::Group waiting_requests;
  WorkerPool::Group waiting_logons;

  // Sends a message that answers nothing, unsigned. Thread: any.
  void send_unsolicited(Bytes message);
  // Sends the notification of a break, encrypted if it is of a session that is; a lease belongs to
  // none. Thread: any.
  DeliveryOutcome send_break(Bytes message, const Session* session,
                             const filestate::Break& notification);

  // One frame of them, as FrameCodec::encode() makes it. Returns where it ends, as
  // Transport::send(). Thread: any.
  uint64_t send_messages(std::vector<OutMessage> messages, const Session* encrypt_for);

 private:
  Task<void> await_acknowledgement(uint64_t end, DeliveryOutcome outcome,
                                   filestate::Break notification);
  // Counts the frame for as long as it waits to be sent, and gives it to the transport.
  uint64_t send_counted(transport::OutFrame frame);
  // Whether `frame` is a NEGOTIATE that follows an SMB1 one, of a client that another worker has.
  bool belongs_elsewhere(ByteView frame) const;
  // False: the connection must end.
  bool process_frame(CountedBuffer frame);
  // The same for one that takes long to decrypt or to verify, or that may be compressed.
  Task<bool> process_long_frame(CountedBuffer frame);
  // Whether messages come compressed here: none before a user is known.
  bool may_be_compressed() const { return negotiated.compression.is_on() && any_session_valid_; }
  // In room that is taken for it, on the pool if it is long. False: the connection must end.
  Task<bool> decompress(ReceivedFrame& received);
  void count_frame(size_t size);
  // [MS-SMB2] 3.3.5.2.2 and 3.3.5.2.3: whether the connection is in a state for these requests, and
  // takes their ids from the window. False: the connection must end.
  bool admit(RequestFrame& frame);
  bool serve(RequestFrame frame);
  bool is_at_rest() const;
  std::optional<RequestFrame> frame_of(const WaitingRequest& request);
  // Stops the waits of those that can be asked again.
  void set_waits_aside();
  // Its client is to send more before it can rest.
  bool is_logging_on() const;
  Task<void> close();
  // Ends every wait that is over, and requests whose turn has not come and that nobody wants now.
  void end_waits();

  Server& server_;
  transport::TransportPtr transport_;
  FdBudget::Place place_;  // until the transport is closed
  ChannelTable channels_;
  const FrameCodec codec_{channels_};
  std::shared_ptr<ReactorLane> lane_;  // of the user who was the last to log on here; or null
  UnackedBreaks unacked_breaks_;
  std::deque<std::shared_ptr<OneShot<bool>>> waits_for_memory_;  // the first looks for it
  std::chrono::steady_clock::time_point got_memory_at_{};        // the latest answer
  std::atomic<bool> any_session_valid_ = false;
  bool cancelled_something_ = false;  // by the frame at hand
  std::atomic<bool> ending_ = false;
  bool is_receiving_ = false;  // and nothing of what was received is still to become requests
  std::atomic<bool> is_resting_ = false;
  std::vector<Request*> repeatable_waits_;
  std::vector<std::pair<Request*, std::shared_ptr<OneShot<NtStatus>>>> aside_;
  std::vector<RequestFrame> again_;  // of the process before, until it runs
  TaskScope requests_;

  friend class Compound;
};

}  // namespace braid::smb2
