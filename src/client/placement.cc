#include "client/placement.h"

#include <algorithm>
#include <array>

#include "client/request.h"
#include "transport/remote_memory.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::client {

namespace {

using transport::RemoteMemory;
using wire::RdmaTransformType;

// [MS-SMB2] 2.2.21 "SMB2 WRITE Request": where its fields are, of a request whose data follows.
constexpr size_t kOffsetAt = wire::Header::kSize + 8;
constexpr size_t kFlagsAt = wire::Header::kSize + 44;

wire::WriteRequest head_of(ByteView message) {
  wire::WriteRequest write;
  wire::Reader reader(message, kOffsetAt);
  write.offset = reader.u64();
  write.file_id = reader.file_id();
  reader.seek(kFlagsAt);
  write.flags = reader.u32();
  return write;
}

// What the data is protected with, as its message is; an error where it cannot be and has to.
Result<std::optional<RdmaTransformType>> protection_of(const Connection& connection,
                                                       const Request& request,
                                                       const ChannelKeys* keys) {
  const wire::RdmaTransforms& agreed = connection.rdma_transforms();
  if (request.protect == Protect::kEncrypt) {
    if (agreed.encryption && keys && keys->ciphers) return RdmaTransformType::kEncryption;
    return fail(NtStatus::kAccessDenied);
  }
  if (request.protect == Protect::kSign && agreed.signing && keys && keys->signing) {
    return RdmaTransformType::kSigning;
  }
  if ((connection.server_security_mode() & wire::SecurityMode::kSigningRequired) != 0) {
    return fail(NtStatus::kAccessDenied);
  }
  return std::nullopt;
}

// Signature and nonce of data that goes to the server.
struct Protected {
  crypto::Signature signature{};
  crypto::Nonce nonce{};
  size_t nonce_size = 0;
};

Protected encrypt(const crypto::CipherKey& key, MutableByteView data) {
  Protected result{.nonce = key.next_nonce(), .nonce_size = crypto::nonce_size(key.cipher())};
  result.signature = key.seal(result.nonce, {}, {&data, 1});
  return result;
}

Protected sign(const crypto::SigningKey& key, ByteView data, const crypto::GmacNonce& nonce) {
  Protected result{.signature = key.sign_data(data, nonce), .nonce_size = nonce.size()};
  std::ranges::copy(nonce, result.nonce.begin());
  return result;
}

template <class Body>
Bytes message_of(const Body& body) {
  Bytes message(wire::Header::kSize);
  wire::Writer writer(message, 0);
  body.encode(writer);
  return message;
}

}  // namespace

std::unique_ptr<Placement> Placement::make(Connection& connection, Request& request,
                                           const Keys& keys) {
  const bool is_read = request.header.command == wire::Command::kRead;
  if (!is_read && request.header.command != wire::Command::kWrite) return nullptr;
  RemoteMemory* const card = connection.transport().remote_memory();
  const uint32_t least = connection.options().placed_from;
  if (!card || least == 0 || connection.dialect() < wire::Dialect::kSmb300) return nullptr;
  const auto protection = protection_of(connection, request, keys.get());
  if (!protection) return nullptr;
  wire::ReadRequest read;
  if (is_read) {
    wire::Reader reader(request.message, wire::Header::kSize);
    const auto decoded = wire::ReadRequest::decode(reader);
    if (!decoded || decoded->channel != wire::Channel::kNone) return nullptr;
    read = *decoded;
  }
  const size_t size = is_read ? read.length : request.payload.size();
  if (size < least || size > card->max_transfer_size()) return nullptr;

  // A heap block stays where it is when its Buffer moves.
  Buffer data = is_read ? Buffer(size) : std::move(request.payload);
  // Before anybody reaches it.
  Protected sent;
  if (!is_read && *protection == RdmaTransformType::kEncryption) {
    sent = encrypt(keys->ciphers->client_to_server, data.view());
  } else if (!is_read && *protection == RdmaTransformType::kSigning) {
    sent = sign(*keys->signing, std::as_const(data).view(), connection.next_data_nonce());
  }
  const auto lent = card->lend(
      data.view(), is_read ? RemoteMemory::Reach::kToWrite : RemoteMemory::Reach::kToRead);
  if (!lent) {
    if (!is_read && *protection == RdmaTransformType::kEncryption) {
      (void)keys->ciphers->client_to_server.open(sent.nonce, {}, data.view(), sent.signature);
    }
    if (!is_read) request.payload = std::move(data);
    return nullptr;
  }
  const wire::Channel channel = connection.dialect() >= wire::Dialect::kSmb302
                                    ? wire::Channel::kRdmaV1Invalidate
                                    : wire::Channel::kRdmaV1;
  const Bytes descriptors = wire::smbdirect::encode_channel_info(std::array{*lent});
  if (is_read) {
    read.channel = channel;
    read.read_channel_info = descriptors;
    request.message = message_of(read);
  } else {
    Bytes transform;
    wire::WriteRequest write = head_of(request.message);
    write.remaining_bytes = static_cast<uint32_t>(size);
    if (*protection) {
      wire::Writer writer(transform);
      wire::RdmaTransform{.channel = channel,
                          .crypto_transform = {**protection, sent.signature,
                                               ByteView(sent.nonce).first(sent.nonce_size)},
                          .rdma_descriptors = descriptors}
          .encode(writer);
    }
    write.channel = *protection ? wire::Channel::kRdmaTransform : channel;
    write.write_channel_info = *protection ? transform : descriptors;
    request.message = message_of(write);
    request.payload = Buffer();
  }
  return std::unique_ptr<Placement>(new Placement(connection.shared_from_this(), std::move(data),
                                                  lent->token, *protection, keys));
}

void Placement::take_back() {
  if (!token_) return;
  connection_->transport().remote_memory()->take_back(*token_);
  token_.reset();
}

Result<void> Placement::unprotect(const Response& response, const wire::ReadResponse& read) {
  const bool is_said = (read.flags & wire::ReadResponseFlags::kRdmaTransform) != 0;
  if (is_said != is_protected()) return fail(Error::malformed());
  if (!is_said) return {};
  wire::Reader reader(read.data);
  BRAID_TRY(const auto transform, wire::RdmaTransform::decode(reader));
  const auto& [type, signature, nonce] = transform.crypto_transform;
  const bool is_encryption = type == RdmaTransformType::kEncryption;
  if (type != *protection_ || !(is_encryption ? response.was_encrypted : response.was_verified)) {
    return fail(Error::malformed());
  }
  const MutableByteView data = data_->view().first(read.data_remaining);
  if (is_encryption) {
    const crypto::CipherKey& key = keys_->ciphers->server_to_client;
    crypto::Nonce whole{};
    if (nonce.size() != crypto::nonce_size(key.cipher())) return fail(Error::malformed());
    std::ranges::copy(nonce, whole.begin());
    return key.open(whole, {}, data, signature) ? Result<void>() : fail(NtStatus::kAuthTagMismatch);
  }
  crypto::GmacNonce whole{};
  if (nonce.size() != whole.size()) return fail(Error::malformed());
  std::ranges::copy(nonce, whole.begin());
  return crypto::equal_constant_time(keys_->signing->sign_data(data, whole), signature)
             ? Result<void>()
             : fail(NtStatus::kInvalidSignature);
}

Result<Response> Placement::finish(Result<Response> response) {
  // It must not change any more when it is looked at.
  take_back();
  if (!response || response->header.command != wire::Command::kRead ||
      !has_body(response->status())) {
    return response;
  }
  BRAID_TRY(const auto read, response->body<wire::ReadResponse>());
  if (read.data_remaining > data_->size()) return fail(Error::malformed());
  BRAID_CHECK(unprotect(*response, read));
  response->placed = std::as_const(*data_).view().first(read.data_remaining);
  response->placed_owner = data_;
  return response;
}

}  // namespace braid::client
