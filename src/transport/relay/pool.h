// Pool: the memory of a worker that network cards reach, through the process that has them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/fair_shares.h"
#include "base/guarded.h"
#include "transport/relay/shared_memory.h"

namespace braid::transport::relay {

// Cut in halves: a block is a power of two, kBlockMin to kBlockMax, and its two halves join again.
// What peers hold of it is shared fairly: one alone has two thirds at most, and everybody a little.
// Made by std::make_shared, and as long there as each of its blocks. Thread: any.
class Pool {
 public:
  static constexpr size_t kBlockMin = 2048;             // a packet
  static constexpr size_t kBlockMax = size_t{8} << 20;  // the largest READ or WRITE
  static constexpr size_t kSizeMin = 4 * kBlockMax;

  // REQUIRES: whole blocks of the largest kind.
  explicit Pool(SharedMemory memory);

  // For `who`. Null: there is none, or he has his share. While somebody waits, large ones are his.
  uint8_t* take(size_t size, const std::string& who);
  // The same when there is one: at once, or from the thread that gave one back.
  void when_free(size_t size, const std::string& who,
                 std::move_only_function<void(uint8_t*)> callback);
  void give_back(uint8_t* block, size_t size, const std::string& who);

  // Where it stands; none for memory that is not of this.
  std::optional<uint64_t> offset_of(ByteView memory) const;
  int fd() const { return memory_.fd(); }
  size_t size() const { return memory_.view().size(); }
  size_t taken() const;  // bytes

 private:
  static constexpr size_t kOrders = 13;
  static_assert(kBlockMin << (kOrders - 1) == kBlockMax);
  struct Waiter {
    size_t order;
    std::string who;
    std::move_only_function<void(uint8_t*)> callback;
  };
  struct State {
    explicit State(size_t blocks) : shares(blocks) {}
    std::array<std::set<size_t>, kOrders> free;  // where each begins
    FairShares<std::string> shares;              // in blocks of the least size
    std::deque<Waiter> waiters;
  };
  static size_t order_of(size_t size);
  std::optional<size_t> cut(State& state, size_t order) const;

  const SharedMemory memory_;
  Guarded<State, LockRank::kBuffers> state_;
};

// What one connection takes of it, as Buffers. When the connection is gone the card may still have
// what was posted: what comes back after close() waits until released(). Made by std::make_shared.
// Thread: any.
class PairMemory final : public BufferOwner, public std::enable_shared_from_this<PairMemory> {
 public:
  PairMemory(std::shared_ptr<Pool> pool, std::string who)
      : pool_(std::move(pool)), who_(std::move(who)) {}

  // In memory of the process's own when the pool has none.
  Buffer take(size_t size);
  void when_free(size_t size, std::move_only_function<void(Buffer)> callback);
  std::optional<uint64_t> offset_of(ByteView memory) const { return pool_->offset_of(memory); }
  void close();
  // The card has let go of everything.
  void released();
  void take_back(uint8_t* data, size_t size) noexcept override;

 private:
  enum class Life : uint8_t { kOpen, kClosed, kReleased };
  struct Block {
    uint8_t* data;
    size_t size;
  };
  struct State {
    Life life = Life::kOpen;
    std::vector<Block> kept;  // given back, but perhaps still the card's
    size_t taken = 0;
    std::shared_ptr<PairMemory> self;  // while any is
  };
  Buffer buffer_of(uint8_t* block, size_t size);

  const std::shared_ptr<Pool> pool_;
  const std::string who_;
  Guarded<State, LockRank::kBuffers> state_;
};

}  // namespace braid::transport::relay
