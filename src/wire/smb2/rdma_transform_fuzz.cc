// Any bytes as what goes with protected data; what decodes lies within them and survives being
// encoded and decoded again.
#include <algorithm>
#include <cstdlib>

#include "wire/smb2/rdma_transform.h"
#include "wire/smbdirect/messages.h"

namespace {

using namespace braid;

bool is_within(ByteView part, ByteView whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

bool are_equal(const wire::RdmaTransform& a, const wire::RdmaTransform& b) {
  return a.channel == b.channel &&
         a.crypto_transform.transform_type == b.crypto_transform.transform_type &&
         std::ranges::equal(a.crypto_transform.signature, b.crypto_transform.signature) &&
         std::ranges::equal(a.crypto_transform.nonce, b.crypto_transform.nonce) &&
         std::ranges::equal(a.rdma_descriptors, b.rdma_descriptors);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView whole(data, size);
  wire::Reader reader(whole);
  const auto transform = wire::RdmaTransform::decode(reader);
  if (!transform) return 0;
  if (!is_within(transform->crypto_transform.signature, whole) ||
      !is_within(transform->crypto_transform.nonce, whole) ||
      !is_within(transform->rdma_descriptors, whole)) {
    std::abort();
  }
  Bytes bytes;
  wire::Writer writer(bytes);
  transform->encode(writer);
  wire::Reader second(bytes);
  const auto again = wire::RdmaTransform::decode(second);
  if (!again || !are_equal(*again, *transform)) std::abort();
  (void)wire::smbdirect::decode_channel_info(transform->rdma_descriptors);
  return 0;
}
