#include "transport/smbdirect/connection.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstring>
#include <utility>

namespace braid::transport::smbdirect {

namespace {

using wire::smbdirect::DataTransfer;
using wire::smbdirect::DataTransferFlags;
using wire::smbdirect::kVersion1;
using wire::smbdirect::NegotiateRequest;
using wire::smbdirect::NegotiateResponse;

// What decides, of a packet. The card's memory belongs to another process as well, which might
// write there again: so it is read once, and what was judged is what is used. What follows is data.
class Head {
 public:
  explicit Head(ByteView packet) : size_(std::min(packet.size(), bytes_.size())) {
    std::copy_n(packet.begin(), size_, bytes_.begin());
    std::atomic_signal_fence(std::memory_order_seq_cst);  // not again, whatever a compiler prefers
  }
  ByteView view() const { return ByteView(bytes_).first(size_); }

 private:
  std::array<uint8_t, 32> bytes_{};  // the longest, a NegotiateResponse
  size_t size_;
};

ByteView piece_of(const OutFrame& frame, size_t index) {
  return index == 0 ? ByteView(frame.head) : view_of(frame.parts[index - 1]);
}

}  // namespace

Connection::Connection(Role role, const Settings& settings, Instant now)
    : settings_(settings),
      role_(role),
      due_(role == Role::kActive ? Due::kRequest : Due::kNothing),
      max_send_size_(settings.max_send_size),
      max_receive_size_(settings.max_receive_size),
      max_read_write_size_(role == Role::kActive ? 0 : settings.max_read_write_size),
      receive_credit_max_(settings.receive_credit_max) {
  assert(role != Role::kEstablished);
  assert(settings.receive_credit_max >= kCreditsMin && settings.send_credit_target >= kCreditsMin);
  assert(settings.max_send_size >= kPacketSizeMin && settings.max_receive_size >= kPacketSizeMin);
  assert(settings.max_fragmented_recv_size >= kFragmentedSizeMin);
  negotiation_deadline_ =
      now + (role == Role::kActive ? kNegotiationMaxActive : kNegotiationMaxPassive);
}

std::unexpected<Error> Connection::end(Error error) {
  if (!ended_) ended_ = error;
  send_queue_.clear();
  reassembly_.reset();
  return braid::fail(*ended_);
}

void Connection::establish(Instant now) {
  role_ = Role::kEstablished;
  negotiation_deadline_.reset();
  idle_deadline_ = now + settings_.keepalive_interval;
  for (const Outgoing& each : send_queue_) {
    if (each.size > max_fragmented_send_size_) {
      end(NtStatus::kInvalidBufferSize);
      return;
    }
  }
}

// Receives.

uint32_t Connection::receive_target() const {
  if (is_held_back_ && !has(Defect::kIgnoresHoldBack)) return 0;
  if (has(Defect::kIgnoresCreditMax)) return receive_credit_target_;
  return std::min(receive_credit_target_, receive_credit_max_);
}

bool Connection::must_send() const {
  return !send_queue_.empty() || send_immediate_ || keepalive_requested_ == Keepalive::kPending;
}

// [MS-SMBD] 3.1.5.9 "Managing Credits Prior to Sending".
uint32_t Connection::receives_wanted() const {
  if (ended_) return 0;
  if (role_ != Role::kEstablished && due_ != Due::kResponse) {
    return posted_ == 0 && due_ != Due::kRefusal ? 1 : 0;
  }
  const uint32_t target = receive_target();
  if (target > posted_) return target - posted_;
  if (grantable() > 0 || has(Defect::kNoReserve)) return 0;
  // Without credits the peer could not answer, and the last one of this side goes with one for the
  // peer only. So there is one, however many it has.
  if (due_ == Due::kResponse) return 1;
  return must_send() && (outstanding_ == 0 || send_credits_ == 1) ? 1 : 0;
}

size_t Connection::receive_size() const {
  if (role_ == Role::kEstablished || due_ == Due::kResponse) return max_receive_size_;
  return std::max<size_t>(kNegotiateReceiveSize, max_receive_size_);
}

void Connection::posted(uint32_t count) {
  posted_ += count;
  // The peer need not be told that it may negotiate.
  if (role_ != Role::kEstablished && due_ != Due::kResponse) outstanding_ += count;
}

Result<Connection::Fragment> Connection::received(ByteView packet, Instant now) {
  if (ended_) return fail(*ended_);
  // A packet for which there was no credit: also one that came before what it has to wait for.
  if (outstanding_ == 0 || due_ != Due::kNothing) return end(Error::malformed());
  --outstanding_;
  --posted_;
  switch (role_) {
    case Role::kPassive:
      BRAID_CHECK(receive_negotiate_request(packet));
      return Fragment{};
    case Role::kActive:
      BRAID_CHECK(receive_negotiate_response(packet, now));
      return Fragment{};
    case Role::kEstablished:
      break;
  }
  return receive_data_transfer(packet, now);
}

// [MS-SMBD] 3.1.5.6 "Receiving a Negotiate Request Message".
Result<void> Connection::receive_negotiate_request(ByteView packet) {
  const Head head(packet);
  wire::Reader reader(head.view());
  const auto request = NegotiateRequest::decode(reader);
  if (!request) return end(request.error());
  if (request->min_version > kVersion1 || request->max_version < kVersion1) {
    due_ = Due::kRefusal;
    refusal_ = NtStatus::kNotSupported;
    return {};
  }
  if (request->credits_requested == 0 || request->max_receive_size < kPacketSizeMin ||
      request->max_fragmented_size < kFragmentedSizeMin) {
    return end(Error::malformed());
  }
  max_receive_size_ =
      std::max(kPacketSizeMin, std::min(max_receive_size_, request->preferred_send_size));
  max_send_size_ = std::min(max_send_size_, request->max_receive_size);
  max_fragmented_send_size_ = request->max_fragmented_size;
  receive_credit_target_ = request->credits_requested;
  due_ = Due::kResponse;
  return {};
}

// [MS-SMBD] 3.1.5.7 "Receiving a Negotiate Response Message".
Result<void> Connection::receive_negotiate_response(ByteView packet, Instant now) {
  const Head head(packet);
  wire::Reader reader(head.view());
  const auto response = NegotiateResponse::decode(reader);
  if (!response) return end(response.error());
  if (response->status != NtStatus::kSuccess) return end(response->status);
  if (response->negotiated_version != kVersion1 || response->credits_granted == 0 ||
      response->credits_requested == 0 || response->max_receive_size < kPacketSizeMin ||
      response->max_fragmented_size < kFragmentedSizeMin ||
      response->preferred_send_size > max_receive_size_) {
    return end(Error::malformed());
  }
  max_receive_size_ = std::max(kPacketSizeMin, response->preferred_send_size);
  max_send_size_ = std::min(max_send_size_, response->max_receive_size);
  max_read_write_size_ = std::min(settings_.max_read_write_size, response->max_read_write_size);
  max_fragmented_send_size_ = response->max_fragmented_size;
  receive_credit_target_ = response->credits_requested;
  send_credits_ = response->credits_granted;
  establish(now);
  return {};
}

// [MS-SMBD] 3.1.5.8 "Receiving a Data Transfer Message".
Result<Connection::Fragment> Connection::receive_data_transfer(ByteView packet, Instant now) {
  const Head head(packet);
  wire::Reader reader(head.view());
  const auto transfer = DataTransfer::decode(reader, packet);
  if (!transfer) return end(transfer.error());
  const Fragment fragment{transfer->data, transfer->remaining_data_length};
  if (transfer->credits_requested == 0 ||
      fragment.data.size() + uint64_t{fragment.remaining} > settings_.max_fragmented_recv_size) {
    return end(Error::malformed());
  }
  idle_deadline_ = now + settings_.keepalive_interval;
  keepalive_requested_ = Keepalive::kNone;
  receive_credit_target_ = transfer->credits_requested;
  // The section has the answer ask for an answer itself, without end. That is what nobody does.
  if ((transfer->flags & DataTransferFlags::kResponseRequested) != 0 &&
      !has(Defect::kNoKeepaliveAnswer)) {
    send_immediate_ = true;
  }
  if (has(Defect::kAnswersEveryGrant)) send_immediate_ = true;
  if (!fragment.is_empty() || !has(Defect::kForgetsGrants)) {
    send_credits_ = std::min(send_credits_ + transfer->credits_granted, kSendCreditsMax);
  }
  return fragment;
}

size_t Connection::memory_needed(const Fragment& fragment) const {
  return reassembly_ ? 0 : fragment.data.size() + fragment.remaining;
}

Result<std::optional<Connection::Message>> Connection::assemble(const Fragment& fragment,
                                                                std::optional<uint32_t> invalidated,
                                                                MemoryCharge charge) {
  if (ended_) return fail(*ended_);
  if (invalidated) invalidated_token_ = invalidated;
  // Also between the fragments of a message: the section ends the connection there, but there are
  // clients that send their credits from another thread.
  if (fragment.is_empty()) return std::nullopt;
  const size_t size = fragment.data.size();
  if (!reassembly_) {
    const size_t total = size + fragment.remaining;
    if (total > receive_limit_ && !has(Defect::kTakesAnyLength)) {
      return end(Error::malformed());
    }
    reassembly_.emplace(Buffer(total), std::move(charge));
    reassembled_ = 0;
  } else {
    const size_t expected = reassembly_->size() - reassembled_;
    if (size > expected || expected - size != fragment.remaining) {
      return end(Error::malformed());
    }
  }
  if (size > 0) std::memcpy(reassembly_->data() + reassembled_, fragment.data.data(), size);
  reassembled_ += size;
  if (fragment.remaining > 0) return std::nullopt;

  Message message{std::move(*reassembly_), invalidated_token_};
  reassembly_.reset();
  if (!has(Defect::kKeepsInvalidated)) invalidated_token_.reset();
  return message;
}

// Sends.

Result<void> Connection::send(OutFrame frame, std::optional<uint32_t> invalidate) {
  if (ended_) return fail(*ended_);
  const size_t size = frame.size();
  if (size == 0) return fail(NtStatus::kInvalidParameter);
  if (role_ == Role::kEstablished && size > max_fragmented_send_size_) {
    return fail(NtStatus::kInvalidBufferSize);
  }
  send_queue_.push_back({std::move(frame), size, invalidate});
  queued_ += size;
  return {};
}

bool Connection::grant_is_due() const {
  if (grantable() == 0 || has(Defect::kNeverGrantsAlone)) return false;
  if (has(Defect::kInterruptsFragments)) return true;
  // Not after each packet: the peer would have to replace the credit that this one takes, and so
  // on without end. With half of them the peer goes on meanwhile.
  return 2 * outstanding_ < receive_target();
}

template <class T>
Connection::Packet Connection::packet_of(const T& message, MutableByteView to) {
  head_.clear();
  wire::Writer writer(head_);
  message.encode(writer);
  std::memcpy(to.data(), head_.data(), head_.size());
  return {.size = head_.size(), .invalidate = {}, .position = packed_};
}

std::optional<Connection::Packet> Connection::negotiate_packet(MutableByteView to, Instant now) {
  switch (std::exchange(due_, Due::kNothing)) {
    case Due::kNothing:
      return std::nullopt;
    case Due::kRequest:  // [MS-SMBD] 3.1.5.2 "Sending a Negotiate Request Message"
      return packet_of(NegotiateRequest{.credits_requested = settings_.send_credit_target,
                                        .preferred_send_size = max_send_size_,
                                        .max_receive_size = max_receive_size_,
                                        .max_fragmented_size = settings_.max_fragmented_recv_size},
                       to);
    case Due::kResponse:  // [MS-SMBD] 3.1.5.3 "Sending a Negotiate Response Message"
      if (posted_ == 0) {
        refusal_ = NtStatus::kInsufficientResources;
        break;
      }
      outstanding_ = posted_;
      establish(now);
      return packet_of(NegotiateResponse{.negotiated_version = kVersion1,
                                         .credits_requested = settings_.send_credit_target,
                                         .credits_granted = static_cast<uint16_t>(posted_),
                                         .max_read_write_size = max_read_write_size_,
                                         .preferred_send_size = max_send_size_,
                                         .max_receive_size = max_receive_size_,
                                         .max_fragmented_size = settings_.max_fragmented_recv_size},
                       to);
    case Due::kRefusal:
      break;
  }
  end(refusal_);
  return packet_of(NegotiateResponse{.status = refusal_}, to);
}

// [MS-SMBD] 3.1.5.1 "Sending Upper Layer Messages" and 3.1.5.4 "Sending a Data Transfer Message".
std::optional<Connection::Packet> Connection::next_packet(MutableByteView to, Instant now) {
  if (ended_) return std::nullopt;
  if (due_ != Due::kNothing) return negotiate_packet(to, now);
  if (role_ != Role::kEstablished) return std::nullopt;
  if (!must_send() && !grant_is_due()) return std::nullopt;

  const bool is_interrupting = has(Defect::kInterruptsFragments) && done_ > 0 && grant_is_due();
  const bool has_data = !send_queue_.empty() && !is_interrupting;
  const uint32_t grant = std::min(grantable(), kSendCreditsMax);
  const bool may_be_last = grant > 0 || has(Defect::kSpendsLastCredit);
  if (send_credits_ == 0 || (send_credits_ == 1 && !may_be_last)) {
    if (has_data && !stall_deadline_) stall_deadline_ = now + kTakesNothingMax;
    return std::nullopt;
  }
  --send_credits_;
  outstanding_ += grant;

  DataTransfer transfer{.credits_requested = settings_.send_credit_target,
                        .credits_granted = static_cast<uint16_t>(grant)};
  if (has(Defect::kGrantsUnposted)) ++transfer.credits_granted;
  if (keepalive_requested_ == Keepalive::kPending) {
    transfer.flags = DataTransferFlags::kResponseRequested;
    keepalive_requested_ = Keepalive::kSent;
    idle_deadline_ = now + kKeepaliveAnswerMax;
  }
  send_immediate_ = false;
  if (!has_data) return packet_of(transfer, to);

  stall_deadline_.reset();
  Outgoing& first = send_queue_.front();
  const size_t left = first.size - done_;
  const size_t size = std::min<size_t>(left, max_send_size_ - DataTransfer::kDataOffset);
  transfer.remaining_data_length =
      static_cast<uint32_t>(has(Defect::kWrongRemaining) && left > size ? left : left - size);
  head_.clear();
  wire::Writer writer(head_);
  transfer.encode_head(writer, static_cast<uint32_t>(size));
  std::memcpy(to.data(), head_.data(), head_.size());
  Packet packet{.size = head_.size() + size, .invalidate = {}, .position = packed_ + size};
  if (has(Defect::kRepeatsFragment)) piece_ = piece_done_ = 0;
  pack(to.data() + head_.size(), size);
  done_ += size;
  packed_ += size;
  if (done_ == first.size) {
    // With the last: then the peer has the whole message when it hears of its token.
    packet.invalidate = first.invalidate;
    send_queue_.pop_front();
    done_ = piece_ = piece_done_ = 0;
  }
  return packet;
}

void Connection::pack(uint8_t* to, size_t size) {
  const OutFrame& frame = send_queue_.front().frame;
  while (size > 0) {
    const ByteView piece = piece_of(frame, piece_).subspan(piece_done_);
    const size_t some = std::min(size, piece.size());
    if (some > 0) std::memcpy(to, piece.data(), some);
    to += some;
    size -= some;
    piece_done_ += some;
    if (some == piece.size()) {
      ++piece_;
      piece_done_ = 0;
    }
  }
}

// Times.

std::optional<Connection::Instant> Connection::deadline() const {
  if (ended_) return std::nullopt;
  std::optional<Instant> first;
  for (const auto& each : {negotiation_deadline_, idle_deadline_, stall_deadline_}) {
    if (each && (!first || *each < *first)) first = each;
  }
  return first;
}

void Connection::expire(Instant now) {
  if (ended_) return;
  const auto is_due = [now](const std::optional<Instant>& at) { return at && *at <= now; };
  if (is_due(negotiation_deadline_) || is_due(stall_deadline_)) {
    end(NtStatus::kIoTimeout);
  } else if (is_due(idle_deadline_)) {
    // [MS-SMBD] 3.1.6.2 "Idle Connection Timer". A request that has not even left counts, too.
    if (keepalive_requested_ != Keepalive::kNone && !has(Defect::kNoKeepalive)) {
      end(NtStatus::kIoTimeout);
    } else {
      keepalive_requested_ = Keepalive::kPending;
      idle_deadline_ = now + kKeepaliveAnswerMax;
    }
  }
}

}  // namespace braid::transport::smbdirect
