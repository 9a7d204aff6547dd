#include "smb2/connections/unacked_breaks.h"

#include <algorithm>
#include <utility>

namespace braid::smb2 {

UnackedBreaks::UnackedBreaks(transport::TransportPtr transport, Answers answers)
    : transport_(std::move(transport)), answers_(std::move(answers)) {}

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
  transport_->watch_acknowledgements([this](uint64_t acknowledged) {
    settle(acknowledged);
    return !breaks_.empty();
  });
}

void UnackedBreaks::close() {
  closed_ = true;
  transport_->watch_acknowledgements(nullptr);
  settle(transport_->bytes_acknowledged());
  for (const Break& each : std::exchange(breaks_, {})) each.outcome->set(Delivery::kLost);
  for (const auto& each : std::exchange(unanswered_, {})) answers_.will_not_come(each);
}

}  // namespace braid::smb2
