#include "smb2/connections/slow_requests.h"

#include <utility>

#include "smb2/common/limits.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

void SlowRequests::add(Request& request) {
  request.watched_slot_ = watched_.size();
  watched_.push_back({&request});
  if (!is_ticking_) start_timer();
}

void SlowRequests::remove(Request& request) {
  Watched& gone = watched_[request.watched_slot_];
  gone = watched_.back();
  gone.request->watched_slot_ = request.watched_slot_;
  watched_.pop_back();
}

void SlowRequests::cancel(MessageId id) {
  for (const Watched& each : watched_) {
    if (each.request->header.message_id == id) each.request->cancelled = true;
  }
}

void SlowRequests::start_timer() {
  if (!timer_) timer_.emplace(reactor_);
  is_ticking_ = true;
  timer_->start(kSlowRequestTick, [this] { tick(); });
}

void SlowRequests::tick() {
  is_ticking_ = false;
  for (Watched& each : watched_) {
    if (std::exchange(each.seen, true)) each.request->send_sign_of_life();
  }
  if (!watched_.empty()) start_timer();
}

}  // namespace braid::smb2
