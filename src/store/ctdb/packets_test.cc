// The bytes are what ctdbd 4.17.12 of Debian sent and took, on a cluster of three nodes.
#include "store/ctdb/packets.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"

namespace braid::store::ctdb {
namespace {

using wire::Reader;
using wire::Writer;

template <class Body>
struct Received {
  Header header;
  Body body;
};

template <class Body>
Result<Received<Body>> decode(ByteView bytes) {
  Reader r(bytes);
  BRAID_TRY(const Header header, Header::decode(r));
  BRAID_TRY(const Body body, Body::decode(r));
  return Received<Body>{header, body};
}

// Whatever is missing at its end, it is an error and no other value.
template <class Body>
void expect_whole_only(ByteView bytes) {
  for (size_t size = 0; size < bytes.size(); ++size) {
    Reader r(bytes.first(size));
    if (!Header::decode(r)) continue;
    const auto body = Body::decode(r);
    ASSERT_FALSE(body) << size;
    EXPECT_EQ(body.error(), Error::truncated()) << size;
  }
}

TEST(CtdbPackets, ControlIsWhatCtdbdTakes) {
  const Bytes asked = packet(Header{.operation = Operation::kControl, .request_id = 1},
                             ControlRequest{.control = Control::kGetPnn});
  // 60 bytes were taken; up to a multiple of 8 is how ctdbd says it itself.
  EXPECT_EQ(asked, unhex("40000000 42445443 01000000 00000000 07000000 010000f0 00000000 01000000"
                         "23000000 00000000 0000000000000000 00000000 00000000 00000000 00000000"));
  const auto request = decode<ControlRequest>(asked);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->body.control, Control::kGetPnn);
  EXPECT_EQ(request->header.destination, kThisNode);
}

TEST(CtdbPackets, RegistrationAndNumber) {
  const Bytes asked =
      packet(Header{.operation = Operation::kControl, .request_id = 8},
             ControlRequest{.control = Control::kRegister, .number = 0xAE00000000000001});
  EXPECT_EQ(asked, unhex("40000000 42445443 01000000 00000000 07000000 010000f0 00000000 08000000"
                         "17000000 00000000 01000000000000ae 00000000 00000000 00000000 00000000"));
}

TEST(CtdbPackets, ControlReplySaysANumberByItsStatus) {
  const Bytes bytes = unhex(
      "30000000 42445443 01000000 611ce524 08000000 00000000 00000000 16000000"
      "02000000 00000000 00000000 00000000");
  const auto reply = decode<ControlReply>(bytes);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->header.length, 48u);
  EXPECT_EQ(reply->header.generation, 0x24e51c61u);
  EXPECT_EQ(reply->header.operation, Operation::kControlReply);
  EXPECT_EQ(reply->header.request_id, 0x16u);
  EXPECT_EQ(reply->body.status, 2);
  EXPECT_TRUE(reply->body.data.empty());
}

TEST(CtdbPackets, ControlReplyOfANodeThatIsNotThere) {
  const Bytes bytes = unhex(
      "50000000 42445443 01000000 611ce524 08000000 00000000 00000000 17000000"
      "ffffffff 00000000 21000000"
      "637464625f636f6e74726f6c20746f20646973636f6e6e6563746564206e6f6465 000000");
  const auto reply = decode<ControlReply>(bytes);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->body.status, -1);
  EXPECT_EQ(as_text(reply->body.text), "ctdb_control to disconnected node");
  expect_whole_only<ControlReply>(ByteView(bytes).first(bytes.size() - 3));
}

TEST(CtdbPackets, NodeMap) {
  const Bytes data = unhex(
      "03000000"
      "00000000 02000000 0200 111b 0a630001 0000000000000000000000000000000000000000"
      "01000000 02000000 0200 111b 0a630002 0000000000000000000000000000000000000000"
      "02000000 02000000 0200 111b 0a630003 0000000000000000000000000000000000000000");
  const auto nodes = decode_nodes(data);
  ASSERT_TRUE(nodes);
  ASSERT_EQ(nodes->size(), 3u);
  EXPECT_EQ((*nodes)[2], (Node{2, Node::kUnhealthy, {*IpAddress::parse("10.99.0.3"), 4379}}));
  EXPECT_TRUE((*nodes)[2].is_active());
  Bytes again;
  Writer w(again);
  encode_nodes(w, *nodes);
  EXPECT_EQ(again, data);
  for (size_t size = 0; size < data.size(); ++size) {
    EXPECT_EQ(decode_nodes(ByteView(data).first(size)).error(), Error::truncated());
  }
}

TEST(CtdbPackets, NodeMapThatNoCtdbdMakes) {
  EXPECT_EQ(decode_nodes(unhex("ffffffff")).error(), Error::malformed());
  EXPECT_EQ(decode_nodes(unhex("00040000")).error(), Error::truncated());
  const Bytes twice = unhex(
      "02000000"
      "01000000 02000000 0200 111b 0a630002 0000000000000000000000000000000000000000"
      "01000000 02000000 0200 111b 0a630003 0000000000000000000000000000000000000000");
  EXPECT_EQ(decode_nodes(twice).error(), Error::malformed());
  const Bytes no_family = unhex(
      "01000000 01000000 02000000 0100 111b 0a630002 0000000000000000000000000000000000000000");
  EXPECT_EQ(decode_nodes(no_family).error(), Error::unsupported());
}

TEST(CtdbPackets, NodesThatHaveNoRecords) {
  for (const uint32_t flag : {Node::kDisconnected, Node::kBanned, Node::kDeleted, Node::kStopped}) {
    EXPECT_FALSE((Node{.flags = flag | Node::kUnhealthy}).is_active()) << flag;
  }
  EXPECT_TRUE((Node{.flags = Node::kDisabled}).is_active());
}

TEST(CtdbPackets, PublicAddresses) {
  const Bytes data = unhex(
      "03000000"
      "ffffffff 0200 0000 0a620067 0000000000000000000000000000000000000000"
      "01000000 0200 0000 0a620066 0000000000000000000000000000000000000000"
      "02000000 0200 0000 0a620065 0000000000000000000000000000000000000000");
  const auto addresses = decode_public_addresses(data);
  ASSERT_TRUE(addresses);
  ASSERT_EQ(addresses->size(), 3u);
  EXPECT_EQ((*addresses)[0], (PublicAddress{kNoNode, *IpAddress::parse("10.98.0.103")}));
  EXPECT_EQ((*addresses)[1], (PublicAddress{1, *IpAddress::parse("10.98.0.102")}));
  Bytes again;
  Writer w(again);
  encode_public_addresses(w, *addresses);
  EXPECT_EQ(again, data);
  for (size_t size = 0; size < data.size(); ++size) {
    EXPECT_EQ(decode_public_addresses(ByteView(data).first(size)).error(), Error::truncated());
  }
}

TEST(CtdbPackets, AddressesOfBothFamilies) {
  const Bytes bytes = unhex("0a00 01bd 00000000 fe800000000000000000000000000002 03000000");
  Reader r(bytes);
  const auto endpoint = Endpoint::decode(r);
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->port, 445);
  EXPECT_EQ(endpoint->address.scope_id(), 3u);
  Bytes again;
  Writer w(again);
  endpoint->encode(w);
  EXPECT_EQ(again, bytes);
}

TEST(CtdbPackets, DatabaseAndItsFile) {
  const Bytes database = unhex(
      "30000000 42445443 01000000 611ce524 08000000 00000000 00000000 05000000"
      "00000000 04000000 00000000 e7e69e2b");
  const auto reply = decode<ControlReply>(database);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->body.data.size(), 4u);
  const Bytes file = unhex(
      "58000000 42445443 01000000 611ce524 08000000 00000000 00000000 06000000"
      "00000000 28000000 00000000"
      "2f7661722f6c69622f637464622f766f6c6174696c652f62726169645f746573742e7464622e3000"
      "00000000");
  const auto path = decode<ControlReply>(file);
  ASSERT_TRUE(path);
  EXPECT_EQ(*decode_text(path->body.data), "/var/lib/ctdb/volatile/braid_test.tdb.0");
  EXPECT_EQ(decode_text(as_bytes("no end")).error(), Error::malformed());
}

TEST(CtdbPackets, CallAndItsReply) {
  const Bytes key = unhex("6b65792d6f6e6500");
  const Bytes asked = packet(Header{.operation = Operation::kCall, .request_id = 9},
                             Call{.database = 0x2b9ee6e7, .key = key});
  EXPECT_EQ(asked, unhex("40000000 42445443 01000000 00000000 00000000 010000f0 00000000 09000000"
                         "01000000 e7e69e2b 010000ff 00000000 08000000 00000000 6b65792d6f6e6500"));
  expect_whole_only<Call>(asked);
  const Bytes answered = unhex(
      "30000000 42445443 01000000 611ce524 01000000 00000000 00000000 09000000"
      "00000000 00000000 00000000 00000000");
  const auto reply = decode<CallReply>(answered);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->body.status, 0u);
  // One that was asked for the header of the record.
  const Bytes with_header = unhex(
      "40000000 42445443 01000000 611ce524 01000000 00000000 00000000 0a000000"
      "00000000 18000000 0300000000000000 00000000 00000000 00000000 00000000");
  const auto fetched = decode<CallReply>(with_header);
  ASSERT_TRUE(fetched);
  Reader r(fetched->body.data);
  EXPECT_EQ(*RecordHeader::decode(r), (RecordHeader{.rsn = 3, .dmaster = 0}));
  expect_whole_only<CallReply>(with_header);
}

TEST(CtdbPackets, Messages) {
  const Bytes bytes = unhex(
      "38000000 42445443 01000000 611ce524 05000000 00000000 00000000 00000000"
      "01000000000000ae 05000000 68656c6c6f 00000000000000");
  const auto message = decode<Message>(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->body.to, 0xAE00000000000001u);
  EXPECT_EQ(as_text(message->body.payload), "hello");
  expect_whole_only<Message>(ByteView(bytes).first(bytes.size() - 7));
}

TEST(CtdbPackets, EventOfAnAddress) {
  const Bytes bytes = unhex(
      "38000000 42445443 01000000 611ce524 05000000 00000000 00000000 00000000"
      "00000000000000f3 0c000000 31302e39382e302e31303300");
  const auto message = decode<Message>(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->body.to, kAddressReleased);
  EXPECT_EQ(decode_address_text(message->body.payload), IpAddress::parse("10.98.0.103"));
  EXPECT_EQ(decode_address_text(as_bytes("10.98.0.103")), std::nullopt);
  EXPECT_EQ(decode_address_text(unhex("3130303000")), std::nullopt);
}

TEST(CtdbPackets, ConnectionOfAClient) {
  const Bytes bytes = unhex(
      "0200 0fa1 0a6200fe 0000000000000000000000000000000000000000"
      "0200 01bd 0a620067 0000000000000000000000000000000000000000");
  Reader r(bytes);
  const auto connection = TcpConnection::decode(r);
  ASSERT_TRUE(connection);
  EXPECT_EQ(connection->client, (Endpoint{*IpAddress::parse("10.98.0.254"), 4001}));
  EXPECT_EQ(connection->server, (Endpoint{*IpAddress::parse("10.98.0.103"), 445}));
  Bytes again;
  Writer w(again);
  connection->encode(w);
  EXPECT_EQ(again, bytes);
}

TEST(CtdbPackets, TunableIsAskedForByItsName) {
  Bytes bytes;
  Writer w(bytes);
  TunableName{"NoIPFailback"}.encode(w);
  EXPECT_EQ(bytes, unhex("0d000000 4e6f49504661696c6261636b00"));
  Reader r(bytes);
  const auto name = TunableName::decode(r);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->name, "NoIPFailback");
  Reader cut(ByteView(bytes).first(bytes.size() - 1));
  EXPECT_EQ(TunableName::decode(cut).error(), Error::truncated());
  bytes.back() = 'x';
  Reader unended(bytes);
  EXPECT_EQ(TunableName::decode(unended).error(), Error::malformed());
  EXPECT_EQ(decode_number(unhex("05000000")), 5u);
  EXPECT_EQ(decode_number(unhex("050000")).error(), Error::truncated());
}

TEST(CtdbPackets, DeletionAsItWasTaken) {
  const Bytes key = unhex("6b65792d6f6e6500");
  Bytes bytes;
  Writer w(bytes);
  Deletion{.database = 0x2b9ee6e7, .header = {.dmaster = 0}, .key = key}.encode(w);
  EXPECT_EQ(bytes, unhex("e7e69e2b 00000000 0000000000000000 00000000 00000000 00000000 00000000"
                         "08000000 6b65792d6f6e6500"));
  Reader r(bytes);
  const auto deletion = Deletion::decode(r);
  ASSERT_TRUE(deletion);
  EXPECT_EQ(deletion->header.dmaster, 0u);
}

TEST(CtdbPackets, OtherProtocolsAndVersions) {
  const auto of = [](std::string_view text) {
    const Bytes bytes = unhex(text);
    Reader r(bytes);
    return Header::decode(r);
  };
  EXPECT_EQ(of("20000000 42445442 01000000 00000000 07000000 00000000 00000000 00000000").error(),
            Error::malformed());
  EXPECT_EQ(of("20000000 42445443 02000000 00000000 07000000 00000000 00000000 00000000").error(),
            Error::unsupported());
  EXPECT_EQ(of("1f000000 42445443 01000000 00000000 07000000 00000000 00000000 00000000").error(),
            Error::malformed());
  EXPECT_EQ(of("01001000 42445443 01000000 00000000 07000000 00000000 00000000 00000000").error(),
            Error::malformed());
}

class CtdbPacketReader : public testing::Test {
 protected:
  // In pieces of so many bytes.
  void put(ByteView bytes, size_t piece) {
    while (!bytes.empty()) {
      const MutableByteView space = reader_.space();
      const size_t count = std::min({piece, bytes.size(), space.size()});
      std::copy_n(bytes.begin(), count, space.begin());
      reader_.received(count);
      bytes = bytes.subspan(count);
      take();
    }
  }
  void take() {
    for (;;) {
      const auto packet = reader_.next();
      if (!packet) {
        error_ = packet.error();
        return;
      }
      if (!*packet) return;
      sizes_.push_back((*packet)->size());
    }
  }

  PacketReader reader_;
  std::vector<size_t> sizes_;
  std::optional<Error> error_;
};

TEST_F(CtdbPacketReader, PacketsComeInAnyPieces) {
  Bytes all;
  const Bytes payload(100'000);
  for (int i = 0; i < 3; ++i) {
    const Bytes one = packet(Header{.operation = Operation::kMessage},
                             Message{.payload = i == 1 ? ByteView(payload) : ByteView()});
    all.insert(all.end(), one.begin(), one.end());
  }
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{33}, size_t{50'000}, all.size()}) {
    sizes_.clear();
    put(all, piece);
    EXPECT_EQ(sizes_, (std::vector<size_t>{48, 100'048, 48})) << piece;
    EXPECT_EQ(error_, std::nullopt);
  }
}

TEST_F(CtdbPacketReader, LengthThatIsTooLargeEndsIt) {
  put(unhex("ffffffff 42445443 01000000 00000000 05000000 00000000 00000000 00000000"), 32);
  EXPECT_EQ(error_, Error::malformed());
}

TEST_F(CtdbPacketReader, WhatIsNoPacketEndsIt) {
  put(Bytes(32, 0x41), 32);
  EXPECT_EQ(error_, Error::malformed());
}

}  // namespace
}  // namespace braid::store::ctdb
