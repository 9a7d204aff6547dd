#include "smb2/unacked_breaks.h"

#include <algorithm>

#include "base/log.h"

namespace braid::smb2 {

UnackedBreaks::UnackedBreaks(transport::TransportPtr transport, Answers answers)
    : transport_(std::move(transport)), answers_(std::move(answers)) {}

uint64_t UnackedBreaks::acknowledged() const {
  // In this order: bytes sent in between count as not acknowledged.
  const uint64_t sent = transport_->bytes_sent();
  const uint64_t unacknowledged = transport_->unacknowledged();
  return sent > unacknowledged ? sent - unacknowledged : 0;
}

void UnackedBreaks::settle(uint64_t acknowledged) {
  std::erase_if(breaks_, [&](const Break& each) {
    if (each.end > acknowledged) return false;
    arrived(each);
    return true;
  });
}

// Nobody tells this connection of the answer, which may come on any channel.
void UnackedBreaks::arrived(const Break& which) {
  which.outcome->set(Delivery::kArrived);
  if (!which.notification.ack_required) return;
  if (unanswered_.size() >= look_through_at_) {
    std::erase_if(unanswered_, [this](const auto& each) { return !answers_.are_awaited(each); });
    look_through_at_ = std::max(kUnansweredMin, unanswered_.size() * 2);
  }
  unanswered_.push_back(which.notification);
}

void UnackedBreaks::add(uint64_t end, DeliveryOutcome outcome,
                        const filestate::Break& notification) {
  breaks_.push_back({end, std::move(outcome), notification});
  if (closed_) return close();
  if (breaks_.size() > 1) return;
  // Once for the series: the transport's own value grows with every retransmission.
  timeout_ = std::clamp<std::chrono::microseconds>(transport_->retransmission_timeout(),
                                                   kTimeoutMin, kTimeoutMax);
  acknowledged_ = acknowledged();
  checks_without_progress_ = static_cast<int>(
      std::min<int64_t>(transport_->silence() / timeout_, kRetransmissionsMax - 1));
  is_suspect_ = checks_without_progress_ > 0;
  start_timer();
}

void UnackedBreaks::start_timer() {
  if (!timer_) timer_.emplace(transport_->reactor());
  timer_->start(timeout_, [this] { check(); });
}

void UnackedBreaks::check() {
  const uint64_t now = acknowledged();
  settle(now);
  if (breaks_.empty()) {
    is_suspect_ = false;
    return;
  }
  checks_without_progress_ = now == acknowledged_ ? checks_without_progress_ + 1 : 0;
  is_suspect_ = checks_without_progress_ > 0;
  acknowledged_ = now;
  if (checks_without_progress_ < kRetransmissionsMax) return start_timer();
  log::info(
      "{}: nothing acknowledged for {} ms and {} breaks out, the connection is dead",
      transport_->peer().to_string(),
      std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count() * kRetransmissionsMax,
      breaks_.size());
  // Nothing of it may arrive after what goes to the next channel. The connection's end closes this.
  transport_->abort();
}

void UnackedBreaks::close() {
  closed_ = true;
  timer_.reset();
  settle(acknowledged());
  for (const Break& each : std::exchange(breaks_, {})) each.outcome->set(Delivery::kLost);
  for (const auto& each : std::exchange(unanswered_, {})) answers_.will_not_come(each);
}

}  // namespace braid::smb2
