#include "transport/relay/pool.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace braid::transport::relay {
namespace {

// What waits only for others that are not larger: packets, above all.
constexpr size_t kSmall = 64 * 1024;

}  // namespace

Pool::Pool(SharedMemory memory)
    : memory_(std::move(memory)), state_(memory_.view().size() / kBlockMin) {
  auto state = state_.lock();
  for (size_t at = 0; at + kBlockMax <= memory_.view().size(); at += kBlockMax) {
    state->free[kOrders - 1].insert(at);
  }
}

size_t Pool::order_of(size_t size) {
  const size_t block = std::bit_ceil(std::max(size, kBlockMin));
  return static_cast<size_t>(std::countr_zero(block) - std::countr_zero(kBlockMin));
}

std::optional<size_t> Pool::cut(State& state, size_t order) const {
  size_t from = order;
  while (from < kOrders && state.free[from].empty()) ++from;
  if (from >= kOrders) return std::nullopt;
  const size_t at = *state.free[from].begin();
  state.free[from].erase(state.free[from].begin());
  while (from > order) {
    --from;
    state.free[from].insert(at + (kBlockMin << from));
  }
  return at;
}

uint8_t* Pool::take(size_t size, const std::string& who) {
  const size_t order = order_of(size);
  if (order >= kOrders) return nullptr;
  auto state = state_.lock();
  if (size > kSmall && !state->waiters.empty()) return nullptr;
  const size_t blocks = size_t{1} << order;
  if (!state->shares.take(who, blocks)) return nullptr;
  const auto at = cut(*state, order);
  if (at) return memory_.view().data() + *at;
  state->shares.give_back(who, blocks);
  return nullptr;
}

void Pool::when_free(size_t size, const std::string& who,
                     std::move_only_function<void(uint8_t*)> callback) {
  if (uint8_t* const block = take(size, who)) return callback(block);
  const size_t order = order_of(size);
  if (order >= kOrders) return callback(nullptr);
  state_.lock()->waiters.push_back({order, who, std::move(callback)});
  // One that was given back meanwhile.
  give_back(nullptr, 0, who);
}

void Pool::give_back(uint8_t* block, size_t size, const std::string& who) {
  std::vector<std::pair<std::move_only_function<void(uint8_t*)>, uint8_t*>> ready;
  {
    auto state = state_.lock();
    if (block) {
      size_t order = order_of(size);
      state->shares.give_back(who, size_t{1} << order);
      auto at = static_cast<size_t>(block - memory_.view().data());
      for (; order + 1 < kOrders; ++order) {
        const auto other = state->free[order].find(at ^ (kBlockMin << order));
        if (other == state->free[order].end()) break;
        at = std::min(at, *other);
        state->free[order].erase(other);
      }
      state->free[order].insert(at);
    }
    // In the order in which they came, but for those who have their share.
    auto& waiters = state->waiters;
    for (auto waiter = waiters.begin(); waiter != waiters.end();) {
      const size_t blocks = size_t{1} << waiter->order;
      if (!state->shares.take(waiter->who, blocks)) {
        ++waiter;
        continue;
      }
      const auto at = cut(*state, waiter->order);
      if (!at) {
        state->shares.give_back(waiter->who, blocks);
        break;
      }
      ready.emplace_back(std::move(waiter->callback), memory_.view().data() + *at);
      waiter = waiters.erase(waiter);
    }
  }
  for (auto& [callback, given] : ready) callback(given);
}

std::optional<uint64_t> Pool::offset_of(ByteView memory) const {
  const ByteView all = memory_.view();
  const auto begin = reinterpret_cast<uintptr_t>(memory.data());
  const auto own = reinterpret_cast<uintptr_t>(all.data());
  if (begin < own || begin - own > all.size()) return std::nullopt;
  if (memory.size() > all.size() - (begin - own)) return std::nullopt;
  return begin - own;
}

size_t Pool::taken() const { return state_.lock()->shares.taken() * kBlockMin; }

Buffer PairMemory::buffer_of(uint8_t* block, size_t size) {
  auto state = state_.lock();
  if (state->taken++ == 0) state->self = shared_from_this();
  return Buffer(block, size, *this);
}

Buffer PairMemory::take(size_t size) {
  uint8_t* const block = size > 0 ? pool_->take(size, who_) : nullptr;
  return block ? buffer_of(block, size) : Buffer(size);
}

void PairMemory::when_free(size_t size, std::move_only_function<void(Buffer)> callback) {
  pool_->when_free(
      size, who_,
      [self = shared_from_this(), size, then = std::move(callback)](uint8_t* block) mutable {
        then(block ? self->buffer_of(block, size) : Buffer(size));
      });
}

void PairMemory::close() {
  auto state = state_.lock();
  if (state->life == Life::kOpen) state->life = Life::kClosed;
}

void PairMemory::released() {
  std::vector<Block> kept;
  {
    auto state = state_.lock();
    state->life = Life::kReleased;
    kept.swap(state->kept);
  }
  for (const Block& block : kept) pool_->give_back(block.data, block.size, who_);
}

void PairMemory::take_back(uint8_t* data, size_t size) noexcept {
  std::shared_ptr<PairMemory> last;
  bool is_kept = false;
  {
    auto state = state_.lock();
    is_kept = state->life == Life::kClosed;
    if (is_kept) state->kept.push_back({data, size});
    if (--state->taken == 0) last = std::exchange(state->self, nullptr);
  }
  if (!is_kept) pool_->give_back(data, size, who_);
}

}  // namespace braid::transport::relay
