#include "transport/relay/worker_end.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "transport/relay/messages.h"
#include "transport/relay/outbox.h"

namespace braid::transport::relay {
namespace {

using smbdirect::QueuePair;

// What the other process says of a card is taken within these.
constexpr size_t kRequestsMin = 16;
constexpr size_t kRequestsMax = 256;
constexpr size_t kReceivesMax = 512;
// Orders that the other process has not read: all that may be posted, and a few besides. One that
// says that all is done, and reads none, is left with its ring.
constexpr size_t kOrdersMax = kPairsMax * (kReceivesMax + kRequestsMax + 4);

// One queue pair, between its driver and the other process. Thread: any.
struct PairState {
  struct Posted {
    uint64_t id;
    QueuePair::Kind kind;
    size_t size;
  };
  struct State {
    std::deque<Posted> receives;
    std::deque<Posted> requests;
    std::deque<QueuePair::Completion> done;
    std::move_only_function<void()> callback;
    bool is_lost = false;  // takes nothing more
    bool is_accepted = false;
  };
  PairState(uint32_t its_number, std::shared_ptr<PairMemory> its_memory, size_t its_requests)
      : number(its_number), memory(std::move(its_memory)), requests_max(its_requests) {}

  // False: nothing was posted that could complete so.
  bool complete(bool is_receive, const Notice& notice) {
    std::move_only_function<void()> callback;
    {
      auto locked = state.lock();
      auto& posted = is_receive ? locked->receives : locked->requests;
      if (posted.empty()) return false;
      const Posted oldest = posted.front();
      if (is_receive && notice.size > oldest.size) return false;
      posted.pop_front();
      locked->done.push_back({.id = oldest.id,
                              .kind = oldest.kind,
                              .status = notice.status,
                              .size = is_receive ? notice.size : 0,
                              .invalidated = is_receive ? notice.invalidated : std::nullopt});
      if (notice.status != QueuePair::Status::kDone) locked->is_lost = true;
      callback = std::exchange(locked->callback, nullptr);
    }
    if (callback) callback();
    return true;
  }
  // Nobody will complete what was posted.
  void flush() {
    std::move_only_function<void()> callback;
    {
      auto locked = state.lock();
      locked->is_lost = true;
      for (auto* posted : {&locked->requests, &locked->receives}) {
        for (const Posted& each : std::exchange(*posted, {})) {
          locked->done.push_back(
              {.id = each.id, .kind = each.kind, .status = QueuePair::Status::kFlushed});
        }
      }
      if (!locked->done.empty()) callback = std::exchange(locked->callback, nullptr);
    }
    if (callback) callback();
  }

  const uint32_t number;
  const std::shared_ptr<PairMemory> memory;
  const size_t requests_max;
  Guarded<State> state;
};

bool is_of_a_network(const SocketAddress& address) {
  return address.size() != 0 &&
         (address.data()->sa_family == AF_INET || address.data()->sa_family == AF_INET6);
}

}  // namespace

struct WorkerEnd::Core {
  Core(SharedMemory its_rings, std::shared_ptr<Pool> its_pool, Doorbell card, Doorbell worker)
      : rings(std::move(its_rings)),
        pool(std::move(its_pool)),
        card_bell(std::move(card)),
        worker_bell(std::move(worker)),
        outbox(rings.view().first(ring_size(kRingCapacity)), card_bell, kOrdersMax),
        reader(rings.view().subspan(ring_size(kRingCapacity)), kMessageMax) {}

  const SharedMemory rings;
  const std::shared_ptr<Pool> pool;
  const Doorbell card_bell;
  const Doorbell worker_bell;
  Outbox outbox;
  RingReader reader;  // Thread: the end's own
  std::atomic<bool> is_lost = false;
  Guarded<std::unordered_map<uint32_t, std::shared_ptr<PairState>>> pairs;
};

// What the driver has, and owns.
class WorkerEnd::Pair final : public QueuePair {
 public:
  Pair(std::shared_ptr<Core> core, std::shared_ptr<PairState> pair)
      : core_(std::move(core)), pair_(std::move(pair)) {}
  ~Pair() override {
    {
      auto state = pair_->state.lock();
      state->is_lost = true;
      state->callback = nullptr;
    }
    // The card has what was posted until the other process says otherwise.
    pair_->memory->close();
    order({.kind = Order::Kind::kRelease});
  }

  Buffer memory(size_t size) override { return pair_->memory->take(size); }
  bool reaches(ByteView memory) const override {
    return pair_->memory->offset_of(memory).has_value();
  }
  void when_memory(size_t size, std::move_only_function<void(Buffer)> callback) override {
    pair_->memory->when_free(size, std::move(callback));
  }

  Result<void> post_receive(uint64_t id, MutableByteView to) override {
    BRAID_CHECK(post(Kind::kReceive, id, to, {.kind = Order::Kind::kReceive}));
    if (!std::exchange(pair_->state.lock()->is_accepted, true)) {
      order({.kind = Order::Kind::kAccept});
    }
    return {};
  }
  Result<void> post_send(uint64_t id, ByteView from, std::optional<uint32_t> invalidate) override {
    return post(Kind::kSend, id, from, {.kind = Order::Kind::kSend, .invalidate = invalidate});
  }
  Result<void> post_read(uint64_t id, MutableByteView to, const Remote& remote) override {
    return post(Kind::kRead, id, to, {.kind = Order::Kind::kRead, .remote = remote});
  }
  Result<void> post_write(uint64_t id, ByteView from, const Remote& remote) override {
    return post(Kind::kWrite, id, from, {.kind = Order::Kind::kWrite, .remote = remote});
  }

  size_t poll(std::span<Completion> into) override {
    auto state = pair_->state.lock();
    const size_t count = std::min(into.size(), state->done.size());
    const auto end = state->done.begin() + static_cast<std::ptrdiff_t>(count);
    std::copy(state->done.begin(), end, into.begin());
    state->done.erase(state->done.begin(), end);
    return count;
  }
  void when_completed(std::move_only_function<void()> callback) override {
    {
      auto state = pair_->state.lock();
      if (state->done.empty()) {
        state->callback = std::move(callback);
        return;
      }
    }
    callback();
  }

  // A server lends nothing.
  Result<Remote> register_memory(MutableByteView, uint8_t) override { return fail_os(ENOTSUP); }
  void unregister(uint32_t) override {}

  void disconnect() override {
    pair_->state.lock()->is_lost = true;
    order({.kind = Order::Kind::kDisconnect});
    // What was posted before that and after the last look at it.
    if (core_->is_lost) pair_->flush();
  }
  size_t receives_max() const override { return kReceivesMax; }
  size_t requests_max() const override { return pair_->requests_max; }

 private:
  void order(Order order) {
    order.pair = pair_->number;
    // Its thread finds that it is full.
    if (!core_->is_lost && !core_->outbox.put(order.encode())) core_->worker_bell.ring();
  }
  Result<void> post(Kind kind, uint64_t id, ByteView memory, Order what) {
    const auto at = memory.empty() ? 0 : pair_->memory->offset_of(memory);
    if (!at) return fail_os(EFAULT);
    {
      auto state = pair_->state.lock();
      if (state->is_lost) return fail_os(ENOTCONN);
      auto& posted = kind == Kind::kReceive ? state->receives : state->requests;
      if (posted.size() >= (kind == Kind::kReceive ? kReceivesMax : pair_->requests_max)) {
        return fail_os(ENOMEM);
      }
      posted.push_back({id, kind, memory.size()});
    }
    what.at = *at;
    what.size = static_cast<uint32_t>(memory.size());
    order(what);
    return {};
  }

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<PairState> pair_;
};

WorkerEnd::WorkerEnd(std::shared_ptr<Core> core, Handlers handlers)
    : core_(std::move(core)), handlers_(std::move(handlers)) {}

Result<std::unique_ptr<WorkerEnd>> WorkerEnd::make(size_t pool_size, Handlers handlers) {
  BRAID_TRY(auto rings, SharedMemory::make(2 * ring_size(kRingCapacity)));
  BRAID_TRY(auto memory, SharedMemory::make(pool_size));
  BRAID_TRY(auto card, Doorbell::make());
  BRAID_TRY(auto worker, Doorbell::make());
  auto core = std::make_shared<Core>(std::move(rings), std::make_shared<Pool>(std::move(memory)),
                                     std::move(card), std::move(worker));
  return std::unique_ptr<WorkerEnd>(new WorkerEnd(std::move(core), std::move(handlers)));
}

WorkerEnd::~WorkerEnd() {
  stops_ = true;
  core_->worker_bell.ring();
}

std::array<int, WorkerEnd::kDescriptors> WorkerEnd::descriptors() const {
  return {core_->rings.fd(), core_->pool->fd(), core_->card_bell.hear_fd(),
          core_->worker_bell.ring_fd()};
}

const Pool& WorkerEnd::pool() const { return *core_->pool; }

Result<void> WorkerEnd::start(UniqueFd life) {
  life_ = std::move(life);
  try {
    thread_ = std::jthread([this] { run(life_.get()); });
  } catch (const std::system_error& error) {
    return fail_os(error.code().value());
  }
  return {};
}

void WorkerEnd::run(int life) {
  bool is_whole = true;
  while (is_whole && !stops_) {
    core_->worker_bell.clear();
    is_whole = take_notices();
    core_->outbox.flush();
    if (core_->outbox.is_full()) is_whole = false;
    const auto sleeps = core_->reader.sleep();
    if (!sleeps) is_whole = false;
    if (!is_whole || !*sleeps) continue;
    pollfd waits[] = {{core_->worker_bell.hear_fd(), POLLIN, 0}, {life, POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0) continue;
    if (waits[1].revents == 0) continue;
    // What it said before it ended is true.
    take_notices();
    break;
  }
  core_->is_lost = true;
  std::vector<std::shared_ptr<PairState>> all;
  {
    auto pairs = core_->pairs.lock();
    for (const auto& [number, pair] : *pairs) all.push_back(pair);
    pairs->clear();
  }
  for (const auto& pair : all) pair->flush();
  if (!stops_) handlers_.lost();
}

bool WorkerEnd::take_notices() {
  while (!stops_) {
    const auto message = core_->reader.take();
    if (core_->reader.must_wake()) core_->card_bell.ring();
    if (!message) return false;
    if (!*message) return true;
    auto notice = Notice::decode(**message);
    if (!notice) return false;
    if (notice->kind == Notice::Kind::kListening) {
      handlers_.listening(notice->local);
      continue;
    }
    std::shared_ptr<PairState> pair;
    {
      auto pairs = core_->pairs.lock();
      const auto found = pairs->find(notice->pair);
      if (found != pairs->end()) pair = found->second;
      if (pair && notice->kind == Notice::Kind::kReleased) pairs->erase(found);
    }
    if (notice->kind == Notice::Kind::kArrived) {
      if (pair || core_->pairs.lock()->size() >= kPairsMax) return false;
      if (!is_of_a_network(notice->peer) || !is_of_a_network(notice->local)) return false;
      pair = std::make_shared<PairState>(
          notice->pair, std::make_shared<PairMemory>(core_->pool, notice->peer.network()),
          std::clamp<size_t>(notice->size, kRequestsMin, kRequestsMax));
      core_->pairs.lock()->emplace(notice->pair, pair);
      handlers_.arrived({.pair = std::make_unique<Pair>(core_, std::move(pair)),
                         .peer = notice->peer,
                         .local = notice->local,
                         .heard = std::move(notice->heard)});
      continue;
    }
    if (!pair) return false;
    if (notice->kind == Notice::Kind::kReleased) {
      pair->flush();
      pair->memory->released();
    } else if (!pair->complete(notice->kind == Notice::Kind::kReceived, *notice)) {
      return false;
    }
  }
  return true;
}

}  // namespace braid::transport::relay
