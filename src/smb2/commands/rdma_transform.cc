#include "smb2/commands/rdma_transform.h"

#include <algorithm>

#include "crypto/sealing.h"
#include "crypto/signing.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {
namespace {

using Type = wire::RdmaTransformType;

Bytes encoded(Type type, ByteView signature, ByteView nonce) {
  Bytes out;
  wire::Writer writer(out);
  wire::RdmaTransform{.crypto_transform = {type, signature, nonce}}.encode(writer);
  return out;
}

}  // namespace

// The ciphers authenticate the data alone: nothing else is said to go in.
Bytes protect_placed(const Request& request, Type type, MutableByteView data) {
  if (type == Type::kEncryption) {
    const crypto::CipherKey& key = *request.session->security()->encryption_key;
    const crypto::Nonce nonce = key.next_nonce();
    const crypto::Tag tag = key.seal(nonce, {}, {&data, 1});
    return encoded(type, tag, ByteView(nonce).first(crypto::nonce_size(key.cipher())));
  }
  // A request has one READ, and so its number signs data once.
  const crypto::GmacNonce nonce = crypto::gmac_nonce(
      {.message_id = request.header.message_id.value, .from_server = true, .is_data = true});
  return encoded(type, request.channel->signing_key->sign_data(data, nonce), nonce);
}

Result<void> check_sizes(const Request& request, const wire::RdmaCryptoTransform& transform) {
  const bool is_whole = transform.signature.size() == crypto::kSignatureSize;
  if (transform.transform_type == Type::kEncryption) {
    const crypto::Cipher cipher = request.session->security()->decryption_key->cipher();
    if (is_whole && transform.nonce.size() == crypto::nonce_size(cipher)) return {};
    return fail(NtStatus::kAuthTagMismatch);
  }
  if (is_whole && transform.nonce.size() == crypto::GmacNonce{}.size()) return {};
  return fail(NtStatus::kInvalidSignature);
}

Result<void> unprotect_placed(const Request& request, const wire::RdmaCryptoTransform& transform,
                              MutableByteView data) {
  if (transform.transform_type == Type::kEncryption) {
    crypto::Nonce nonce{};
    std::ranges::copy(transform.nonce, nonce.begin());
    const auto opened =
        request.session->security()->decryption_key->open(nonce, {}, data, transform.signature);
    return opened ? Result<void>() : fail(NtStatus::kAuthTagMismatch);
  }
  crypto::GmacNonce nonce{};
  std::ranges::copy(transform.nonce, nonce.begin());
  if (request.channel->signing_key->verify_data(data, nonce, transform.signature)) return {};
  return fail(NtStatus::kInvalidSignature);
}

}  // namespace braid::smb2
