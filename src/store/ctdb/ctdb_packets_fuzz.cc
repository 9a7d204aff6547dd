// What a ctdbd sends, which may be what another node made.
#include <algorithm>
#include <cstdlib>

#include "store/ctdb/drain_notice.h"
#include "store/ctdb/packets.h"

namespace braid::store::ctdb {
namespace {

template <class T>
Bytes encoded(const T& value) {
  Bytes bytes;
  wire::Writer w(bytes);
  value.encode(w);
  return bytes;
}

// What was decoded says the same when it is encoded and decoded again.
template <class T>
void check(ByteView bytes) {
  wire::Reader r(bytes);
  const auto value = T::decode(r);
  if (!value) return;
  const Bytes once = encoded(*value);
  wire::Reader second(once);
  const auto again = T::decode(second);
  if (!again || encoded(*again) != once) std::abort();
}

void check_packet(ByteView packet) {
  if (packet.size() < kHeaderSize || packet.size() > kPacketMax) std::abort();
  const ByteView body = packet.subspan(kHeaderSize);
  check<Call>(body);
  check<CallReply>(body);
  check<ErrorReply>(body);
  check<Message>(body);
  check<ControlRequest>(body);
  check<ControlReply>(body);
  wire::Reader r(body);
  const auto reply = ControlReply::decode(r);
  if (!reply) return;
  check<TcpConnection>(reply->data);
  check<RecordHeader>(reply->data);
  check<Deletion>(reply->data);
  check<TunableName>(reply->data);
  check<DrainNotice>(reply->data);
  static_cast<void>(decode_number(reply->data));
  static_cast<void>(decode_text(reply->data));
  static_cast<void>(decode_address_text(reply->data));
  if (const auto nodes = decode_nodes(reply->data)) {
    Bytes again;
    wire::Writer w(again);
    encode_nodes(w, *nodes);
    if (decode_nodes(again) != *nodes) std::abort();
  }
  if (const auto addresses = decode_public_addresses(reply->data)) {
    Bytes again;
    wire::Writer w(again);
    encode_public_addresses(w, *addresses);
    if (decode_public_addresses(again) != *addresses) std::abort();
  }
}

}  // namespace
}  // namespace braid::store::ctdb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  using namespace braid::store::ctdb;
  // The first byte says in how large pieces it comes.
  if (size == 0) return 0;
  const size_t piece = 1 + size_t{data[0]} * 16;
  ByteView left(data + 1, size - 1);
  PacketReader reader;
  while (!left.empty()) {
    const MutableByteView space = reader.space();
    const size_t count = std::min({piece, left.size(), space.size()});
    if (count == 0) std::abort();
    std::copy_n(left.begin(), count, space.begin());
    reader.received(count);
    left = left.subspan(count);
    for (;;) {
      const auto packet = reader.next();
      if (!packet) return 0;
      if (!*packet) break;
      check_packet(**packet);
    }
  }
  return 0;
}
