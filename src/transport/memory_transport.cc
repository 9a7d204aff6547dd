#include "transport/memory_transport.h"

#include <atomic>
#include <deque>
#include <vector>

#include "base/guarded.h"
#include "transport/acknowledgement_watch.h"
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
  // Waits until no more than that many bytes are unsent: not taken by the receiver.
  struct Sender {
    std::coroutine_handle<> handle;
    uint64_t unsent_max;
    Reactor* reactor;
  };
  struct State {
    std::deque<Frame> frames;
    uint64_t queued = 0;
    uint64_t received = 0;
    bool closed = false;
    std::coroutine_handle<> receiver;
    std::vector<Sender> senders;
    uint64_t unsent() const { return closed ? 0 : queued - received; }
  };

  explicit Pipe(Reactor& reader_reactor) : reader(reader_reactor) {}

  // Takes the waiting receiver out of `held`, to be continued on the reader's reactor.
  void wake(State& held) {
    if (auto handle = std::exchange(held.receiver, nullptr)) {
      reader.post([handle] { handle.resume(); });
    }
  }
  static void wake_senders(State& held) {
    std::erase_if(held.senders, [&](const Sender& sender) {
      if (held.unsent() > sender.unsent_max) return false;
      sender.reactor->post([handle = sender.handle] { handle.resume(); });
      return true;
    });
  }
  void close() {
    auto held = state.lock();
    held->closed = true;
    wake(*held);
    wake_senders(*held);
  }

  Reactor& reader;
  Guarded<State> state;
};

class MemoryTransport final : public Transport,
                              public AcknowledgementWatch::Stream,
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
  // What the other end has not received is unsent: there is no socket to hold it.
  Task<void> writable() override { return sent_but(kUnsentMax); }
  Task<void> drained() override { return sent_but(0); }

  uint64_t bytes_queued() const override { return out_->state.lock()->queued; }
  uint64_t bytes_sent() const override { return bytes_queued(); }
  uint64_t bytes_acknowledged() const override { return out_->state.lock()->received; }
  // Nobody tells this end what the other one has received.
  void watch_acknowledgements(AcknowledgementLook look) override { watch_.set(std::move(look)); }
  bool is_suspect() const override { return watch_.is_suspect(); }
  // AcknowledgementWatch::Stream: nothing gets lost on the way.
  std::chrono::microseconds retransmission_timeout() const override {
    return std::chrono::milliseconds(1);
  }
  std::chrono::microseconds silence() const override { return {}; }

  void close() override {
    if (closed_.exchange(true)) return;
    in_->close();
    out_->close();
  }
  void abort() override { close(); }
  bool is_closed() const override { return closed_ || in_->state.lock()->closed; }
  SocketAddress peer() const override { return {}; }
  SocketAddress local() const override { return {}; }
  Reactor& reactor() const override { return in_->reader; }

 private:
  Task<void> sent_but(uint64_t unsent_max);

  const std::shared_ptr<Pipe> in_;
  const std::shared_ptr<Pipe> out_;
  size_t limit_ = kReceiveLimitInitial;
  std::shared_ptr<MemoryAccount> account_;
  AcknowledgementWatch watch_{in_->reader, *this};
  std::optional<Error> error_;
  std::atomic<bool> closed_ = false;
};

Task<void> MemoryTransport::sent_but(uint64_t unsent_max) {
  struct Awaiter {
    Pipe& pipe;
    Reactor& reactor;
    uint64_t unsent_max;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> handle) const {
      auto state = pipe.state.lock();
      if (state->unsent() <= unsent_max) return false;
      state->senders.push_back({handle, unsent_max, &reactor});
      return true;
    }
    void await_resume() const noexcept {}
  };
  const auto self = shared_from_this();
  co_await Awaiter{*out_, reactor(), unsent_max};
}

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
      Pipe::wake_senders(*state);
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
