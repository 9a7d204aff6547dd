#include "apps/braidd/first_frame.h"

#include <gtest/gtest.h>

#include <string_view>

namespace braid::braidd {
namespace {

Bytes from_hex(std::string_view hex) {
  const auto digit = [](char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return bytes;
}

// What smbclient 4.17 sends with -m SMB3_11, transport header and all.
const Bytes& smbclient_3_1_1() {
  static const Bytes bytes = from_hex(
      "000000e2fe534d42400000000000000000001f00000000000000000000000000000000000000000000000000"
      "00000000000000000000000000000000000000000000000024000500010000007f000000fb00ad6c1fa5d24e"
      "8bea0e865f57342370000000040000000202100200030203110300000100260000000000010020000100110f"
      "1ec8c38f940a4203e041d14b0c79f5761e53844f28256f8aaad7189aea04000002000a000000000004000200"
      "0100040003000000000000000800080000000000030002000100000005001200000000003100320037002e00"
      "30002e0030002e003100");
  return bytes;
}
// What it sends with an NT1 minimum: dialects "NT LANMAN 1.0", "NT LM 0.12", "SMB 2.002",
// "SMB 2.???".
const Bytes& smbclient_multi_protocol() {
  static const Bytes bytes = from_hex(
      "00000054ff534d4272000000001843c80000000000000000000000000000feff00000000003100024e54204c414e"
      "4d414e20312e3000024e54204c4d20302e31320002534d4220322e3030320002534d4220322e3f3f3f00");
  return bytes;
}

ByteView body(const Bytes& frame) { return ByteView(frame).subspan(kTransportHeaderBytes); }

TEST(FirstFrame, Smb2NegotiateGivesItsClientGuid) {
  const Bytes& bytes = smbclient_3_1_1();
  ASSERT_EQ(*decode_transport_header(ByteView(bytes).first(4), 65'536), bytes.size() - 4);
  const auto frame = decode_first_frame(body(bytes));
  ASSERT_TRUE(frame);
  ASSERT_TRUE(frame->client_guid);
  const Bytes expected = from_hex("fb00ad6c1fa5d24e8bea0e865f573423");
  EXPECT_TRUE(std::ranges::equal(frame->client_guid->bytes, expected));
}

TEST(FirstFrame, MultiProtocolNegotiateHasNoClientGuid) {
  const Bytes& bytes = smbclient_multi_protocol();
  ASSERT_EQ(*decode_transport_header(ByteView(bytes).first(4), 65'536), bytes.size() - 4);
  const auto frame = decode_first_frame(body(bytes));
  ASSERT_TRUE(frame);
  EXPECT_FALSE(frame->client_guid);
}

TEST(FirstFrame, ZeroClientGuidIsNone) {
  Bytes bytes(body(smbclient_3_1_1()).begin(), body(smbclient_3_1_1()).end());
  std::fill_n(bytes.begin() + 64 + 12, 16, uint8_t{0});
  EXPECT_FALSE(decode_first_frame(bytes)->client_guid);
}

TEST(FirstFrame, ShortNegotiateBodyIsLeftForTheWorker) {
  const auto frame = decode_first_frame(body(smbclient_3_1_1()).first(64 + 12 + 15));
  ASSERT_TRUE(frame);
  EXPECT_FALSE(frame->client_guid);
}

TEST(FirstFrame, AnythingButNegotiateIsRefused) {
  Bytes smb2(body(smbclient_3_1_1()).begin(), body(smbclient_3_1_1()).end());
  smb2[12] = 1;  // SESSION_SETUP
  EXPECT_EQ(decode_first_frame(smb2).error(), Error::unsupported());
  smb2[0] = 0xFD;  // a transform header
  EXPECT_EQ(decode_first_frame(smb2).error(), Error::unsupported());
  Bytes smb1(body(smbclient_multi_protocol()).begin(), body(smbclient_multi_protocol()).end());
  smb1[4] = 0x73;  // SMB_COM_SESSION_SETUP_ANDX
  EXPECT_EQ(decode_first_frame(smb1).error(), Error::unsupported());
}

TEST(FirstFrame, EveryCutHeaderIsTruncated) {
  for (size_t size = 0; size < 64; ++size) {
    EXPECT_EQ(decode_first_frame(body(smbclient_3_1_1()).first(size)).error(), Error::truncated());
  }
  for (size_t size = 0; size < 32; ++size) {
    EXPECT_EQ(decode_first_frame(body(smbclient_multi_protocol()).first(size)).error(),
              Error::truncated());
  }
}

TEST(FirstFrame, TransportHeaderIsHeldToItsLimits) {
  // A NetBIOS session request, nothing, and one byte too many.
  for (const char* header : {"81000044", "00000000", "00010001"}) {
    EXPECT_EQ(decode_transport_header(from_hex(header), 65'536).error(), Error::malformed())
        << header;
  }
  EXPECT_EQ(*decode_transport_header(from_hex("00010000"), 65'536), 65'536u);
  EXPECT_EQ(decode_transport_header(from_hex("0000"), 65'536).error(), Error::truncated());
}

}  // namespace
}  // namespace braid::braidd
