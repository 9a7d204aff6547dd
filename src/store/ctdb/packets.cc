#include "store/ctdb/packets.h"

#include <algorithm>
#include <bit>

namespace braid::store::ctdb {

using wire::Reader;
using wire::Writer;

static_assert(std::endian::native == std::endian::little);

namespace {

constexpr uint32_t kMagic = 0x43544442;
constexpr uint32_t kVersion = 1;
constexpr size_t kEndpointSize = 28;
constexpr uint16_t kFamilyV4 = 2;
constexpr uint16_t kFamilyV6 = 10;
// More than any cluster has, and than a packet has room for.
constexpr uint32_t kListMax = 1024;

// A count, and so many entries of `size` bytes each.
Result<uint32_t> count_of(Reader& r, size_t size) {
  const uint32_t count = r.u32();
  if (!r.ok()) return fail(r.error());
  if (count > kListMax) return fail(Error::malformed());
  if (r.remaining() < uint64_t{count} * size) return fail(Error::truncated());
  return count;
}

}  // namespace

Result<Header> Header::decode(Reader& r) {
  Header header;
  header.length = r.u32();
  r.expect(r.u32() == kMagic);
  if (r.u32() != kVersion) r.fail(Error::unsupported());
  header.generation = r.u32();
  header.operation = r.as<Operation>();
  header.destination = r.u32();
  header.source = r.u32();
  header.request_id = r.u32();
  r.expect(header.length >= kHeaderSize && header.length <= kPacketMax);
  return r.finish(header);
}

void Header::encode(Writer& w) const {
  w.u32(length);
  w.u32(kMagic);
  w.u32(kVersion);
  w.u32(generation);
  w.value(operation);
  w.u32(destination);
  w.u32(source);
  w.u32(request_id);
}

Result<Call> Call::decode(Reader& r) {
  Call call;
  call.flags = r.u32();
  call.database = r.u32();
  call.function = r.u32();
  call.hops = r.u32();
  const uint32_t key = r.u32();
  const uint32_t data = r.u32();
  call.key = r.bytes(key);
  call.data = r.bytes(data);
  return r.finish(call);
}

void Call::encode(Writer& w) const {
  w.u32(flags);
  w.u32(database);
  w.u32(function);
  w.u32(hops);
  w.u32(static_cast<uint32_t>(key.size()));
  w.u32(static_cast<uint32_t>(data.size()));
  w.bytes(key);
  w.bytes(data);
}

Result<CallReply> CallReply::decode(Reader& r) {
  CallReply reply;
  reply.status = r.u32();
  reply.data = r.bytes(r.u32());
  return r.finish(reply);
}

void CallReply::encode(Writer& w) const {
  w.u32(status);
  w.u32(static_cast<uint32_t>(data.size()));
  w.bytes(data);
}

Result<ErrorReply> ErrorReply::decode(Reader& r) {
  ErrorReply reply;
  reply.status = r.u32();
  reply.text = r.bytes(r.u32());
  return r.finish(reply);
}

void ErrorReply::encode(Writer& w) const {
  w.u32(status);
  w.u32(static_cast<uint32_t>(text.size()));
  w.bytes(text);
}

Result<Message> Message::decode(Reader& r) {
  Message message;
  message.to = r.u64();
  message.payload = r.bytes(r.u32());
  return r.finish(message);
}

void Message::encode(Writer& w) const {
  w.u64(to);
  w.u32(static_cast<uint32_t>(payload.size()));
  w.bytes(payload);
}

Result<ControlRequest> ControlRequest::decode(Reader& r) {
  ControlRequest request;
  request.control = r.as<Control>();
  r.skip(4);
  request.number = r.u64();
  r.skip(4);  // who asks, as ctdbds tell each other
  request.flags = r.u32();
  request.data = r.bytes(r.u32());
  return r.finish(request);
}

void ControlRequest::encode(Writer& w) const {
  w.value(control);
  w.u32(0);
  w.u64(number);
  w.u32(0);
  w.u32(flags);
  w.u32(static_cast<uint32_t>(data.size()));
  w.bytes(data);
}

Result<ControlReply> ControlReply::decode(Reader& r) {
  ControlReply reply;
  reply.status = static_cast<int32_t>(r.u32());
  const uint32_t data = r.u32();
  const uint32_t text = r.u32();
  reply.data = r.bytes(data);
  reply.text = r.bytes(text);
  return r.finish(reply);
}

void ControlReply::encode(Writer& w) const {
  w.u32(static_cast<uint32_t>(status));
  w.u32(static_cast<uint32_t>(data.size()));
  w.u32(static_cast<uint32_t>(text.size()));
  w.bytes(data);
  w.bytes(text);
}

Result<Endpoint> Endpoint::decode(Reader& whole) {
  Reader r(whole.bytes(kEndpointSize));
  if (!whole.ok()) return fail(whole.error());
  Endpoint endpoint;
  const uint16_t family = r.u16();
  endpoint.port = r.u16_be();
  if (family == kFamilyV4) {
    endpoint.address = IpAddress(r.bytes(4));
  } else if (family == kFamilyV6) {
    r.skip(4);  // flow
    const ByteView bytes = r.bytes(16);
    endpoint.address = IpAddress(bytes, r.u32());
  } else {
    whole.fail(Error::unsupported());
  }
  return whole.finish(endpoint);
}

void Endpoint::encode(Writer& w) const {
  const size_t begin = w.position();
  w.u16(address.is_v4() ? kFamilyV4 : kFamilyV6);
  w.u16_be(port);
  if (!address.is_v4()) w.u32(0);
  w.bytes(address.bytes());
  if (!address.is_v4()) w.u32(address.scope_id());
  w.zeros(kEndpointSize - (w.position() - begin));
}

Result<std::vector<Node>> decode_nodes(ByteView data) {
  Reader r(data);
  BRAID_TRY(const uint32_t count, count_of(r, 8 + kEndpointSize));
  std::vector<Node> nodes;
  for (uint32_t i = 0; i < count; ++i) {
    Node node;
    node.pnn = r.u32();
    node.flags = r.u32();
    BRAID_TRY(node.endpoint, Endpoint::decode(r));
    if (std::ranges::count(nodes, node.pnn, &Node::pnn) != 0) return fail(Error::malformed());
    nodes.push_back(node);
  }
  return nodes;
}

void encode_nodes(Writer& w, const std::vector<Node>& nodes) {
  w.u32(static_cast<uint32_t>(nodes.size()));
  for (const Node& node : nodes) {
    w.u32(node.pnn);
    w.u32(node.flags);
    node.endpoint.encode(w);
  }
}

Result<std::vector<PublicAddress>> decode_public_addresses(ByteView data) {
  Reader r(data);
  BRAID_TRY(const uint32_t count, count_of(r, 4 + kEndpointSize));
  std::vector<PublicAddress> addresses;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t pnn = r.u32();
    BRAID_TRY(const Endpoint endpoint, Endpoint::decode(r));
    addresses.push_back({pnn, endpoint.address});
  }
  return addresses;
}

void encode_public_addresses(Writer& w, const std::vector<PublicAddress>& addresses) {
  w.u32(static_cast<uint32_t>(addresses.size()));
  for (const PublicAddress& each : addresses) {
    w.u32(each.pnn);
    Endpoint{each.address, 0}.encode(w);
  }
}

Result<TcpConnection> TcpConnection::decode(Reader& r) {
  TcpConnection connection;
  BRAID_TRY(connection.client, Endpoint::decode(r));
  BRAID_TRY(connection.server, Endpoint::decode(r));
  return connection;
}

void TcpConnection::encode(Writer& w) const {
  client.encode(w);
  server.encode(w);
}

Result<RecordHeader> RecordHeader::decode(Reader& r) {
  RecordHeader header;
  header.rsn = r.u64();
  header.dmaster = r.u32();
  r.skip(4);
  header.flags = r.u32();
  r.skip(4);
  return r.finish(header);
}

void RecordHeader::encode(Writer& w) const {
  w.u64(rsn);
  w.u32(dmaster);
  w.u32(0);
  w.u32(flags);
  w.u32(0);
}

Result<Deletion> Deletion::decode(Reader& r) {
  Deletion deletion;
  deletion.database = r.u32();
  r.skip(4);  // to where a number of 64 bits begins
  BRAID_TRY(deletion.header, RecordHeader::decode(r));
  deletion.key = r.bytes(r.u32());
  return r.finish(deletion);
}

void Deletion::encode(Writer& w) const {
  w.u32(database);
  w.u32(0);
  header.encode(w);
  w.u32(static_cast<uint32_t>(key.size()));
  w.bytes(key);
}

Result<TunableName> TunableName::decode(Reader& r) {
  const ByteView text = r.bytes(r.u32());
  if (!r.ok()) return fail(r.error());
  BRAID_TRY(std::string name, decode_text(text));
  return TunableName{std::move(name)};
}

void TunableName::encode(Writer& w) const {
  w.u32(static_cast<uint32_t>(name.size() + 1));
  w.bytes(as_bytes(name));
  w.u8(0);
}

Result<uint32_t> decode_number(ByteView data) {
  Reader r(data);
  const uint32_t number = r.u32();
  return r.finish(number);
}

Result<std::string> decode_text(ByteView data) {
  const auto end = std::ranges::find(data, uint8_t{0});
  if (end == data.end()) return fail(Error::malformed());
  return std::string(data.begin(), end);
}

std::optional<IpAddress> decode_address_text(ByteView payload) {
  const auto text = decode_text(payload);
  return text ? IpAddress::parse(*text) : std::nullopt;
}

MutableByteView PacketReader::space() {
  if (begin_ != 0) {
    std::copy(buffer_.begin() + static_cast<ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  // What a packet says of its length is bounded by next(), so no more than that is ever kept.
  if (buffer_.size() < end_ + kRoom) buffer_.resize(end_ + kRoom);
  return MutableByteView(buffer_).subspan(end_);
}

Result<std::optional<ByteView>> PacketReader::next() {
  const ByteView there = ByteView(buffer_).subspan(begin_, end_ - begin_);
  if (there.size() < kHeaderSize) return std::nullopt;
  Reader r(there);
  BRAID_TRY(const Header header, Header::decode(r));
  if (there.size() < header.length) return std::nullopt;
  begin_ += header.length;
  return there.first(header.length);
}

}  // namespace braid::store::ctdb
