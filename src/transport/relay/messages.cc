#include "transport/relay/messages.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "transport/smbdirect/lobby.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::transport::relay {
namespace {

using Status = smbdirect::QueuePair::Status;
using smbdirect::Lobby;
// Beside that, the numbers and two addresses.
static_assert(Lobby::kHeardBytesMax + 4 * Lobby::kHeardPacketsMax + 512 <= kMessageMax);

// A number that may be missing.
void encode_optional(wire::Writer& writer, const std::optional<uint32_t>& value) {
  writer.u32(value ? 1 : 0);
  writer.u32(value.value_or(0));
}
std::optional<uint32_t> decode_optional(wire::Reader& reader) {
  const uint32_t is_there = reader.u32();
  const uint32_t value = reader.u32();
  reader.expect(is_there <= 1 && (is_there == 1 || value == 0));
  if (is_there == 0) return std::nullopt;
  return value;
}

void encode_address(wire::Writer& writer, const SocketAddress& address) {
  writer.u32(address.size());
  writer.bytes({reinterpret_cast<const uint8_t*>(address.data()), address.size()});
}
SocketAddress decode_address(wire::Reader& reader) {
  const uint32_t size = reader.u32();
  reader.expect(size <= sizeof(sockaddr_storage));
  const ByteView bytes = reader.bytes(size);
  sockaddr_storage storage{};
  if (!reader.ok() || bytes.empty()) return {};
  std::memcpy(&storage, bytes.data(), bytes.size());
  const size_t whole = storage.ss_family == AF_INET    ? sizeof(sockaddr_in)
                       : storage.ss_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                       : SIZE_MAX;
  reader.expect(size >= whole);
  if (!reader.ok()) return {};
  return {reinterpret_cast<const sockaddr*>(&storage), static_cast<socklen_t>(size)};
}

}  // namespace

Bytes Order::encode() const {
  Bytes bytes;
  wire::Writer writer(bytes);
  writer.u32(static_cast<uint32_t>(kind));
  writer.u32(pair);
  writer.u64(at);
  writer.u32(size);
  encode_optional(writer, invalidate);
  writer.u64(remote.offset);
  writer.u32(remote.token);
  writer.u32(remote.length);
  return bytes;
}

Result<Order> Order::decode(ByteView message) {
  wire::Reader reader(message);
  Order order;
  const uint32_t kind = reader.u32();
  reader.expect(kind >= static_cast<uint32_t>(Kind::kReceive) &&
                kind <= static_cast<uint32_t>(Kind::kRelease));
  order.kind = static_cast<Kind>(kind);
  order.pair = reader.u32();
  order.at = reader.u64();
  order.size = reader.u32();
  order.invalidate = decode_optional(reader);
  order.remote.offset = reader.u64();
  order.remote.token = reader.u32();
  order.remote.length = reader.u32();
  reader.expect(reader.remaining() == 0);
  return reader.finish(order);
}

Bytes Notice::encode() const {
  Bytes bytes;
  wire::Writer writer(bytes);
  writer.u32(static_cast<uint32_t>(kind));
  writer.u32(pair);
  writer.u32(static_cast<uint32_t>(status));
  writer.u32(size);
  encode_optional(writer, invalidated);
  encode_address(writer, local);
  encode_address(writer, peer);
  writer.u32(static_cast<uint32_t>(heard.size()));
  for (const Bytes& packet : heard) {
    writer.u32(static_cast<uint32_t>(packet.size()));
    writer.bytes(packet);
  }
  return bytes;
}

Result<Notice> Notice::decode(ByteView message) {
  wire::Reader reader(message);
  Notice notice;
  const uint32_t kind = reader.u32();
  reader.expect(kind >= static_cast<uint32_t>(Kind::kListening) &&
                kind <= static_cast<uint32_t>(Kind::kReleased));
  notice.kind = static_cast<Kind>(kind);
  notice.pair = reader.u32();
  const uint32_t status = reader.u32();
  reader.expect(status <= static_cast<uint32_t>(Status::kRemoteRefused));
  notice.status = static_cast<Status>(status);
  notice.size = reader.u32();
  notice.invalidated = decode_optional(reader);
  notice.local = decode_address(reader);
  notice.peer = decode_address(reader);
  const uint32_t count = reader.u32();
  reader.expect(count <= Lobby::kHeardPacketsMax);
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    const ByteView packet = reader.bytes(reader.u32());
    notice.heard.emplace_back(packet.begin(), packet.end());
  }
  reader.expect(reader.remaining() == 0);
  return reader.finish(std::move(notice));
}

}  // namespace braid::transport::relay
