#include "smb2/connections/compound.h"

#include <algorithm>

#include "smb2/commands/dispatch.h"
#include "smb2/common/limits.h"
#include "smb2/compression/limits.h"
#include "smb2/connections/protection_seat.h"
#include "smb2/server.h"
#include "wire/smb2/error_response.h"
#include "wire/smb2/transform_header.h"

namespace braid::smb2 {
namespace {

// What the client takes in one frame, encrypted or not.
constexpr size_t kAnswersOfAFrameMax = kFrameMax - wire::TransformHeader::kSize;

// Of an answer with others behind it.
constexpr size_t padded(size_t size) { return (size + 7) / 8 * 8; }

}  // namespace

Compound::Compound(std::shared_ptr<Connection> connection, RequestFrame frame)
    : connection_(std::move(connection)),
      frame_(std::move(frame)),
      is_long_(frame_.bytes.size() >
               protected_inline_max(connection_->negotiated, /*is_encrypted=*/false)) {
  // As many as there are credits, and so without asking.
  memory_ = connection_->memory->take(frame_.elements.size() * kRequestSize);
}

Task<void> Compound::run() {
  for (size_t i = 0; i < frame_.elements.size(); ++i) {
    CompoundElement& element = frame_.elements[i];
    if (connection_->lane_) co_await connection_->lane_->next_piece();
    Request request(connection_->server(), connection_, *this, i, element.header, element.message,
                    is_encrypted());
    if (frame_.waited_as.value != 0) request.continue_async(frame_.waited_as);
    std::optional<Reply> reply = co_await dispatch(request);
    if (!reply) continue;  // CANCEL
    add_reply(request, std::move(*reply));
  }
  send_replies();
}

bool Compound::takes_long_to_protect() const {
  if (replies_size_ <= protected_inline_max(connection_->negotiated, is_encrypted())) return false;
  return is_encrypted() || std::ranges::any_of(replies_, [](const auto& reply) {
           return reply.signing_key != nullptr;
         });
}

bool Compound::compresses() const {
  return std::ranges::any_of(replies_, [](const auto& reply) { return reply.compress != nullptr; });
}

void Compound::send_replies() {
  if (replies_.empty()) return;
  std::optional<CompressionLoad::Place> place;
  if (replies_size_ > kCompressedInlineMax && compresses()) {
    place = connection_->server().compression.take(replies_size_);
    if (!place) {
      for (OutMessage& each : replies_) each.compress = nullptr;
    }
  }
  const bool takes_long = place || takes_long_to_protect();
  auto replies = std::exchange(replies_, {});
  // Goes when they are on their way.
  auto ahead_of = std::exchange(ahead_of_, {});
  replies_size_ = 0;
  if (!takes_long) {
    connection_->send_messages(std::move(replies), frame_.decrypted_for.get());
    return;
  }
  auto session = is_encrypted() ? frame_.decrypted_for : channel ? channel->session : nullptr;
  connection_->requests_.spawn(send_protected(connection_, std::move(session), std::move(replies),
                                              std::move(ahead_of), is_encrypted(),
                                              std::move(place)));
}

Task<void> Compound::send_protected(std::shared_ptr<Connection> connection,
                                    std::shared_ptr<Session> protect_for,
                                    std::vector<OutMessage> replies,
                                    std::vector<std::shared_ptr<void>> ahead_of, bool encrypt,
                                    std::optional<CompressionLoad::Place> place) {
  ProtectionSeat seat(*connection, protect_for.get());
  if (co_await seat.turn()) {
    connection->send_messages(std::move(replies), encrypt ? protect_for.get() : nullptr);
  }
  replies.clear();
  ahead_of.clear();
  place.reset();
  co_await connection->reactor().schedule();
}

uint16_t Compound::grant_credits(const Request& request, bool may_grow) {
  // Before anybody is known a connection has as many as it began with, whatever it asks.
  return connection_->command_sequence_window.grant(request.header.credits,
                                                    frame_.elements[request.index].credits_charged,
                                                    may_grow && connection_->has_known_user());
}

std::shared_ptr<const crypto::SigningKey> Compound::key_for(const Request& request) const {
  if (is_encrypted()) return nullptr;
  if (request.reply_signing_key) return request.reply_signing_key;
  if (!request.channel || !request.session) {
    if (!request.header.is_signed()) return nullptr;
    return channel ? channel->signing_key
                   : connection_->key_of_ended_session(request.header.session_id);
  }
  const SessionSecurity* security = request.session->security();
  if (!security) return nullptr;
  if (request.signature_verified || security->signing_required) return request.channel->signing_key;
  return nullptr;
}

void Compound::finish_header(const Request& request, MutableByteView message, NtStatus status,
                             AsyncId async_id, uint16_t credits) {
  wire::Header header;
  header.credit_charge = request.header.credit_charge;
  header.status = status;
  header.command = request.header.command;
  header.credits = credits;
  header.flags = wire::HeaderFlags::kServerToRedir |
                 (request.header.flags &
                  (wire::HeaderFlags::kRelatedOperations | wire::HeaderFlags::kPriorityMask));
  // Samba's client takes no unsigned answer to what it signed, not even that its session is gone.
  // Of one that was never here there is no key to sign with, and the client does not check it.
  if (status == NtStatus::kUserSessionDeleted && request.header.is_signed()) {
    header.flags |= wire::HeaderFlags::kSigned;
  }
  header.message_id = request.header.message_id;
  if (async_id.value != 0) {
    header.flags |= wire::HeaderFlags::kAsyncCommand;
    header.async_id = async_id;
  } else {
    header.process_id = request.header.process_id;
    header.tree_id = request.reply_tree_id.value_or(
        request.tree_connect ? request.tree_connect->tree_id : request.header.tree_id);
  }
  header.session_id = request.reply_session_id.value_or(
      request.session ? request.session->session_id : request.header.session_id);
  Bytes encoded;
  wire::Writer writer(encoded);
  header.encode(writer);
  std::memcpy(message.data(), encoded.data(), encoded.size());
}

void Compound::add_reply(Request& request, Reply reply) {
  const AsyncId async_id = request.async_id();
  // The credits of an asynchronous request went out with its interim response.
  uint16_t credits = 0;
  if (async_id.value == 0) {
    const bool negotiating = request.header.command == wire::Command::kNegotiate;
    const bool authenticating = request.header.command == wire::Command::kSessionSetup &&
                                reply.status != NtStatus::kSuccess;
    credits = grant_credits(request, !negotiating && !authenticating);
  }
  finish_header(request, reply.message, reply.status, async_id, credits);
  // Each answer fits a frame; the client may have asked for more of them than one frame holds, and
  // a frame invalidates one key.
  const size_t size = padded(reply.message.size() + reply.payload.size());
  const bool has_key =
      std::ranges::any_of(replies_, [](const auto& reply) { return reply.invalidate.has_value(); });
  if (replies_size_ + size > kAnswersOfAFrameMax || (has_key && request.invalidate)) {
    send_replies();
  }
  replies_size_ += size;
  request.answer_memory.shrink_to(reply.message.size() + reply.payload.capacity());
  replies_.push_back({.message = std::move(reply.message),
                      .payload = std::move(reply.payload),
                      .memory = std::move(request.answer_memory),
                      .signing_key = key_for(request),
                      .on_bytes = request.on_reply_bytes,
                      .compress = std::move(reply.compress),
                      .invalidate = request.invalidate});
  if (request.ahead_of) ahead_of_.push_back(std::move(request.ahead_of));
}

void Compound::send_interim(const Request& request, AsyncId async_id) {
  // [MS-SMB2] 3.3.4.2 "Sending an Interim Response for an Asynchronous Operation": credits are
  // granted here, and it is not signed.
  Reply interim = reply_with(wire::ErrorResponse{}, NtStatus::kPending);
  const uint16_t credits = grant_credits(request, true);
  finish_header(request, interim.message, NtStatus::kPending, async_id, credits);
  send_replies();
  std::vector<OutMessage> messages;
  messages.push_back({.message = std::move(interim.message)});
  connection_->send_messages(std::move(messages), frame_.decrypted_for.get());
}

}  // namespace braid::smb2
