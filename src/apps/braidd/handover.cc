#include "apps/braidd/handover.h"

#include <algorithm>
#include <cerrno>

#include "base/log.h"

namespace braid::braidd {

void Handover::connect(UniqueFd link) {
  // What the old worker acknowledged last may still be unread.
  if (link_) receive();
  disconnect();
  link_ = std::move(link);
  send();
}

void Handover::disconnect() {
  link_.reset();
  sent_ = 0;
  wants_room_ = false;
}

void Handover::erase(Queue::iterator waiting) {
  shares_.give_back(waiting->address);
  waiting_.erase(waiting);
}

bool Handover::add(MessageKind kind, UniqueFd socket, Buffer first_frame, Clock::Instant now) {
  const PeerAddress address = peer_address_of(socket.get());
  if (!shares_.take(address)) return false;
  const auto deadline =
      now + std::chrono::duration_cast<Clock::Instant::duration>(limits_.handover_time);
  waiting_.push_back(
      {++next_number_, kind, std::move(socket), address, std::move(first_frame), deadline});
  send();
  return true;
}

void Handover::send() {
  wants_room_ = false;
  while (link_ && sent_ < std::min(waiting_.size(), limits_.handovers_in_flight_max)) {
    const Waiting& next = waiting_[sent_];
    const auto sent = send_message(link_.get(), next.kind, next.number, next.socket.get(),
                                   next.first_frame.view());
    if (sent) {
      ++sent_;
    } else if (sent.error().is_os(EAGAIN)) {
      wants_room_ = true;
      return;
    } else if (sent.error().is_os(EPIPE) || sent.error().is_os(ECONNRESET)) {
      return;  // receive() takes the last acknowledgements and then ends the link
    } else {
      log::warn("a connection could not be handed over: {}", sent.error().message());
      erase(waiting_.begin() + static_cast<std::ptrdiff_t>(sent_));
    }
  }
}

void Handover::receive() {
  while (link_) {
    auto message = receive_message(link_.get());
    if (!message) {
      if (!message.error().is_os(EAGAIN)) disconnect();
      break;
    }
    if (message->kind == MessageKind::kPassedOn) passed_on_.push_back(std::move(*message));
    if (message->kind != MessageKind::kAccepted) continue;
    const auto sent_end = waiting_.begin() + static_cast<std::ptrdiff_t>(sent_);
    const auto taken = std::find_if(waiting_.begin(), sent_end, [&](const Waiting& each) {
      return each.number == message->number;
    });
    if (taken == sent_end) continue;  // it waited too long here, and was dropped
    erase(taken);
    --sent_;
  }
  send();
}

size_t Handover::expire(Clock::Instant now) {
  size_t count = 0;
  while (!waiting_.empty() && waiting_.front().deadline <= now) {
    erase(waiting_.begin());
    if (sent_ > 0) --sent_;
    ++count;
  }
  return count;
}

std::optional<Clock::Instant> Handover::next_deadline() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.front().deadline;
}

}  // namespace braid::braidd
