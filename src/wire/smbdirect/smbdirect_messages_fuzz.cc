// Packets of any bytes as each message; what decodes must survive being encoded and decoded again.
#include <algorithm>
#include <cstdlib>

#include "wire/smbdirect/messages.h"

namespace {

using namespace braid;

template <class T>
Result<T> decoded(ByteView packet) {
  wire::Reader reader(packet);
  return T::decode(reader);
}

template <class T>
Bytes encoded(const T& value) {
  Bytes out;
  wire::Writer writer(out);
  value.encode(writer);
  return out;
}

template <class T>
void round_trip(ByteView packet) {
  const auto value = decoded<T>(packet);
  if (!value) return;
  const Bytes bytes = encoded(*value);
  const auto again = decoded<T>(bytes);
  if (bytes.size() != T::kSize || !again || !(*again == *value)) std::abort();
}

void data_transfer(ByteView packet) {
  using wire::smbdirect::DataTransfer;
  const auto value = decoded<DataTransfer>(packet);
  if (!value) return;
  const ByteView data = value->data;
  if (!data.empty() && (data.data() < packet.data() + DataTransfer::kSize ||
                        data.data() + data.size() > packet.data() + packet.size())) {
    std::abort();
  }
  const Bytes bytes = encoded(*value);
  const auto again = decoded<DataTransfer>(bytes);
  if (!again || !std::ranges::equal(again->data, data) || again->flags != value->flags ||
      again->credits_requested != value->credits_requested ||
      again->credits_granted != value->credits_granted ||
      again->remaining_data_length != value->remaining_data_length) {
    std::abort();
  }
}

void channel_info(ByteView info) {
  const auto descriptors = wire::smbdirect::decode_channel_info(info);
  if (!descriptors) return;
  if (descriptors->size() * wire::smbdirect::BufferDescriptorV1::kSize != info.size() ||
      !std::ranges::equal(wire::smbdirect::encode_channel_info(*descriptors), info)) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView packet(data, size);
  round_trip<wire::smbdirect::NegotiateRequest>(packet);
  round_trip<wire::smbdirect::NegotiateResponse>(packet);
  round_trip<wire::smbdirect::BufferDescriptorV1>(packet);
  data_transfer(packet);
  channel_info(packet);
  return 0;
}
