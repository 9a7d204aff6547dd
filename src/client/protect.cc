// How a Connection's requests get their bytes: headers, signatures, encryption.
#include <algorithm>
#include <array>
#include <cstring>

#include "client/connection.h"
#include "wire/smb2/transform_header.h"

namespace braid::client {

namespace {

// What is shorter goes as it is, as from Windows.
constexpr size_t kCompressedMin = 4096;

// Where one request stands in the joined message, without a payload that travels beside it.
struct Placed {
  size_t start;
  size_t size;
};

void write_header(const Request& request, size_t next_command, bool is_signed, uint8_t* to) {
  wire::Header header = request.header;
  header.next_command = static_cast<uint32_t>(next_command);
  if (is_signed) header.flags |= wire::HeaderFlags::kSigned;
  Bytes encoded;
  encoded.reserve(wire::Header::kSize);
  wire::Writer writer(encoded);
  header.encode(writer);
  std::memcpy(to, encoded.data(), wire::Header::kSize);
}

bool is_hashed(wire::Command command) {
  return command == wire::Command::kNegotiate || command == wire::Command::kSessionSetup;
}

}  // namespace

// [MS-SMB2] 3.2.4.1.1 "Signing the Message", 3.2.4.1.4 "Sending Compounded Requests", 3.2.4.1.8
// "Encrypting the Message" and 3.2.4.1.9 "Compressing the Message".
void Connection::protect_and_send(std::vector<Request> requests,
                                  const std::vector<ExchangePtr>& exchanges,
                                  const std::shared_ptr<const ChannelKeys>& keys) {
  const bool encrypt = keys && keys->ciphers && std::ranges::any_of(requests, [](const Request& r) {
                         return r.protect == Protect::kEncrypt;
                       });
  const auto is_signed = [&](const Request& request) {
    return !encrypt && keys && keys->signing && request.protect == Protect::kSign;
  };

  // The payload of the last request stays where it is; others are copied into the message.
  Buffer payload = std::move(requests.back().payload);
  Bytes message;
  std::vector<Placed> placed;
  for (size_t i = 0; i < requests.size(); ++i) {
    const size_t start = message.size();
    if (start == 0) {
      message = std::move(requests[i].message);
    } else {
      message.insert(message.end(), requests[i].message.begin(), requests[i].message.end());
    }
    const bool is_last = i + 1 == requests.size();
    if (!is_last) {
      const ByteView copied = requests[i].payload.view();
      message.insert(message.end(), copied.begin(), copied.end());
      message.resize((message.size() + 7) / 8 * 8);
    }
    placed.push_back({start, message.size() - start});
  }

  for (size_t i = 0; i < requests.size(); ++i) {
    const Request& request = requests[i];
    const bool is_last = i + 1 == requests.size();
    const MutableByteView part = MutableByteView(message).subspan(placed[i].start, placed[i].size);
    write_header(request, is_last ? 0 : placed[i].size, is_signed(request), part.data());
    if (is_signed(request)) {
      const std::array<ByteView, 1> rest = {is_last ? payload.view() : ByteView()};
      keys->signing->sign_in_place(part, rest, wire::Header::kSignatureOffset,
                                   {.message_id = request.header.message_id.value,
                                    .from_server = false,
                                    .is_cancel = request.header.command == wire::Command::kCancel});
    }
    if (i >= exchanges.size()) continue;
    Exchange& exchange = *exchanges[i];
    // The keys that sign the answers to SESSION_SETUP come with them: Session verifies those.
    exchange.expects_signature_ =
        is_signed(request) && request.header.command != wire::Command::kSessionSetup;
    exchange.expects_encryption_ = encrypt;
    exchange.keys_ = keys;
    if (is_hashed(request.header.command)) exchange.sent_.assign(part.begin(), part.end());
  }

  if (!compression_.algorithms.empty() && payload.size() >= kCompressedMin) {
    if (auto compressed = compress(message, payload.view(), compression_)) {
      ++compressed_sent_;
      message = *std::move(compressed);
      payload = {};
    }
  }
  transport::OutFrame frame;
  if (encrypt) {
    wire::TransformHeader transform;
    transform.nonce = keys->ciphers->client_to_server.next_nonce();
    transform.original_message_size = static_cast<uint32_t>(message.size() + payload.size());
    transform.flags = wire::TransformHeader::kFlagEncrypted;
    transform.session_id = keys->session_id;
    wire::Writer writer(frame.head);
    transform.encode(writer);
    const std::array<MutableByteView, 2> parts = {message, payload.view()};
    const crypto::Tag tag = keys->ciphers->client_to_server.seal(
        transform.nonce, ByteView(frame.head).subspan(wire::TransformHeader::kAuthenticatedOffset),
        parts);
    std::ranges::copy(tag, frame.head.begin() + wire::TransformHeader::kSignatureOffset);
    frame.parts.emplace_back(std::move(message));
  } else {
    frame.head = std::move(message);
  }
  if (!payload.empty()) frame.parts.emplace_back(std::move(payload));
  transport_->send(std::move(frame));
}

}  // namespace braid::client
