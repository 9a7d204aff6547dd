#include "wire/smb2/rdma_transform.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {
namespace {

constexpr size_t kCryptoFixedSize = 8;
constexpr uint64_t kDescriptorBoundary = 8;

uint64_t behind(const RdmaCryptoTransform& crypto) {
  const uint64_t end = uint64_t{RdmaTransform::kSize} + kCryptoFixedSize + crypto.signature.size() +
                       crypto.nonce.size();
  return (end + kDescriptorBoundary - 1) / kDescriptorBoundary * kDescriptorBoundary;
}

RdmaCryptoTransform decode_crypto(Reader& r) {
  RdmaCryptoTransform crypto;
  crypto.transform_type = r.as<RdmaTransformType>();
  r.expect(crypto.transform_type == RdmaTransformType::kEncryption ||
           crypto.transform_type == RdmaTransformType::kSigning);
  const uint16_t signature_length = r.u16();
  const uint16_t nonce_length = r.u16();
  r.skip(2);
  crypto.signature = r.bytes(signature_length);
  crypto.nonce = r.bytes(nonce_length);
  return crypto;
}

}  // namespace

Result<RdmaTransform> RdmaTransform::decode(Reader& r) {
  RdmaTransform transform;
  const uint16_t offset = r.u16();
  const uint16_t length = r.u16();
  transform.channel = r.as<Channel>();
  r.expect(r.u16() == 1);
  r.skip(2 + 4);
  transform.crypto_transform = decode_crypto(r);
  switch (transform.channel) {
    case Channel::kNone:
      break;
    case Channel::kRdmaV1:
    case Channel::kRdmaV1Invalidate:
      r.expect(offset == behind(transform.crypto_transform));
      transform.rdma_descriptors = r.at(offset, length);
      break;
    default:
      r.fail(Error::malformed());
  }
  return r.finish(transform);
}

void RdmaTransform::encode(Writer& w) const {
  const bool has_descriptors = channel != Channel::kNone;
  w.u16(has_descriptors ? narrow_u16(behind(crypto_transform)) : uint16_t{0});
  w.u16(narrow_u16(rdma_descriptors.size()));
  w.value(channel);
  w.u16(1);
  w.u16(0);
  w.u32(0);
  w.value(crypto_transform.transform_type);
  w.u16(narrow_u16(crypto_transform.signature.size()));
  w.u16(narrow_u16(crypto_transform.nonce.size()));
  w.u16(0);
  w.bytes(crypto_transform.signature);
  w.bytes(crypto_transform.nonce);
  if (!has_descriptors) return;
  w.align(8);
  w.bytes(rdma_descriptors);
}

}  // namespace braid::wire
