#include "transport/fault_transport.h"

#include <algorithm>
#include <atomic>
#include <deque>

#include "transport/send_queue.h"

namespace braid::transport {

namespace {

using Kind = FaultAction::Kind;

class FaultTransport final : public Transport, public std::enable_shared_from_this<FaultTransport> {
 public:
  FaultTransport(TransportPtr inner, FaultPlan plan)
      : inner_(std::move(inner)), plan_(std::move(plan)), timer_(inner_->reactor()) {}

  Task<Result<CountedBuffer>> receive() override;
  void set_receive_limit(size_t size) override { inner_->set_receive_limit(size); }
  void set_account(std::shared_ptr<MemoryAccount> account) override {
    inner_->set_account(std::move(account));
  }
  uint64_t send(OutFrame frame) override;
  Task<void> writable() override { return inner_->writable(); }
  Task<void> drained() override { return inner_->drained(); }

  uint64_t bytes_queued() const override { return queued_; }
  // What was dropped did leave, as far as the sender can tell, and stays unacknowledged.
  uint64_t bytes_sent() const override { return inner_->bytes_sent() + lost_; }
  uint64_t bytes_acknowledged() const override { return inner_->bytes_acknowledged(); }
  void watch_acknowledgements(AcknowledgementLook look) override {
    inner_->watch_acknowledgements(std::move(look));
  }
  bool is_suspect() const override { return inner_->is_suspect(); }

  void close() override { inner_->close(); }
  bool is_closed() const override { return inner_->is_closed(); }
  bool is_peer_gone() const override { return inner_->is_peer_gone(); }
  RemoteMemory* remote_memory() override { return inner_->remote_memory(); }
  SocketAddress peer() const override { return inner_->peer(); }
  SocketAddress local() const override { return inner_->local(); }
  Reactor& reactor() const override { return inner_->reactor(); }

 private:
  struct Held {
    OutFrame frame;
    std::chrono::nanoseconds delay;
  };
  struct Count {
    uint64_t frames = 0;
    uint64_t bytes = 0;
  };

  FaultAction decide(Direction direction, Count& count, size_t size) {
    const FramePlace place{direction, count.frames, count.bytes, size};
    ++count.frames;
    count.bytes += size;
    return plan_(place);
  }
  void release_next();

  const TransportPtr inner_;
  const FaultPlan plan_;
  Count sent_count_;
  Count received_count_;
  std::deque<Held> held_;  // the first one's delay is running
  Timer timer_;
  std::atomic<uint64_t> queued_ = 0;
  std::atomic<uint64_t> lost_ = 0;
};

Task<Result<CountedBuffer>> FaultTransport::receive() {
  const auto self = shared_from_this();
  for (;;) {
    BRAID_CO_TRY(CountedBuffer message, co_await inner_->receive());
    const FaultAction action = decide(Direction::kReceive, received_count_, message.size());
    switch (action.kind) {
      case Kind::kDrop:
        continue;
      case Kind::kTruncate:
        message.resize_within(std::min(action.keep, message.size()));
        break;
      case Kind::kDelay:
        co_await inner_->reactor().sleep_for(action.delay);
        break;
      case Kind::kClose:
        inner_->close();
        co_return fail(NtStatus::kConnectionDisconnected);
      case Kind::kPass:
        break;
    }
    co_return std::move(message);
  }
}

uint64_t FaultTransport::send(OutFrame frame) {
  const size_t on_wire = SendQueue::size_on_wire(frame);
  const uint64_t position = queued_ += on_wire;
  const FaultAction action = decide(Direction::kSend, sent_count_, frame.size());
  switch (action.kind) {
    case Kind::kDrop:
      lost_ += on_wire;
      return position;
    case Kind::kTruncate: {
      Buffer whole = flatten(frame);
      whole.resize_within(std::min(action.keep, whole.size()));
      lost_ += frame.size() - whole.size();
      frame.head.clear();
      frame.parts.clear();
      frame.parts.push_back(std::move(whole));
      break;
    }
    case Kind::kClose:
      inner_->close();
      return position;
    case Kind::kDelay:
    case Kind::kPass:
      break;
  }
  if (action.kind == Kind::kDelay || !held_.empty()) {
    held_.push_back({std::move(frame), action.delay});
    if (held_.size() == 1) timer_.start(action.delay, [this] { release_next(); });
  } else {
    inner_->send(std::move(frame));
  }
  return position;
}

void FaultTransport::release_next() {
  inner_->send(std::move(held_.front().frame));
  held_.pop_front();
  if (!held_.empty()) timer_.start(held_.front().delay, [this] { release_next(); });
}

}  // namespace

FaultPlan at_frame(Direction direction, uint64_t frame, FaultAction action) {
  return [=](const FramePlace& place) {
    const bool here = place.direction == direction && place.frame == frame;
    return here ? action : FaultAction{};
  };
}

FaultPlan close_at_byte(Direction direction, uint64_t byte) {
  return [=](const FramePlace& place) {
    const bool here = place.direction == direction && place.first_byte + place.size > byte;
    return here ? FaultAction{.kind = Kind::kClose} : FaultAction{};
  };
}

TransportPtr make_fault_transport(TransportPtr inner, FaultPlan plan) {
  return std::make_shared<FaultTransport>(std::move(inner), std::move(plan));
}

}  // namespace braid::transport
