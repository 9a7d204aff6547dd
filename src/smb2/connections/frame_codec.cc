#include "smb2/connections/frame_codec.h"

#include <cstring>
#include <utility>
#include <variant>

#include "smb2/common/limits.h"
#include "smb2/compression/compress_message.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

using wire::TransformHeader;

// Every message of a compound ends on a boundary of 8, as Windows pads even the last. Returns the
// padding that belongs behind the payload; without one it is in the message.
Bytes pad(OutMessage& out, bool is_last) {
  const size_t size = out.message.size() + out.payload.size();
  Bytes padding((8 - size % 8) % 8);
  if (!is_last) {
    wire::Header::patch_next_command(out.message, static_cast<uint32_t>(size + padding.size()));
  }
  if (out.payload.empty()) {
    out.message.insert(out.message.end(), padding.begin(), padding.end());
    padding.clear();
  }
  return padding;
}

void sign(OutMessage& out, ByteView padding) {
  wire::Header::patch_flags(out.message,
                            wire::Header::flags_of(out.message) | wire::HeaderFlags::kSigned);
  wire::Reader reader(out.message);
  const auto header = wire::Header::decode(reader);
  const ByteView rest[] = {out.payload.view(), padding};
  out.signing_key->sign_in_place(out.message, rest, wire::Header::kSignatureOffset,
                                 {.message_id = header->message_id.value, .from_server = true});
}

// Header and fixed part of [MS-SMB2] 2.2.34 "SMB2 QUERY_DIRECTORY Response".
constexpr size_t kListingHeadSize = wire::Header::kSize + 8;

// [MS-SMB2] 3.1.4.4 "Compressing the Message": the parts of the frame become one if that is
// smaller.
void compress(transport::OutFrame& frame, const std::vector<std::shared_ptr<CompressionTrials>>& of,
              const FrameCompression& compression) {
  std::vector<OutSegment> segments;
  for (size_t i = 0; i < frame.parts.size(); ++i) {
    const ByteView part = transport::view_of(frame.parts[i]);
    if (!of[i] || std::holds_alternative<Buffer>(frame.parts[i])) {
      segments.push_back({part, of[i].get()});
    } else {
      segments.push_back({part.first(kListingHeadSize)});
      segments.push_back({part.subspan(kListingHeadSize), of[i].get()});
    }
  }
  const size_t size = frame.size();
  auto compressed = compress_message(segments, compression.negotiated);
  if (!compressed) return;
  compression.done(size, compressed->size());
  frame.charge.shrink_to(compressed->size());
  frame.parts.clear();
  frame.parts.emplace_back(*std::move(compressed));
}

// [MS-SMB2] 3.1.4.3 "Encrypting the Message". The head is the transform header's, the parts are
// encrypted where they are.
void seal(transport::OutFrame& frame, const Session& session) {
  const crypto::CipherKey& key = *session.security()->encryption_key;
  std::vector<MutableByteView> pieces;
  TransformHeader transform;
  for (transport::Part& part : frame.parts) {
    MutableByteView piece =
        std::visit([](auto& held) { return MutableByteView(held.data(), held.size()); }, part);
    transform.original_message_size += static_cast<uint32_t>(piece.size());
    pieces.push_back(piece);
  }
  transform.nonce = key.next_nonce();
  transform.flags = TransformHeader::kFlagEncrypted;
  transform.session_id = session.session_id;
  frame.head.clear();
  wire::Writer writer(frame.head);
  transform.encode(writer);
  const ByteView authenticated =
      ByteView(frame.head).subspan(TransformHeader::kAuthenticatedOffset);
  transform.signature = key.seal(transform.nonce, authenticated, pieces);
  std::memcpy(frame.head.data() + TransformHeader::kSignatureOffset, transform.signature.data(),
              transform.signature.size());
}

}  // namespace

crypto::SigningNonce nonce_of(const wire::Header& request) {
  return {.message_id = request.message_id.value,
          .from_server = false,
          .is_cancel = request.command == wire::Command::kCancel};
}

bool RequestFrame::find_keys(const ChannelTable& channels) {
  if (decrypted_for) return false;
  SessionId session_id;
  bool any = false;
  for (CompoundElement& each : elements) {
    // A related request is of the session before it.
    if (!each.header.is_related()) session_id = each.header.session_id;
    const auto channel = each.header.is_signed() ? channels.find(session_id) : nullptr;
    if (channel) each.verified.key = channel->signing_key;
    any |= each.verified.key != nullptr;
  }
  return any;
}

void RequestFrame::verify() {
  for (CompoundElement& each : elements) {
    if (!each.verified.key) continue;
    each.verified.is_valid = each.verified.key->verify(each.message, wire::Header::kSignatureOffset,
                                                       nonce_of(each.header));
  }
}

bool ReceivedFrame::unseal() {
  if (!sealed_for_) return true;
  const MutableByteView frame = bytes_.view();
  const ByteView authenticated =
      frame.subspan(TransformHeader::kAuthenticatedOffset,
                    TransformHeader::kSize - TransformHeader::kAuthenticatedOffset);
  const auto opened = sealed_for_->security()->decryption_key->open(
      transform_.nonce, authenticated, frame.subspan(TransformHeader::kSize), transform_.signature);
  return opened.has_value();
}

bool ReceivedFrame::is_compressed() const {
  return wire::protocol_id_of(compressed()) == wire::ProtocolId::kCompressionTransform;
}

void ReceivedFrame::replace(CountedBuffer decompressed) {
  bytes_ = std::move(decompressed);
  offset_ = 0;
  was_compressed_ = true;
}

std::optional<RequestFrame> ReceivedFrame::cut() && {
  std::vector<CompoundElement> elements;
  for (;;) {
    const ByteView rest = std::as_const(bytes_).view().subspan(offset_);
    wire::Reader reader(rest);
    const auto header = wire::Header::decode(reader);
    if (!header || header->is_response()) return std::nullopt;
    size_t length = rest.size();
    if (header->next_command != 0) {
      // The next header starts on a boundary of 8 and behind this one.
      if (header->next_command % 8 != 0 || header->next_command < wire::Header::kSize ||
          header->next_command > rest.size() - wire::Header::kSize) {
        return std::nullopt;
      }
      length = header->next_command;
    }
    if (elements.size() >= kCompoundMax) return std::nullopt;
    // [MS-SMB2] 3.3.5.2.1.1: whoever encrypted it may not speak for another session.
    // The first request has none before it, and SESSION_SETUP takes nothing over.
    const bool names_session = elements.empty() || !header->is_related() ||
                               header->command == wire::Command::kSessionSetup;
    if (sealed_for_ && names_session && header->session_id != sealed_for_->session_id) {
      return std::nullopt;
    }
    elements.push_back({.header = *header, .message = rest.first(length)});
    if (header->next_command == 0) break;
    offset_ += header->next_command;
  }
  return RequestFrame{.bytes = std::move(bytes_),
                      .elements = std::move(elements),
                      .decrypted_for = std::move(sealed_for_),
                      .was_compressed = was_compressed_};
}

std::optional<ReceivedFrame> FrameCodec::receive(CountedBuffer frame,
                                                 bool may_be_compressed) const {
  const uint32_t protocol_id = wire::protocol_id_of(frame.view());
  ReceivedFrame received(std::move(frame));
  if (protocol_id == wire::ProtocolId::kSmb2) return received;
  if (protocol_id == wire::ProtocolId::kCompressionTransform && may_be_compressed) return received;
  // Anything else is no SMB2, or none that was agreed on.
  if (protocol_id != wire::ProtocolId::kTransform) return std::nullopt;
  wire::Reader reader(std::as_const(received.bytes_).view());
  const auto transform = TransformHeader::decode(reader);
  if (!transform || transform->flags != TransformHeader::kFlagEncrypted) return std::nullopt;
  if (transform->original_message_size != received.bytes_.size() - TransformHeader::kSize) {
    return std::nullopt;
  }
  const auto channel = channels_.find(transform->session_id);
  const SessionSecurity* security = channel ? channel->session->security() : nullptr;
  if (!security || !security->decryption_key) return std::nullopt;
  received.transform_ = *transform;
  received.sealed_for_ = channel->session;
  received.offset_ = TransformHeader::kSize;
  return received;
}

transport::OutFrame FrameCodec::encode(std::vector<OutMessage> messages, const Session* encrypt_for,
                                       const FrameCompression* compression) {
  transport::OutFrame frame;
  std::vector<std::shared_ptr<CompressionTrials>> to_compress;  // for each part
  if (encrypt_for) frame.head.resize(TransformHeader::kSize);
  for (size_t i = 0; i < messages.size(); ++i) {
    OutMessage& out = messages[i];
    Bytes padding;
    if (messages.size() > 1) padding = pad(out, i + 1 == messages.size());
    if (out.signing_key && !encrypt_for) sign(out, padding);
    if (out.on_bytes) out.on_bytes(out.message);
    frame.charge.merge(std::move(out.memory));
    if (out.invalidate) frame.invalidate = out.invalidate;
    if (compression) {
      const bool in_payload = !out.payload.empty();
      to_compress.push_back(in_payload ? nullptr : out.compress);
      if (in_payload) to_compress.push_back(out.compress);
      if (!padding.empty()) to_compress.push_back(nullptr);
    }
    if (frame.head.empty() && !compression) {
      frame.head = std::move(out.message);
    } else {
      frame.parts.emplace_back(std::move(out.message));
    }
    if (!out.payload.empty()) frame.parts.emplace_back(std::move(out.payload));
    if (!padding.empty()) frame.parts.emplace_back(std::move(padding));
  }
  if (compression) {
    frame.head.clear();
    compress(frame, to_compress, *compression);
    if (!encrypt_for) {
      frame.head = std::get<Bytes>(std::move(frame.parts.front()));
      frame.parts.erase(frame.parts.begin());
    }
  }
  if (encrypt_for) seal(frame, *encrypt_for);
  return frame;
}

}  // namespace braid::smb2
