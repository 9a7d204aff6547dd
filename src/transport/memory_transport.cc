#include "transport/memory_transport.h"

#include <atomic>
#include <deque>

#include "base/guarded.h"
#include "transport/limits.h"
#include "transport/send_queue.h"

namespace braid::transport {

namespace {

// One direction. Thread: any.
struct Pipe {
  struct Frame {
    Buffer message;
    uint64_t end;  // position behind it
  };
  struct State {
    std::deque<Frame> frames;
    uint64_t queued = 0;
    uint64_t received = 0;
    bool closed = false;
    std::coroutine_handle<> receiver;
  };

  explicit Pipe(Reactor& reader_reactor) : reader(reader_reactor) {}

  // Takes the waiting receiver out of `held`, to be continued on the reader's reactor.
  void wake(State& held) {
    if (auto handle = std::exchange(held.receiver, nullptr)) {
      reader.post([handle] { handle.resume(); });
    }
  }
  void close() {
    auto held = state.lock();
    held->closed = true;
    wake(*held);
  }

  Reactor& reader;
  Guarded<State> state;
};

class MemoryTransport final : public Transport,
                              public std::enable_shared_from_this<MemoryTransport> {
 public:
  MemoryTransport(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : in_(std::move(in)), out_(std::move(out)) {}
  ~MemoryTransport() override { close(); }

  Task<Result<CountedBuffer>> receive() override;
  void set_receive_limit(size_t size) override { limit_ = size; }
  void set_account(std::shared_ptr<MemoryAccount> account) override {
    account_ = std::move(account);
  }

  uint64_t send(OutFrame frame) override {
    const size_t size = SendQueue::size_on_wire(frame);
    auto state = out_->state.lock();
    const uint64_t position = state->queued += size;
    if (state->closed) return position;
    state->frames.push_back({flatten(frame), position});
    out_->wake(*state);
    return position;
  }
  // There is no socket to be full.
  Task<void> writable() override { co_return; }
  Task<void> drained() override { co_return; }

  uint64_t bytes_queued() const override { return out_->state.lock()->queued; }
  uint64_t bytes_sent() const override { return bytes_queued(); }
  uint64_t unacknowledged() const override {
    auto state = out_->state.lock();
    return state->queued - state->received;
  }
  std::chrono::microseconds retransmission_timeout() const override {
    return std::chrono::milliseconds(1);  // nothing gets lost on the way
  }

  void close() override {
    if (closed_.exchange(true)) return;
    in_->close();
    out_->close();
  }
  bool is_closed() const override { return closed_ || in_->state.lock()->closed; }
  SocketAddress peer() const override { return {}; }
  SocketAddress local() const override { return {}; }
  Reactor& reactor() const override { return in_->reader; }

 private:
  const std::shared_ptr<Pipe> in_;
  const std::shared_ptr<Pipe> out_;
  size_t limit_ = kReceiveLimitInitial;
  std::shared_ptr<MemoryAccount> account_;
  std::optional<Error> error_;
  std::atomic<bool> closed_ = false;
};

Task<Result<CountedBuffer>> MemoryTransport::receive() {
  // Suspends until there is a frame or an end.
  struct Awaiter {
    Pipe& pipe;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> handle) const {
      auto state = pipe.state.lock();
      if (state->closed || !state->frames.empty()) return false;
      state->receiver = handle;
      return true;
    }
    void await_resume() const noexcept {}
  };
  const auto self = shared_from_this();
  if (error_) co_return fail(*error_);
  co_await Awaiter{*in_};

  std::optional<Buffer> message;
  {
    auto state = in_->state.lock();
    if (!closed_ && !state->frames.empty()) {
      message = std::move(state->frames.front().message);
      state->received = state->frames.front().end;
      state->frames.pop_front();
    }
  }
  if (message && message->size() <= limit_) {
    // It is there already, and need not wait to be read.
    MemoryCharge charge;
    if (account_) charge = account_->take(message->size());
    co_return CountedBuffer(std::move(*message), std::move(charge));
  }
  error_ = message ? Error::malformed() : Error(NtStatus::kConnectionDisconnected);
  close();
  co_return fail(*error_);
}

}  // namespace

std::pair<TransportPtr, TransportPtr> make_memory_transports(Reactor& first, Reactor& second) {
  const auto to_first = std::make_shared<Pipe>(first);
  const auto to_second = std::make_shared<Pipe>(second);
  return {std::make_shared<MemoryTransport>(to_first, to_second),
          std::make_shared<MemoryTransport>(to_second, to_first)};
}

}  // namespace braid::transport
