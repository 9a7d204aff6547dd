#include "runtime/reactor_lane.h"

#include <algorithm>
#include <cassert>

namespace braid {

ReactorLane::Work::Work(std::shared_ptr<ReactorLane> lane)
    : lane_(lane && !lane->is_at_work_ ? std::move(lane) : nullptr) {
  if (!lane_) return;
  lane_->is_at_work_ = true;
  lane_->began_ = SteadyClock::now();
}

ReactorLane::Work::~Work() {
  if (!lane_) return;
  lane_->used_ += SteadyClock::now() - lane_->began_;
  lane_->is_at_work_ = false;
}

bool ReactorLane::is_over() const {
  const auto turn = turn_.load(std::memory_order_relaxed);
  if (used_ >= turn) return true;
  return is_at_work_ && used_ + (SteadyClock::now() - began_) >= turn;
}

void ReactorLane::wait(std::coroutine_handle<> handle) {
  assert(reactor_.is_current());
  waiting_.push_back(handle);
  // Behind all that is posted, and what came to the reactor's sockets meanwhile.
  if (!std::exchange(comes_, true)) {
    reactor_.post([self = shared_from_this()] { self->come(); });
  }
}

void ReactorLane::come() {
  used_ = {};
  {
    const Work work(shared_from_this());
    do {
      const auto next = waiting_.front();
      waiting_.pop_front();
      next.resume();
    } while (!waiting_.empty() && !is_over());
  }
  comes_ = !waiting_.empty();
  if (comes_) reactor_.post([self = shared_from_this()] { self->come(); });
}

std::shared_ptr<ReactorLane> ReactorLanes::lane_of(Reactor& reactor, uint64_t owner) {
  auto lanes = lanes_.lock();
  std::weak_ptr<ReactorLane>& known = lanes->all[{&reactor, owner}];
  auto lane = known.lock();
  if (lane) return lane;
  lane = std::make_shared<ReactorLane>(reactor, turn_);
  known = lane;
  // Not each time: who comes would pay for all who are there.
  if (lanes->all.size() >= lanes->looks_at) {
    std::erase_if(lanes->all, [](const auto& each) { return each.second.expired(); });
    lanes->looks_at = std::max<size_t>(64, 2 * lanes->all.size());
  }
  return lane;
}

}  // namespace braid
