// A client that says what a real one would not.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/key_derivation.h"
#include "crypto/sealing.h"
#include "crypto/signing.h"
#include "runtime/reactor_testing.h"
#include "smb2/engine_testing.h"
#include "transport/memory_transport.h"
#include "wire/smb2/close.h"
#include "wire/smb2/create.h"
#include "wire/smb2/negotiate.h"
#include "wire/smb2/session_setup.h"
#include "wire/smb2/transform_header.h"
#include "wire/smb2/tree_connect.h"

namespace braid::smb2 {

struct Answer {
  wire::Header header;
  Bytes message;  // header and body

  NtStatus status() const { return header.status; }
  wire::Reader body() const { return wire::Reader(message, wire::Header::kSize); }
  template <class Body>
  Body as() const {
    wire::Reader reader = body();
    return Body::decode(reader).value();
  }
};

// The other end of a connection. Nothing it sends is checked; what it expects by itself is only the
// log on of the helpers. Thread: the test's; a coroutine on the engine's reactor collects answers.
class RawClient {
 public:
  // A request for which nobody answers within this is a bug of the server.
  static constexpr std::chrono::seconds kPatience{10};

  explicit RawClient(Engine& engine, ClientGuid guid = ClientGuid{{7}}, size_t reactor = 0)
      : RawClient(
            engine,
            transport::make_memory_transports(engine.reactor(reactor), engine.reactor(reactor)),
            guid) {}
  // Over these: the client's end and the server's, on a reactor of the engine's.
  RawClient(Engine& engine, std::pair<transport::TransportPtr, transport::TransportPtr> ends,
            ClientGuid guid = ClientGuid{{7}})
      : engine_(engine),
        reactor_(ends.first->reactor()),
        guid_(guid),
        ours_(std::move(ends.first)),
        theirs_(std::move(ends.second)) {
    // A card's transport is at work already, on its reactor.
    run_on(reactor_, [this] {
      ours_->set_receive_limit(kFrameMax);
      scope_.spawn(collect());
    });
  }
  ~RawClient() { close(); }
  // Puts another transport around the server's end. REQUIRES: nothing has been sent.
  void wrap(const std::function<transport::TransportPtr(transport::TransportPtr)>& wrapper) {
    theirs_ = wrapper(std::move(theirs_));
  }
  // As a peer that is stuck: at most one more frame is received until it reads again.
  void stop_reading() {
    std::lock_guard lock(mutex_);
    reads_ = false;
  }
  void read_again() {
    std::lock_guard lock(mutex_);
    reads_ = true;
    if (auto handle = std::exchange(stopped_, nullptr)) {
      reactor_.post([handle] { handle.resume(); });
    }
  }
  // Ends the connection, and waits for the collecting coroutine.
  void close() {
    if (!ours_) return;
    ours_->close();
    has_closed_ = true;
    read_again();
    theirs_.reset();
    scope_.wait();
  }

  // Any thread: of close(), what the server can tell is done.
  bool has_closed() const { return has_closed_; }

  // For a transport that has to end on its reactor, which runs. The last thing that is done.
  void end_on_reactor() {
    run_on(reactor_, [this] { theirs_.reset(); });
    close();
    run_on(reactor_, [this] { ours_.reset(); });
  }

  // The message with the next MessageId and this client's ids; `change` may spoil the header.
  template <class Body>
  Bytes request(wire::Command command, const Body& body,
                const std::function<void(wire::Header&)>& change = {}) {
    Bytes message;
    wire::Writer writer(message);
    header(command, change).encode(writer);
    body.encode(writer);
    return message;
  }
  wire::Header header(wire::Command command,
                      const std::function<void(wire::Header&)>& change = {}) {
    wire::Header header;
    header.command = command;
    header.credit_charge = 1;
    header.credits = 64;
    header.session_id = session_id;
    header.tree_id = tree_id;
    header.message_id = {next_message_id};
    if (command != wire::Command::kCancel) ++next_message_id;
    if (change) change(header);
    return header;
  }
  // With this client's key, or another.
  void sign(Bytes& message, const crypto::SigningKey& key) const {
    wire::Header::patch_flags(message,
                              wire::Header::flags_of(message) | wire::HeaderFlags::kSigned);
    wire::Reader reader(message);
    const auto header = wire::Header::decode(reader);
    key.sign_in_place(message, {}, wire::Header::kSignatureOffset,
                      {.message_id = header ? header->message_id.value : 0,
                       .is_cancel = header && header->command == wire::Command::kCancel});
  }
  // Joins messages to one compound; all but the first are related, unless told otherwise.
  static Bytes compound(std::vector<Bytes> messages, bool related = true) {
    Bytes frame;
    for (size_t i = 0; i < messages.size(); ++i) {
      Bytes& message = messages[i];
      if (related && i > 0) {
        wire::Header::patch_flags(
            message, wire::Header::flags_of(message) | wire::HeaderFlags::kRelatedOperations);
      }
      if (i + 1 < messages.size()) {
        message.resize((message.size() + 7) / 8 * 8);
        wire::Header::patch_next_command(message, static_cast<uint32_t>(message.size()));
      }
      frame.insert(frame.end(), message.begin(), message.end());
    }
    return frame;
  }

  // The first frame makes the connection.
  void send(Bytes frame) {
    if (!theirs_) {
      ours_->send({.head = std::move(frame)});
      return;
    }
    auto theirs = std::exchange(theirs_, nullptr);
    reactor_.post([&engine = engine_, theirs, frame = std::move(frame)]() mutable {
      engine.server().serve(std::move(theirs), Buffer::copy_of(frame));
    });
  }
  // The next message, whatever it answers; none when the connection is over.
  std::optional<Answer> receive() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [this] { return !answers_.empty() || ended_; });
    if (answers_.empty()) return std::nullopt;
    Answer answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  // The final answer to a message: others are dropped, interim ones too.
  std::optional<Answer> answer_to(uint64_t message_id) {
    while (auto answer = receive()) {
      if (answer->header.message_id.value == message_id && answer->status() != NtStatus::kPending) {
        return answer;
      }
    }
    return std::nullopt;
  }
  std::optional<Answer> exchange(Bytes frame) {
    uint64_t id = 0;
    std::memcpy(&id, frame.data() + wire::Header::kMessageIdOffset, sizeof id);
    send(std::move(frame));
    return answer_to(id);
  }
  NtStatus status_of(Bytes frame) {
    const auto answer = exchange(std::move(frame));
    return answer ? answer->status() : NtStatus::kConnectionDisconnected;
  }
  // True once the server has ended the connection.
  bool is_dropped() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [this] { return ended_; });
  }

  NtStatus negotiate(wire::Dialect dialect = wire::Dialect::kSmb302, uint16_t security_mode = 1) {
    Bytes message = negotiate_request(dialect, security_mode);
    preauth_hash_.extend(message);
    const auto answer = exchange(std::move(message));
    if (!answer) return NtStatus::kConnectionDisconnected;
    preauth_hash_.extend(answer->message);
    return answer->status();
  }
  Bytes negotiate_request(wire::Dialect dialect, uint16_t security_mode = 1) {
    wire::NegotiateRequest body;
    body.client_guid = guid_;
    body.dialects = {dialect};
    body.security_mode = security_mode;
    body.capabilities = wire::Capabilities::kEncryption | wire::Capabilities::kLeasing |
                        wire::Capabilities::kPersistentHandles | wire::Capabilities::kMultiChannel;
    dialect_ = dialect;
    if (dialect == wire::Dialect::kSmb311) {
      body.contexts.emplace();
      body.contexts->preauth_integrity_capabilities = {{wire::HashAlgorithm::kSha512},
                                                       as_bytes("salt")};
      body.contexts->encryption_capabilities = {{static_cast<wire::Cipher>(cipher)}};
      if (signing_algorithm != crypto::SigningAlgorithm::kAesCmac) {
        body.contexts->signing_capabilities = {
            {static_cast<wire::SigningAlgorithm>(signing_algorithm)}};
      }
      body.contexts->rdma_transform_capabilities = rdma_transforms;
      body.contexts->compression_capabilities = compression;
    }
    return request(wire::Command::kNegotiate, body);
  }
  Bytes setup_request(std::string_view token, uint8_t flags = 0,
                      const std::function<void(wire::Header&)>& change = {}) {
    wire::SessionSetupRequest body;
    body.flags = flags;
    body.security_mode = 1;
    body.security_buffer = as_bytes(token);
    return request(wire::Command::kSessionSetup, body, change);
  }
  // Logs on in one leg; keeps the SessionId and the keys.
  NtStatus session_setup(std::string_view token = "user") {
    Bytes message = setup_request(token);
    crypto::PreauthHash hash = preauth_hash_;
    hash.extend(message);
    const auto answer = exchange(std::move(message));
    if (!answer) return NtStatus::kConnectionDisconnected;
    if (answer->status() == NtStatus::kSuccess) {
      session_id = answer->header.session_id;
      make_keys(hash.value());
    }
    return answer->status();
  }
  // SESSION_SETUP that binds this connection to the session of `first`, signed with its key.
  Bytes bind_request(const RawClient& first, std::string_view token) {
    Bytes message =
        setup_request(token, wire::SessionSetupRequest::kFlagBinding,
                      [&first](wire::Header& header) { header.session_id = first.session_id; });
    sign(message, *first.signing_key);
    return message;
  }
  // Binds in one leg; this client then speaks for the session, in the tree of `first`.
  NtStatus bind(const RawClient& first, std::string_view token = "user") {
    Bytes message = bind_request(first, token);
    crypto::PreauthHash hash = preauth_hash_;
    hash.extend(message);
    const auto answer = exchange(std::move(message));
    if (!answer) return NtStatus::kConnectionDisconnected;
    if (answer->status() == NtStatus::kSuccess) make_channel(first, hash.value());
    return answer->status();
  }
  // The key of a channel that was bound with messages of `preauth_hash`.
  void make_channel(const RawClient& first, ByteView preauth_hash) {
    session_id = first.session_id;
    tree_id = first.tree_id;
    make_channel_key(preauth_hash);
  }
  void make_channel_key(ByteView preauth_hash) {
    signing_key = std::make_unique<crypto::SigningKey>(
        signing_algorithm, crypto::derive_signing_key(static_cast<uint16_t>(dialect_),
                                                      TokenAuthenticator::key(), preauth_hash));
  }
  // The frame encrypted for this client's session.
  Bytes encrypted(Bytes frame) {
    wire::TransformHeader transform;
    transform.original_message_size = static_cast<uint32_t>(frame.size());
    transform.nonce = encryption_key->next_nonce();
    transform.flags = wire::TransformHeader::kFlagEncrypted;
    transform.session_id = session_id;
    Bytes out;
    wire::Writer writer(out);
    transform.encode(writer);
    MutableByteView pieces[] = {frame};
    const auto authenticated = ByteView(out).subspan(wire::TransformHeader::kAuthenticatedOffset);
    transform.signature = encryption_key->seal(transform.nonce, authenticated, pieces);
    std::ranges::copy(transform.signature, out.begin() + wire::TransformHeader::kSignatureOffset);
    out.insert(out.end(), frame.begin(), frame.end());
    return out;
  }
  // The message in an encrypted frame that has but one.
  std::optional<Answer> decrypted(Bytes frame) const {
    wire::Reader reader(frame);
    const auto transform = wire::TransformHeader::decode(reader);
    if (!transform) return std::nullopt;
    const ByteView authenticated = ByteView(frame).subspan(
        wire::TransformHeader::kAuthenticatedOffset,
        wire::TransformHeader::kSize - wire::TransformHeader::kAuthenticatedOffset);
    Bytes message(frame.begin() + wire::TransformHeader::kSize, frame.end());
    if (!decryption_key->open(transform->nonce, authenticated, message, transform->signature)) {
      return std::nullopt;
    }
    wire::Reader within(message);
    const auto header = wire::Header::decode(within);
    if (!header) return std::nullopt;
    return Answer{*header, std::move(message)};
  }
  const crypto::PreauthHash& preauth_hash() const { return preauth_hash_; }
  // A request signed with this client's key.
  template <class Body>
  Bytes signed_request(wire::Command command, const Body& body,
                       const std::function<void(wire::Header&)>& change = {}) {
    Bytes message = request(command, body, change);
    sign(message, *signing_key);
    return message;
  }
  static bool is_signed_with(const Answer& answer, const crypto::SigningKey& key) {
    return answer.header.is_signed() &&
           key.verify(answer.message, wire::Header::kSignatureOffset,
                      {.message_id = answer.header.message_id.value, .from_server = true});
  }
  void make_keys(ByteView preauth_hash) {
    const bool is_smb3 = dialect_ >= wire::Dialect::kSmb300;
    const auto key = TokenAuthenticator::key();
    const auto keys = crypto::derive_session_keys(static_cast<uint16_t>(dialect_),
                                                  is_smb3 ? cipher : crypto::Cipher::kNone, key,
                                                  key, preauth_hash);
    signing_key = std::make_unique<crypto::SigningKey>(
        is_smb3 ? signing_algorithm : crypto::SigningAlgorithm::kHmacSha256, keys.signing);
    if (!is_smb3) return;
    encryption_key = std::make_unique<crypto::CipherKey>(cipher, keys.client_to_server);
    decryption_key = std::make_unique<crypto::CipherKey>(cipher, keys.server_to_client);
  }
  Bytes tree_request(std::string_view share = "files") {
    wire::TreeConnectRequest body;
    body.path = "\\\\engine\\" + std::string(share);
    return request(wire::Command::kTreeConnect, body);
  }
  NtStatus tree_connect(std::string_view share = "files") {
    Bytes message = tree_request(share);
    // 3.1.1 takes no other.
    if (dialect_ == wire::Dialect::kSmb311 && signing_key) sign(message, *signing_key);
    const auto answer = exchange(std::move(message));
    if (!answer) return NtStatus::kConnectionDisconnected;
    if (answer->status() == NtStatus::kSuccess) tree_id = answer->header.tree_id;
    return answer->status();
  }
  // Everything up to a tree. False if any of it failed.
  bool log_on(wire::Dialect dialect = wire::Dialect::kSmb302, std::string_view share = "files",
              std::string_view token = "user") {
    return negotiate(dialect) == NtStatus::kSuccess && session_setup(token) == NtStatus::kSuccess &&
           tree_connect(share) == NtStatus::kSuccess;
  }
  static wire::CreateRequest create_body(std::string_view name) {
    wire::CreateRequest body;
    body.desired_access = wire::Access::kFileAllAccess;
    body.share_access = wire::ShareAccess::kAll;
    body.create_disposition = wire::CreateDisposition::kOpenIf;
    body.name = name;
    return body;
  }
  // Opens, making it if needed; the FileId is all zeros if that failed.
  FileId create(const wire::CreateRequest& body) {
    const auto answer = exchange(request(wire::Command::kCreate, body));
    if (!answer || answer->status() != NtStatus::kSuccess) return {};
    return answer->as<wire::CreateResponse>().file_id;
  }
  FileId create(std::string_view name) { return create(create_body(name)); }
  NtStatus close_file(FileId id) {
    return status_of(request(wire::Command::kClose, wire::CloseRequest{.file_id = id}));
  }

  std::optional<wire::CompressionCapabilities> compression;  // offered with 3.1.1
  // Of 3.1.1, and what 3.0 has; before log on.
  crypto::Cipher cipher = crypto::Cipher::kAes128Ccm;
  crypto::SigningAlgorithm signing_algorithm = crypto::SigningAlgorithm::kAesCmac;
  std::optional<wire::RdmaTransformCapabilities> rdma_transforms;
  SessionId session_id;
  TreeId tree_id;
  uint64_t next_message_id = 0;
  std::shared_ptr<crypto::SigningKey> signing_key;
  std::unique_ptr<crypto::CipherKey> encryption_key;  // client to server
  std::unique_ptr<crypto::CipherKey> decryption_key;

 private:
  Task<void> collect() {
    struct Reads {
      RawClient& client;
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> handle) const {
        std::lock_guard lock(client.mutex_);
        if (client.reads_) return false;
        client.stopped_ = handle;
        return true;
      }
      void await_resume() const noexcept {}
    };
    for (;;) {
      co_await Reads{*this};
      Result<Buffer> frame = co_await ours_->receive();
      std::lock_guard lock(mutex_);
      if (!frame) {
        ended_ = true;
        changed_.notify_all();
        co_return;
      }
      split(frame->view());
      changed_.notify_all();
    }
  }
  // Frames that are no plain SMB2 are kept as they are, with an empty header.
  void split(ByteView frame) {
    for (;;) {
      wire::Reader reader(frame);
      const auto header = wire::Header::decode(reader);
      if (!header) {
        answers_.push_back({{}, Bytes(frame.begin(), frame.end())});
        return;
      }
      const size_t size = header->next_command == 0
                              ? frame.size()
                              : std::min<size_t>(header->next_command, frame.size());
      answers_.push_back({*header, Bytes(frame.begin(), frame.begin() + static_cast<long>(size))});
      if (header->next_command == 0) return;
      frame = frame.subspan(size);
    }
  }

  Engine& engine_;
  Reactor& reactor_;
  const ClientGuid guid_;
  wire::Dialect dialect_ = wire::Dialect::kNone;
  crypto::PreauthHash preauth_hash_;
  transport::TransportPtr ours_;
  transport::TransportPtr theirs_;  // until the first frame
  std::atomic<bool> has_closed_ = false;
  TaskScope scope_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Answer> answers_;
  bool ended_ = false;
  bool reads_ = true;
  std::coroutine_handle<> stopped_;
};

}  // namespace braid::smb2
