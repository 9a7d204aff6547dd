#include "transport/smbdirect/smbdirect_transport.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "runtime/one_shot.h"
#include "runtime/take_memory.h"
#include "transport/limits.h"
#include "transport/remote_memory.h"

namespace braid::transport::smbdirect {

namespace {

using Kind = QueuePair::Kind;
using Status = QueuePair::Status;

constexpr size_t kPolledAtOnce = 32;

// Bytes of messages that wait for receive() before the peer is held back: a few of the largest that
// come in fragments, and many small ones.
constexpr size_t kUnreadMax = 256 * 1024;

// Packets posted and not sent yet. So many hide how long a card takes to report one.
constexpr size_t kSendBuffersMax = 64;

// Thread: the reactor's, except for what is marked.
class SmbDirectTransport final : public Transport,
                                 public RemoteMemory,
                                 public std::enable_shared_from_this<SmbDirectTransport> {
 public:
  SmbDirectTransport(Reactor& reactor, std::unique_ptr<QueuePair> pair, Role role,
                     const TransportOptions& options)
      : reactor_(reactor),
        options_(options),
        connection_(role, options.settings, now()),
        timer_(reactor),
        pair_(std::move(pair)) {
    set_receive_limit(kReceiveLimitInitial);
  }
  ~SmbDirectTransport() override { end(Error(NtStatus::kConnectionDisconnected)); }
  void start() {
    replay();
    wait_for_completions();
    pump();
  }

  Task<Result<CountedBuffer>> receive() override;
  void set_receive_limit(size_t size) override {
    receive_limit_ = std::min(size, kFrameSizeMax);
    connection_.set_receive_limit(receive_limit_);
  }
  void set_account(std::shared_ptr<MemoryAccount> account) override {
    account_ = std::move(account);
  }
  uint64_t send(OutFrame frame) override;
  Task<void> writable() override {
    co_await until([](auto& me) { return me.is_writable(); });
  }
  // All that has arrived: what the card still has would be lost with the connection.
  Task<void> drained() override {
    co_await until([](auto& me) { return me.is_drained(); });
  }

  uint64_t bytes_queued() const override { return inbox_.lock()->queued; }
  uint64_t bytes_sent() const override { return sent_; }
  uint64_t bytes_acknowledged() const override { return acknowledged_; }
  void watch_acknowledgements(AcknowledgementLook look) override {
    look_ = std::move(look);
    reactor_.post([self = shared_from_this()] { self->look_at_acknowledgements(); });
  }
  bool is_suspect() const override { return false; }

  void close() override;
  bool is_closed() const override { return closed_ || has_ended_; }
  RemoteMemory* remote_memory() override { return this; }
  SocketAddress peer() const override { return options_.peer; }
  SocketAddress local() const override { return options_.local; }
  Reactor& reactor() const override { return reactor_; }

  // RemoteMemory.
  Task<Result<Buffer>> pull(BufferDescriptors from, size_t size) override;
  Task<Result<void>> push(Buffer data, BufferDescriptors to) override;
  uint32_t max_transfer_size() const override { return connection_.max_read_write_size(); }
  Buffer memory(size_t size) override { return pair_->memory(size); }
  bool reaches(ByteView memory) const override { return pair_->reaches(memory); }
  Result<wire::smbdirect::BufferDescriptorV1> lend(MutableByteView memory, Reach reach) override {
    if (end_error_) return fail(NtStatus::kConnectionDisconnected);
    return pair_->register_memory(
        memory, reach == Reach::kToRead ? QueuePair::PeerMay::kRead : QueuePair::PeerMay::kWrite);
  }
  void take_back(uint32_t token) override { pair_->unregister(token); }

 private:
  struct Inbox {
    std::vector<OutFrame> frames;  // of other threads
    uint64_t queued = 0;
    bool posted = false;
  };
  struct Receive {
    Buffer buffer;
    MemoryCharge charge;
  };
  // A packet whose data waits for memory. It lies in its receive.
  struct Pending {
    uint64_t receive;
    Connection::Fragment fragment;
    std::optional<uint32_t> invalidated;
  };
  struct Sending {
    size_t buffer;
    uint64_t position;
  };
  // A pull or push. Its memory stays until the card has let go of all of it.
  struct Transfer {
    Kind kind;
    Buffer buffer;
    BufferDescriptors pieces;  // of the peer's memory
    size_t posted = 0;         // pieces
    size_t at = 0;             // of the next one, in the buffer
    size_t left = 0;           // pieces that are not done
    bool failed = false;
    OneShot<bool> done = {};
  };
  struct Waiter {
    bool (*is_over)(SmbDirectTransport&);
    std::coroutine_handle<> handle;
  };

  Connection::Instant now() const { return options_.clock->monotonic(); }
  bool is_writable() const { return bytes_queued() - sent_ <= kUnsentMax; }
  bool has_something_for_receive() const {
    return end_error_ || (!closed_ && !(unread_.empty() && pending_.empty()));
  }
  bool is_drained() const { return acknowledged_ == bytes_queued(); }

  // What the peer has said already, to a Lobby.
  void replay();
  void wait_for_completions();
  void process();
  void completed(const QueuePair::Completion& completion);
  // Puts messages together, as far as there is memory, and up to the first that is too long: before
  // somebody wants that one, the limit may be another.
  void assemble();
  // All that can be posted is posted. After each event.
  void pump();
  void post_receives();
  void post_packets();
  void post_pieces();
  void start_timer();
  // The card takes nothing more: once what it has completed has been looked at, this is the end.
  void lost();
  void take_inbox();
  void look_at_acknowledgements();
  void continue_waiters();
  // A receive that holds a packet of the largest size; none without memory for it.
  std::optional<uint64_t> free_receive();
  Task<Result<Buffer>> transfer(Kind kind, Buffer buffer, BufferDescriptors remote);
  // Memory that the card reaches, when there is some.
  Task<Result<Buffer>> reachable(size_t size);
  Task<void> until(bool (*is_over)(SmbDirectTransport&));
  // The one transition: remembers why, drops what is unsent, lets everybody continue.
  void end(Error why);

  Reactor& reactor_;
  const TransportOptions options_;
  Connection connection_;
  Timer timer_;
  std::optional<Connection::Instant> timer_at_;
  std::optional<Connection::Instant> last_call_;  // until then it says why it has ended
  std::shared_ptr<MemoryAccount> account_;

  std::vector<Receive> receives_;
  std::vector<uint64_t> free_receives_;
  std::deque<Pending> pending_;
  size_t receive_limit_ = 0;
  bool is_wanted_ = false;  // the next message, whatever its length
  MemoryCharge granted_;    // for the first of them
  std::deque<Connection::Message> unread_;
  size_t unread_size_ = 0;
  std::coroutine_handle<> receiver_;

  std::vector<Buffer> send_buffers_;
  std::vector<size_t> free_send_buffers_;
  std::deque<Sending> sending_;                          // posted, in order
  std::deque<std::shared_ptr<Transfer>> transfers_;      // not posted to the end yet
  std::deque<std::shared_ptr<Transfer>> posted_pieces_;  // whose each is
  std::vector<Waiter> waiters_;
  using Granted = OneShot<std::shared_ptr<Buffer>>;
  std::vector<std::weak_ptr<Granted>> memory_waits_;
  AcknowledgementLook look_;

  bool is_lost_ = false;
  std::optional<Error> end_error_;
  std::atomic<bool> closed_ = false;  // by its owner: what was received is of no interest
  std::atomic<bool> has_ended_ = false;
  std::atomic<uint64_t> sent_ = 0;
  std::atomic<uint64_t> acknowledged_ = 0;
  mutable Guarded<Inbox> inbox_;  // Thread: any
  // Goes first: the card reaches the memory of all above.
  std::unique_ptr<QueuePair> pair_;
};

void SmbDirectTransport::replay() {
  const auto& heard = options_.heard;
  if (heard.empty()) return;
  connection_.posted(1);
  Bytes sent_by_then(connection_.send_buffer_size());
  for (size_t i = 0; i + 1 < heard.size(); ++i) {
    if (!connection_.received(heard[i], now())) return;
    if (connection_.receives_wanted() > 0) connection_.posted(1);
    (void)connection_.next_packet(sent_by_then, now());
  }
  // The last is one with data. It stands in a receive like any other.
  receives_.push_back({Buffer::copy_of(heard.back()), {}});
  const auto fragment = connection_.received(std::as_const(receives_[0].buffer).view(), now());
  if (fragment && !fragment->is_empty()) {
    pending_.push_back({0, *fragment, {}});
    return assemble();
  }
  free_receives_.push_back(0);
  if (!connection_.ended()) end(Error::malformed());
}

void SmbDirectTransport::wait_for_completions() {
  pair_->when_completed([weak = weak_from_this(), &reactor = reactor_] {
    reactor.post([weak] {
      if (const auto self = weak.lock()) self->process();
    });
  });
}

void SmbDirectTransport::process() {
  std::array<QueuePair::Completion, kPolledAtOnce> completions;
  while (const size_t count = pair_->poll(completions)) {
    for (size_t i = 0; i < count; ++i) completed(completions[i]);
  }
  assemble();
  // Now only: what was received before the connection was lost may be reported after that.
  if (is_lost_) end(Error(NtStatus::kConnectionDisconnected));
  pump();
  look_at_acknowledgements();
  wait_for_completions();
}

void SmbDirectTransport::completed(const QueuePair::Completion& completion) {
  const bool is_done = completion.status == Status::kDone;
  switch (completion.kind) {
    case Kind::kReceive: {
      if (!is_done || end_error_) break;
      const ByteView packet = receives_[completion.id].buffer.view().first(completion.size);
      const auto fragment = connection_.received(packet, now());
      if (!fragment) break;
      pending_.push_back({completion.id, *fragment, completion.invalidated});
      return;
    }
    case Kind::kSend:
      free_send_buffers_.push_back(sending_.front().buffer);
      if (is_done) acknowledged_ = sending_.front().position;
      sending_.pop_front();
      break;
    case Kind::kRead:
    case Kind::kWrite: {
      const auto transfer = std::move(posted_pieces_.front());
      posted_pieces_.pop_front();
      if (!is_done) transfer->failed = true;
      if (--transfer->left == 0) transfer->done.set(!transfer->failed);
      break;
    }
  }
  if (completion.kind == Kind::kReceive) free_receives_.push_back(completion.id);
  if (!is_done && !std::exchange(is_lost_, true)) {
    log::debug("{}: SMB Direct: the card has lost the connection, status {}", options_.peer.host(),
               static_cast<int>(completion.status));
  }
}

void SmbDirectTransport::assemble() {
  if (connection_.ended()) pending_.clear();
  while (!pending_.empty() && !end_error_) {
    const Pending& first = pending_.front();
    const size_t needed = connection_.memory_needed(first.fragment);
    if (needed > receive_limit_ && !(is_wanted_ && unread_.empty())) return;
    MemoryCharge charge;
    if (needed > 0 && account_ && granted_.size() < needed) {
      auto taken = account_->try_take(needed, MemoryUse::kFrame);
      if (!taken) return;  // receive() waits for it
      charge = std::move(*taken);
    } else if (needed > 0) {
      charge = std::move(granted_);
    }
    auto message = connection_.assemble(first.fragment, first.invalidated, std::move(charge));
    free_receives_.push_back(first.receive);
    pending_.pop_front();
    if (!message || !*message) continue;
    unread_size_ += (*message)->data.size();
    unread_.push_back(std::move(**message));
  }
}

std::optional<uint64_t> SmbDirectTransport::free_receive() {
  const size_t size = connection_.receive_size();
  if (free_receives_.empty()) {
    receives_.emplace_back();
    free_receives_.push_back(receives_.size() - 1);
  }
  const uint64_t id = free_receives_.back();
  Receive& receive = receives_[id];
  if (receive.buffer.size() < size || !pair_->reaches(receive.buffer.view())) {
    if (account_) {
      auto charge = account_->try_take(size, MemoryUse::kLasting);
      if (charge) {
        receive.charge = std::move(*charge);
      } else if (connection_.receives_posted() > 0) {
        return std::nullopt;
      } else {
        receive.charge = account_->take(size, MemoryUse::kLasting);  // one there has to be
      }
    }
    receive.buffer = pair_->memory(size);
    if (!pair_->reaches(receive.buffer.view()) && connection_.receives_posted() > 0) {
      receive = {};
      return std::nullopt;
    }
  }
  free_receives_.pop_back();
  return id;
}

void SmbDirectTransport::post_receives() {
  for (uint32_t wanted = connection_.receives_wanted(); wanted > 0; --wanted) {
    const auto id = free_receive();
    if (!id) return;
    const MutableByteView space = receives_[*id].buffer.view().first(connection_.receive_size());
    if (const auto posted = pair_->post_receive(*id, space); !posted) {
      free_receives_.push_back(*id);
      if (!posted.error().is_os(ENOMEM)) lost();
      return;
    }
    connection_.posted(1);
  }
}

void SmbDirectTransport::post_packets() {
  for (;;) {
    post_receives();
    if (free_send_buffers_.empty()) {
      if (send_buffers_.size() == std::min(kSendBuffersMax, pair_->requests_max() / 2)) return;
      Buffer another = pair_->memory(connection_.send_buffer_size());
      if (!pair_->reaches(another.view()) && !send_buffers_.empty()) return;
      send_buffers_.push_back(std::move(another));
      free_send_buffers_.push_back(send_buffers_.size() - 1);
    }
    const size_t buffer = free_send_buffers_.back();
    const auto packet = connection_.next_packet(send_buffers_[buffer].view(), now());
    if (!packet) return;
    // The queue has room for it, so this fails only when the connection is lost.
    const ByteView bytes = send_buffers_[buffer].view().first(packet->size);
    if (!pair_->post_send(buffer, bytes, packet->invalidate)) return lost();
    free_send_buffers_.pop_back();
    sending_.push_back({buffer, packet->position});
    sent_ = packet->position;
  }
}

void SmbDirectTransport::post_pieces() {
  const size_t most = pair_->requests_max() - std::min(kSendBuffersMax, pair_->requests_max() / 2);
  while (!transfers_.empty() && posted_pieces_.size() < most) {
    Transfer& transfer = *transfers_.front();
    const QueuePair::Remote& remote = transfer.pieces[transfer.posted];
    const MutableByteView local = transfer.buffer.view().subspan(transfer.at, remote.length);
    const auto posted = transfer.kind == Kind::kRead ? pair_->post_read(0, local, remote)
                                                     : pair_->post_write(0, local, remote);
    if (!posted) return lost();
    posted_pieces_.push_back(transfers_.front());
    transfer.at += remote.length;
    if (++transfer.posted == transfer.pieces.size()) transfers_.pop_front();
  }
}

void SmbDirectTransport::pump() {
  if (!end_error_) {
    connection_.hold_back(!pending_.empty() || unread_size_ > kUnreadMax);
    post_packets();
    post_pieces();
    // What it sent last, for instance why it refuses, leaves before.
    if (connection_.ended() && sending_.empty()) end(*connection_.ended());
    start_timer();
  }
  continue_waiters();
}

void SmbDirectTransport::lost() {
  if (std::exchange(is_lost_, true)) return;
  reactor_.post([self = shared_from_this()] { self->process(); });
}

void SmbDirectTransport::start_timer() {
  if (end_error_) return;
  if (connection_.ended() && !last_call_) last_call_ = now() + kKeepaliveAnswerMax;
  const auto deadline = last_call_ ? last_call_ : connection_.deadline();
  // Each message moves it back, and an earlier call does no harm.
  if (timer_at_ && *timer_at_ <= *deadline) return;
  timer_at_ = deadline;
  timer_.start(std::max<std::chrono::nanoseconds>(*deadline - now(), {}),
               [weak = weak_from_this()] {
                 const auto self = weak.lock();
                 if (!self) return;
                 self->timer_at_.reset();
                 self->connection_.expire(self->now());
                 if (self->last_call_ && *self->last_call_ <= self->now()) {
                   self->end(*self->connection_.ended());
                 }
                 self->pump();
               });
}

uint64_t SmbDirectTransport::send(OutFrame frame) {
  const size_t size = frame.size();
  auto inbox = inbox_.lock();
  const uint64_t position = inbox->queued += size;
  if (closed_) return position;
  inbox->frames.push_back(std::move(frame));
  if (!std::exchange(inbox->posted, true)) {
    reactor_.post([self = shared_from_this()] {
      self->take_inbox();
      self->pump();
    });
  }
  return position;
}

void SmbDirectTransport::take_inbox() {
  std::vector<OutFrame> frames;
  {
    auto inbox = inbox_.lock();
    inbox->posted = false;
    frames.swap(inbox->frames);
  }
  for (OutFrame& frame : frames) {
    if (end_error_ || connection_.ended()) return;
    const auto token = frame.invalidate;
    const size_t size = frame.size();
    if (const auto queued = connection_.send(std::move(frame), token); !queued) {
      log::info("{}: SMB Direct: a message of {} bytes, and the client takes {}",
                options_.peer.host(), size, connection_.max_message_size());
      end(queued.error());
    }
  }
}

Task<Result<CountedBuffer>> SmbDirectTransport::receive() {
  struct Awaiter {
    SmbDirectTransport& transport;
    bool await_ready() const { return transport.has_something_for_receive(); }
    void await_suspend(std::coroutine_handle<> handle) const { transport.receiver_ = handle; }
    void await_resume() const noexcept {}
  };
  const auto self = shared_from_this();
  for (;;) {
    if (!unread_.empty() && !closed_) {
      CountedBuffer message = std::move(unread_.front().data);
      unread_.pop_front();
      const bool was_full = unread_size_ > kUnreadMax;
      unread_size_ -= message.size();
      if (was_full && unread_size_ <= kUnreadMax) pump();
      co_return std::move(message);
    }
    if (end_error_) co_return fail(*end_error_);
    co_await Awaiter{*this};
    if (pending_.empty() || !unread_.empty() || end_error_) continue;
    is_wanted_ = true;
    assemble();
    is_wanted_ = false;
    pump();
    if (pending_.empty() || !unread_.empty() || end_error_ || connection_.ended()) continue;
    // What is left waits for memory.
    const size_t needed = connection_.memory_needed(pending_.front().fragment);
    auto charge = co_await take_memory(reactor_, account_, needed, MemoryUse::kFrame,
                                       kMemoryPatience, [this] { return end_error_.has_value(); });
    if (charge) {
      granted_ = std::move(*charge);
      assemble();
      pump();
    } else if (!end_error_) {
      account_->budget().count_refusal();
      end(Error(NtStatus::kInsufficientResources));
    }
  }
}

Task<void> SmbDirectTransport::until(bool (*is_over)(SmbDirectTransport&)) {
  struct Awaiter {
    SmbDirectTransport& transport;
    bool (*is_over)(SmbDirectTransport&);
    bool await_ready() const { return transport.end_error_ || is_over(transport); }
    void await_suspend(std::coroutine_handle<> handle) const {
      transport.waiters_.push_back({is_over, handle});
    }
    void await_resume() const noexcept {}
  };
  const auto self = shared_from_this();
  co_await Awaiter{*this, is_over};
}

// Through post(): the caller may be in the middle of something.
void SmbDirectTransport::continue_waiters() {
  std::erase_if(waiters_, [this](const Waiter& waiter) {
    if (!end_error_ && !waiter.is_over(*this)) return false;
    reactor_.post([handle = waiter.handle] { handle.resume(); });
    return true;
  });
  if (receiver_ && has_something_for_receive()) {
    reactor_.post([handle = std::exchange(receiver_, nullptr)] { handle.resume(); });
  }
}

void SmbDirectTransport::look_at_acknowledgements() {
  if (look_ && !look_(acknowledged_)) look_ = nullptr;
}

void SmbDirectTransport::close() {
  if (closed_.exchange(true)) return;
  const Error why(NtStatus::kConnectionDisconnected);
  if (reactor_.is_current()) return end(why);
  reactor_.post([self = shared_from_this(), why] { self->end(why); });
}

void SmbDirectTransport::end(Error why) {
  if (end_error_) return;
  end_error_ = why;
  has_ended_ = true;
  log::debug("{}: SMB Direct has ended: {}", options_.peer.host(), why.message());
  timer_.cancel();
  // The card completes what it was given, flushed, and lets go of the memory with that.
  pair_->disconnect();
  for (const auto& transfer : std::exchange(transfers_, {})) {
    transfer->failed = true;
    transfer->left -= transfer->pieces.size() - transfer->posted;
    if (transfer->left == 0) transfer->done.set(false);
  }
  for (const auto& weak : std::exchange(memory_waits_, {})) {
    if (const auto granted = weak.lock()) granted->set(nullptr);
  }
  continue_waiters();
}

Task<Result<Buffer>> SmbDirectTransport::reachable(size_t size) {
  Buffer buffer = pair_->memory(size);
  if (size == 0 || pair_->reaches(buffer.view()) || end_error_) co_return std::move(buffer);
  const auto granted = std::make_shared<Granted>();
  std::erase_if(memory_waits_, [](const auto& weak) { return weak.expired(); });
  memory_waits_.push_back(granted);
  Timer timer(reactor_);
  timer.start(kCardMemoryPatience, [granted] { granted->set(nullptr); });
  pair_->when_memory(size, [granted](Buffer memory) {
    granted->set(std::make_shared<Buffer>(std::move(memory)));
  });
  const auto given = co_await granted->wait(reactor_);
  if (!given) {
    co_return fail(end_error_ ? NtStatus::kConnectionDisconnected
                              : NtStatus::kInsufficientResources);
  }
  co_return std::move(*given);
}

Task<Result<Buffer>> SmbDirectTransport::transfer(Kind kind, Buffer buffer,
                                                  BufferDescriptors remote) {
  const auto self = shared_from_this();
  if (buffer.size() > max_transfer_size()) co_return fail(NtStatus::kInvalidParameter);
  BRAID_CO_TRY(auto pieces, part_of(remote, 0, buffer.size()));
  if (end_error_) co_return fail(NtStatus::kConnectionDisconnected);
  if (pieces.empty()) co_return std::move(buffer);
  const auto transfer = std::make_shared<Transfer>(kind, std::move(buffer), std::move(pieces));
  transfer->left = transfer->pieces.size();
  transfers_.push_back(transfer);
  pump();
  if (!co_await transfer->done.wait(reactor_)) co_return fail(NtStatus::kConnectionDisconnected);
  co_return std::move(transfer->buffer);
}

Task<Result<Buffer>> SmbDirectTransport::pull(BufferDescriptors from, size_t size) {
  // Before there is memory for it.
  if (size > max_transfer_size()) co_return fail(NtStatus::kInvalidParameter);
  const auto self = shared_from_this();
  BRAID_CO_TRY(Buffer memory, co_await reachable(size));
  co_return co_await transfer(Kind::kRead, std::move(memory), std::move(from));
}

Task<Result<void>> SmbDirectTransport::push(Buffer data, BufferDescriptors to) {
  if (!pair_->reaches(data.view())) {
    const auto self = shared_from_this();
    BRAID_CO_TRY(Buffer copy, co_await reachable(data.size()));
    std::ranges::copy(std::as_const(data).view(), copy.data());
    data = std::move(copy);
  }
  BRAID_CO_CHECK(co_await transfer(Kind::kWrite, std::move(data), std::move(to)));
  co_return Result<void>();
}

}  // namespace

TransportPtr make_smbdirect_transport(Reactor& reactor, std::unique_ptr<QueuePair> pair, Role role,
                                      TransportOptions options) {
  auto transport = std::make_shared<SmbDirectTransport>(reactor, std::move(pair), role, options);
  transport->start();
  return transport;
}

}  // namespace braid::transport::smbdirect
