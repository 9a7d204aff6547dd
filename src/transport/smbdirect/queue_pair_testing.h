// Two connected queue pairs in memory, without a network card.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "transport/smbdirect/queue_pair.h"

namespace braid::transport::smbdirect {

struct TestLink {
  // Which completions are polled first, and how many at once.
  uint64_t seed = 1;
  // Whether a send without a receive waits for one, or fails.
  bool waits_for_receives = true;
  size_t receives_max = 512;
  size_t requests_max = 512;
  // The link breaks instead of so many-th request of both ends; 0: never.
  uint64_t breaks_at = 0;
  // Whether what is posted has to stand in memory(), as for a card.
  bool own_memory_only = true;
};

// Memory as a card's: known while a Buffer stands in it, which may be longer than the card is.
// Thread: any.
class TestCardMemory final : public BufferOwner,
                             public std::enable_shared_from_this<TestCardMemory> {
 public:
  Buffer take(size_t size) {
    std::lock_guard lock(mutex_);
    auto* data = static_cast<uint8_t*>(::operator new(size));
    blocks_[data] = size;
    self_ = shared_from_this();
    return Buffer(data, size, *this);
  }
  bool has(ByteView memory) const {
    std::lock_guard lock(mutex_);
    auto block = blocks_.upper_bound(memory.data());
    if (block == blocks_.begin()) return false;
    --block;
    return memory.data() + memory.size() <= block->first + block->second;
  }
  void take_back(uint8_t* data, size_t) noexcept override {
    std::shared_ptr<TestCardMemory> last;
    std::lock_guard lock(mutex_);
    blocks_.erase(data);
    ::operator delete(data);
    if (blocks_.empty()) last = std::move(self_);
  }

 private:
  mutable std::mutex mutex_;
  std::map<const uint8_t*, size_t> blocks_;
  std::shared_ptr<TestCardMemory> self_;  // while there is a Buffer
};

// What a card does is done at once, what it reports is polled in any order that verbs allow: sends,
// reads and writes in order, receives in order, but these two not with each other, and some at a
// time. Keys, bounds and access are checked as cards do; an address is no pointer here. An end that
// goes takes the connection along. Thread: any, each end by one at a time.
class TestQueuePair final : public QueuePair {
 public:
  static std::pair<std::unique_ptr<TestQueuePair>, std::unique_ptr<TestQueuePair>> make(
      TestLink link = {}) {
    const auto fabric = std::make_shared<Fabric>(link);
    return {std::unique_ptr<TestQueuePair>(new TestQueuePair(fabric, 0)),
            std::unique_ptr<TestQueuePair>(new TestQueuePair(fabric, 1))};
  }
  ~TestQueuePair() override {
    disconnect();
    std::lock_guard lock(fabric_->mutex);
    own().callback = nullptr;
  }

  Buffer memory(size_t size) override { return memory_->take(size); }
  bool reaches(ByteView memory) const override {
    return !fabric_->link.own_memory_only || memory.empty() || memory_->has(memory);
  }

  Result<std::shared_ptr<void>> reach(MutableByteView) override {
    if (fabric_->link.own_memory_only) return fail_os(ENOMEM);
    return fabric_;
  }

  Result<void> post_receive(uint64_t id, MutableByteView to) override {
    if (!reaches(to)) return fail_os(EFAULT);
    return change([&]() -> Result<void> {
      if (!fabric_->is_connected) return fail_os(ENOTCONN);
      if (own().receives.size() + own().received.size() >= fabric_->link.receives_max) {
        return fail_os(ENOMEM);
      }
      own().receives.push_back({id, to});
      work(1 - index_);
      return {};
    });
  }
  Result<void> post_send(uint64_t id, ByteView from, std::optional<uint32_t> invalidate) override {
    return post({.id = id, .kind = Kind::kSend, .from = from, .invalidate = invalidate});
  }
  Result<void> post_read(uint64_t id, MutableByteView to, const Remote& remote) override {
    return post({.id = id, .kind = Kind::kRead, .to = to, .remote = remote});
  }
  Result<void> post_write(uint64_t id, ByteView from, const Remote& remote) override {
    return post({.id = id, .kind = Kind::kWrite, .from = from, .remote = remote});
  }

  size_t poll(std::span<Completion> into) override {
    std::lock_guard lock(fabric_->mutex);
    Side& side = own();
    const size_t all = side.requested.size() + side.received.size();
    size_t some = std::min(all, into.size());
    if (some > 1) some = 1 + fabric_->random() % some;
    for (Completion& completion : into.first(some)) {
      auto& from = side.received.empty() || (!side.requested.empty() && fabric_->random() % 2 == 0)
                       ? side.requested
                       : side.received;
      completion = from.front();
      from.pop_front();
    }
    return some;
  }
  void when_completed(std::move_only_function<void()> callback) override {
    change([&]() -> Result<void> {
      own().callback = std::move(callback);
      return {};
    });
  }

  Result<Remote> register_memory(MutableByteView memory, uint8_t access) override {
    std::lock_guard lock(fabric_->mutex);
    const uint32_t token = static_cast<uint32_t>(fabric_->random());
    const uint64_t address = fabric_->random() >> 1;
    own().regions[token] = {memory, access, address};
    return Remote{
        .offset = address, .token = token, .length = static_cast<uint32_t>(memory.size())};
  }
  void unregister(uint32_t token) override {
    std::lock_guard lock(fabric_->mutex);
    own().regions.erase(token);
  }
  void disconnect() override {
    change([&]() -> Result<void> {
      break_link();
      return {};
    });
  }
  size_t receives_max() const override { return fabric_->link.receives_max; }
  size_t requests_max() const override { return fabric_->link.requests_max; }

  // For tests. The peer's keys that are valid now.
  size_t regions() const {
    std::lock_guard lock(fabric_->mutex);
    return own().regions.size();
  }

 private:
  struct Receive {
    uint64_t id;
    MutableByteView to;
  };
  struct Request {
    uint64_t id;
    Kind kind;
    ByteView from = {};
    MutableByteView to = {};
    Remote remote = {};
    std::optional<uint32_t> invalidate = {};
  };
  struct Region {
    MutableByteView memory;
    uint8_t access;
    uint64_t address;
  };
  struct Side {
    std::deque<Receive> receives;
    std::deque<Request> requests;  // those that wait, for a receive of the peer
    std::deque<Completion> received;
    std::deque<Completion> requested;
    std::unordered_map<uint32_t, Region> regions;
    std::move_only_function<void()> callback;
  };
  struct Fabric {
    explicit Fabric(const TestLink& of) : link(of), random(of.seed) {}
    const TestLink link;
    std::mutex mutex;
    std::mt19937_64 random;
    bool is_connected = true;
    uint64_t requests = 0;
    std::array<Side, 2> sides;
  };

  TestQueuePair(std::shared_ptr<Fabric> fabric, size_t index)
      : fabric_(std::move(fabric)), index_(index) {}

  Side& own() const { return fabric_->sides[index_]; }

  // With the lock; then tells whoever waits for what that has completed, without it.
  template <class Change>
  Result<void> change(Change&& work) {
    std::vector<std::move_only_function<void()>> callbacks;
    Result<void> result;
    {
      std::lock_guard lock(fabric_->mutex);
      result = work();
      for (Side& side : fabric_->sides) {
        if (side.callback && !(side.received.empty() && side.requested.empty())) {
          callbacks.push_back(std::exchange(side.callback, nullptr));
        }
      }
    }
    for (auto& callback : callbacks) callback();
    return result;
  }

  Result<void> post(Request request) {
    if (!reaches(request.from) || !reaches(request.to)) return fail_os(EFAULT);
    return change([&]() -> Result<void> {
      if (!fabric_->is_connected) return fail_os(ENOTCONN);
      if (own().requests.size() + own().requested.size() >= fabric_->link.requests_max) {
        return fail_os(ENOMEM);
      }
      own().requests.push_back(request);
      work(index_);
      return {};
    });
  }

  // The requests of one side, as far as they go.
  void work(size_t index) {
    Side& side = fabric_->sides[index];
    Side& peer = fabric_->sides[1 - index];
    while (fabric_->is_connected && !side.requests.empty()) {
      const Request request = side.requests.front();
      const bool waits = request.kind == Kind::kSend && peer.receives.empty();
      if (waits && fabric_->link.waits_for_receives) return;
      Status status = waits ? Status::kReceiverNotReady : Status::kDone;
      if (++fabric_->requests == fabric_->link.breaks_at) status = Status::kFlushed;
      if (status == Status::kDone) status = carry_out(request, peer);
      side.requests.pop_front();
      side.requested.push_back({.id = request.id, .kind = request.kind, .status = status});
      if (status != Status::kDone) break_link();
    }
  }

  static Status carry_out(const Request& request, Side& peer) {
    if (request.kind != Kind::kSend) {
      const bool is_read = request.kind == Kind::kRead;
      const size_t size = is_read ? request.to.size() : request.from.size();
      const auto region = peer.regions.find(request.remote.token);
      if (region == peer.regions.end() || size != request.remote.length) {
        return Status::kRemoteRefused;
      }
      const auto& [memory, access, address] = region->second;
      const uint64_t at = request.remote.offset - address;  // wraps below it, and is too large
      if ((access & (is_read ? PeerMay::kRead : PeerMay::kWrite)) == 0 || at > memory.size() ||
          size > memory.size() - at) {
        return Status::kRemoteRefused;
      }
      if (is_read) {
        std::memcpy(request.to.data(), memory.data() + at, size);
      } else {
        std::memcpy(memory.data() + at, request.from.data(), size);
      }
      return Status::kDone;
    }
    const Receive receive = peer.receives.front();
    Completion completion{.id = receive.id, .kind = Kind::kReceive, .status = Status::kDone};
    peer.receives.pop_front();
    Status status = Status::kDone;
    if (request.from.size() > receive.to.size()) {
      completion.status = Status::kLengthError;
      status = Status::kRemoteRefused;
    } else if (request.invalidate && peer.regions.erase(*request.invalidate) == 0) {
      completion.status = Status::kFlushed;
      status = Status::kRemoteRefused;
    } else {
      if (!request.from.empty()) {
        std::memcpy(receive.to.data(), request.from.data(), request.from.size());
      }
      completion.size = request.from.size();
      completion.invalidated = request.invalidate;
    }
    peer.received.push_back(completion);
    return status;
  }

  void break_link() {
    fabric_->is_connected = false;
    for (Side& side : fabric_->sides) {
      for (const Request& request : std::exchange(side.requests, {})) {
        side.requested.push_back(
            {.id = request.id, .kind = request.kind, .status = Status::kFlushed});
      }
      for (const Receive& receive : std::exchange(side.receives, {})) {
        side.received.push_back(
            {.id = receive.id, .kind = Kind::kReceive, .status = Status::kFlushed});
      }
      side.regions.clear();
    }
  }

  const std::shared_ptr<Fabric> fabric_;
  const size_t index_;
  const std::shared_ptr<TestCardMemory> memory_ = std::make_shared<TestCardMemory>();
};

}  // namespace braid::transport::smbdirect
