#include "transport/relay/card_end.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/fair_shares.h"
#include "base/log.h"
#include "runtime/asio.h"
#include "transport/relay/messages.h"
#include "transport/relay/outbox.h"
#include "transport/relay/pool.h"

namespace braid::transport::relay {

namespace asio = boost::asio;
using smbdirect::Arrived;
using smbdirect::QueuePair;

namespace {

// Before others have their turn.
constexpr size_t kOrdersAtOnce = 256;
constexpr size_t kCompletionsAtOnce = 32;
// A worker asks for no more than it is configured to have.
constexpr uint64_t kPoolSizeMax = uint64_t{64} << 30;

// All that may be posted completes, and is released, and everybody listens.
constexpr size_t kNoticesMax = 2 * kPairsMax * CardEnd::kReceivesMax;

class RelayedCards final : public CardEnd, public std::enable_shared_from_this<RelayedCards> {
 public:
  RelayedCards(Reactor& reactor, SharedMemory rings, SharedMemory pool, Doorbell card,
               Doorbell worker, std::move_only_function<void()> broken)
      : reactor_(reactor),
        rings_(std::move(rings)),
        pool_(std::move(pool)),
        card_bell_(std::move(card)),
        worker_bell_(std::move(worker)),
        reader_(rings_.view().first(ring_size(kRingCapacity)), kMessageMax),
        outbox_(rings_.view().subspan(ring_size(kRingCapacity)), worker_bell_, kNoticesMax),
        broken_(std::move(broken)),
        waiter_(reactor.context(), card_bell_.hear_fd()) {}
  ~RelayedCards() override {
    close();
    waiter_.release();
  }
  void start() {
    wait();
    work();
  }

  void listening(const SocketAddress& address) override {
    tell({.kind = Notice::Kind::kListening, .local = address});
  }
  void arrived(Arrived arrived) override {
    if (is_closed_ || pairs_.size() >= kPairsMax || !shares_.take(arrived.peer.network())) {
      return log::debug("rdma: {} has its share of connections, dropped", arrived.peer.host());
    }
    auto reached = arrived.pair->reach(pool_.view());
    if (!reached) {
      shares_.give_back(arrived.peer.network());
      return log::error(
          "rdma: the card of {} cannot have {} MiB of memory: {}; raise the limit of locked memory "
          "(LimitMEMLOCK= of the systemd unit, ulimit -l) or lower rdma_memory",
          arrived.local.host(), pool_.view().size() >> 20, reached.error().message());
    }
    reached_.insert(std::move(*reached));
    while (pairs_.contains(next_)) ++next_;
    const uint32_t number = next_++;
    Pair& pair = pairs_[number];
    pair.queue_pair = std::move(arrived.pair);
    pair.accept = std::move(arrived.accept);
    pair.peer = arrived.peer.network();
    tell({.kind = Notice::Kind::kArrived,
          .pair = number,
          .size = static_cast<uint32_t>(pair.queue_pair->requests_max()),
          .local = arrived.local,
          .peer = arrived.peer,
          .heard = std::move(arrived.heard)});
    wait_for_completions(number);
  }
  void close() override {
    if (std::exchange(is_closed_, true)) return;
    boost::system::error_code ignored;
    waiter_.cancel(ignored);
    pairs_.clear();
    reached_.clear();
  }

 private:
  struct Pair {
    std::unique_ptr<QueuePair> queue_pair;
    std::move_only_function<void()> accept;
    std::string peer;
    size_t receives = 0;  // posted and not completed
    size_t requests = 0;
  };

  // No order is read while there is more than the ring has room for, so this is never full.
  void tell(const Notice& notice) { (void)outbox_.put(notice.encode()); }

  void wait() {
    waiter_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](const boost::system::error_code& failed) {
                         const auto self = weak.lock();
                         if (failed || !self || self->is_closed_) return;
                         self->card_bell_.clear();
                         self->work();
                         if (!self->is_closed_) self->wait();
                       });
  }
  // Orders, as far as the worker takes what is said to them.
  void work() {
    for (size_t count = 0; !is_closed_; ++count) {
      if (!outbox_.flush()) return;  // it wakes when it has read
      if (count == kOrdersAtOnce) {
        return reactor_.post([weak = weak_from_this()] {
          if (const auto self = weak.lock()) self->work();
        });
      }
      const auto message = reader_.take();
      if (reader_.must_wake()) worker_bell_.ring();
      if (!message) return give_up();
      if (*message) {
        const auto order = Order::decode(**message);
        if (!order || !carry_out(*order)) return give_up();
        continue;
      }
      const auto sleeps = reader_.sleep();
      if (!sleeps) return give_up();
      if (*sleeps) return;
    }
  }
  void give_up() {
    log::error("rdma: a worker ordered what it may not; its connections end");
    close();
    if (auto broken = std::exchange(broken_, nullptr)) {
      reactor_.post([broken = std::move(broken)]() mutable { broken(); });
    }
  }

  // False: no worker would order that.
  bool carry_out(const Order& order) {
    const auto found = pairs_.find(order.pair);
    if (found == pairs_.end()) return false;
    Pair& pair = found->second;
    switch (order.kind) {
      case Order::Kind::kAccept:
        if (auto accept = std::exchange(pair.accept, nullptr)) accept();
        return true;
      case Order::Kind::kDisconnect:
        pair.queue_pair->disconnect();
        return true;
      case Order::Kind::kRelease:
        shares_.give_back(pair.peer);
        pairs_.erase(found);
        tell({.kind = Notice::Kind::kReleased, .pair = order.pair});
        return true;
      case Order::Kind::kReceive:
      case Order::Kind::kSend:
      case Order::Kind::kRead:
      case Order::Kind::kWrite:
        break;
    }
    const MutableByteView all = pool_.view();
    if (order.at > all.size() || order.size > all.size() - order.at) return false;
    const bool is_receive = order.kind == Order::Kind::kReceive;
    size_t& posted = is_receive ? pair.receives : pair.requests;
    const size_t most = is_receive ? kReceivesMax : pair.queue_pair->requests_max();
    if (posted >= most) return false;
    if (post(*pair.queue_pair, order, all.subspan(order.at, order.size))) {
      ++posted;
      return true;
    }
    // The connection is lost, or this card takes no more: that is its end, too.
    pair.queue_pair->disconnect();
    tell({.kind = is_receive ? Notice::Kind::kReceived : Notice::Kind::kRequested,
          .pair = order.pair,
          .status = QueuePair::Status::kFlushed});
    return true;
  }
  static bool post(QueuePair& pair, const Order& order, MutableByteView memory) {
    switch (order.kind) {
      case Order::Kind::kReceive:
        return pair.post_receive(0, memory).has_value();
      case Order::Kind::kSend:
        return pair.post_send(0, memory, order.invalidate).has_value();
      case Order::Kind::kRead:
        return pair.post_read(0, memory, order.remote).has_value();
      default:
        return pair.post_write(0, memory, order.remote).has_value();
    }
  }

  void wait_for_completions(uint32_t number) {
    pairs_[number].queue_pair->when_completed(
        [weak = weak_from_this(), &reactor = reactor_, number] {
          reactor.post([weak, number] {
            if (const auto self = weak.lock()) self->take_completions(number);
          });
        });
  }
  void take_completions(uint32_t number) {
    const auto found = pairs_.find(number);
    if (found == pairs_.end()) return;
    Pair& pair = found->second;
    std::array<QueuePair::Completion, kCompletionsAtOnce> completions;
    const size_t count = pair.queue_pair->poll(completions);
    for (const QueuePair::Completion& done : std::span(completions).first(count)) {
      const bool is_receive = done.kind == QueuePair::Kind::kReceive;
      --(is_receive ? pair.receives : pair.requests);
      tell({.kind = is_receive ? Notice::Kind::kReceived : Notice::Kind::kRequested,
            .pair = number,
            .status = done.status,
            .size = static_cast<uint32_t>(done.size),
            .invalidated = done.invalidated});
    }
    wait_for_completions(number);
  }

  Reactor& reactor_;
  const SharedMemory rings_;
  const SharedMemory pool_;
  const Doorbell card_bell_;
  const Doorbell worker_bell_;
  RingReader reader_;
  Outbox outbox_;
  std::move_only_function<void()> broken_;
  asio::posix::stream_descriptor waiter_;
  FairShares<std::string> shares_{kPairsMax};
  bool is_closed_ = false;
  uint32_t next_ = 1;
  std::set<std::shared_ptr<void>> reached_;   // of each card: the pool
  std::unordered_map<uint32_t, Pair> pairs_;  // go before the memory that their cards have
};

}  // namespace

Result<std::shared_ptr<CardEnd>> CardEnd::make(Reactor& reactor,
                                               std::array<UniqueFd, kDescriptors> descriptors,
                                               uint64_t pool_size,
                                               std::move_only_function<void()> broken) {
  if (pool_size > kPoolSizeMax) return fail(Error::malformed());
  BRAID_TRY(auto rings, SharedMemory::map(std::move(descriptors[0]), 2 * ring_size(kRingCapacity)));
  BRAID_TRY(auto pool, SharedMemory::map(std::move(descriptors[1]), pool_size));
  auto end = std::make_shared<RelayedCards>(
      reactor, std::move(rings), std::move(pool), Doorbell::to_hear(std::move(descriptors[2])),
      Doorbell::to_ring(std::move(descriptors[3])), std::move(broken));
  end->start();
  return end;
}

}  // namespace braid::transport::relay
