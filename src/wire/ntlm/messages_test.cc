#include "wire/ntlm/messages.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/golden_testing.h"
#include "wire/writer.h"

namespace braid::wire::ntlm {
namespace {

// [MS-NLMP] 4.2.4.3.
const char kSpecChallenge[] =
    "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef0000000000000000240024004400"
    "0000060070170000000f53006500720076006500720002000c0044006f006d00610069006e0001000c0053006500"
    "720076006500720000000000";
const char kSpecAuthenticate[] =
    "4e544c4d5353500003000000180018006c00000054005400840000000c000c004800000008000800540000001000"
    "10005c00000010001000d8000000358288e20501280a0000000f44006f006d00610069006e005500730065007200"
    "43004f004d005000550054004500520086c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa68cd0ab851e5"
    "1c96aabc927bebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f00"
    "6d00610069006e0001000c005300650072007600650072000000000000000000c5dad2544fc9799094ce1ce90bc9"
    "d03e";

// Windows 10 to Windows Server 2016, from Microsoft's published walk through SMB 3.1.1: with MIC.
const char kWindowsAuthenticate[] =
    "4e544c4d53535000030000001800180090000000ee00ee00a80000000c000c00580000001a001a00640000001200"
    "12007e0000001000100096010000158288e2060380250000000fecac77a5f385a8bf9c38c706eeeddcd353005500"
    "5400330031003100610064006d0069006e006900730074007200610074006f007200440052004900560045005200"
    "33003100310000000000000000000000000000000000000000000000000063078eb639fe03e20a231c3ae3bf2308"
    "0101000000000000a1a1f5adcbaed001bc4ad05f223cc90f0000000002000c005300550054003300310031000100"
    "0c0053005500540033003100310004000c0053005500540033003100310003000c00530055005400330031003100"
    "07000800a1a1f5adcbaed00106000400020000000800300030000000000000000000000000300000b61fefcaa857"
    "ea57bf1edcebf8974b8e0eba5a6dfd9d07a31d11b548f8c9d0cc0a00100000000000000000000000000000000000"
    "0900160063006900660073002f005300550054003300310031000000000000000000000000003b9bdff38f5ee8f9"
    "663f11a0f4c03a78";

TEST(NtlmNegotiate, OfSmbclientWithVersion) {
  const auto message = NegotiateMessage::decode(
      unhex("4e544c4d535350000100000035820862000000002800000000000000280000000601000000"
            "00000f"));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->negotiate_flags, 0x62088235u);
  ASSERT_TRUE(message->version);
  EXPECT_EQ(message->version->major, 6);
  EXPECT_EQ(message->version->ntlm_revision, 15);
}

// impacket's, and the Linux kernel client's in SMB 2: no VERSION field.
TEST(NtlmNegotiate, Of32BytesWithoutVersion) {
  const auto message = NegotiateMessage::decode(
      unhex("4e544c4d5353500001000000358288e000000000000000000000000000000000"));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->negotiate_flags, 0xe0888235u);
  EXPECT_FALSE(message->version);
}

// The version flag without the field that it announces.
TEST(NtlmNegotiate, Of32BytesWithVersionFlag) {
  const auto message = NegotiateMessage::decode(
      unhex("4e544c4d5353500001000000358288e200000000000000000000000000000000"));
  ASSERT_TRUE(message);
  EXPECT_FALSE(message->version);
}

TEST(NtlmNegotiate, OfFlagsOnly) {
  const auto message = NegotiateMessage::decode(unhex("4e544c4d535350000100000005020000"));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->negotiate_flags, 0x0205u);
}

TEST(NtlmNegotiate, NamesOutsideTheMessageAreTruncatedOnlyWithTheirFlags) {
  // Domain of 8 bytes at offset 0x1000.
  Bytes message = unhex(
      "4e544c4d5353500001000000050200000800080000100000000000000000000"
      "0");
  EXPECT_TRUE(NegotiateMessage::decode(message));
  message[13] |= 0x10;  // NTLMSSP_NEGOTIATE_OEM_DOMAIN_SUPPLIED
  EXPECT_EQ(NegotiateMessage::decode(message).error(), Error::truncated());
}

TEST(NtlmNegotiate, OtherTypeIsMalformed) {
  EXPECT_EQ(NegotiateMessage::decode(unhex("4e544c4d535350000200000005020000")).error(),
            Error::malformed());
  EXPECT_EQ(NegotiateMessage::decode(unhex("4e544c4d535351000100000005020000")).error(),
            Error::malformed());
}

TEST(NtlmChallenge, OfTheSpecification) {
  const Bytes bytes = unhex(kSpecChallenge);
  const auto message = ChallengeMessage::decode(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->target_name, "");  // the example lacks NTLMSSP_REQUEST_TARGET
  EXPECT_EQ(message->negotiate_flags, 0xe28a8233u);
  EXPECT_EQ(message->server_challenge, (Challenge8{1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}));
  EXPECT_EQ(message->target_info.text(AvId::kNbComputerName), "Server");
  EXPECT_EQ(message->target_info.text(AvId::kNbDomainName), "Domain");

  auto again = *message;
  again.target_name = "Server";
  Bytes encoded = again.encode();
  EXPECT_EQ(encoded, bytes);
}

TEST(NtlmAuthenticate, OfTheSpecification) {
  const Bytes bytes = unhex(kSpecAuthenticate);
  const auto message = AuthenticateMessage::decode(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->domain_name, "Domain");
  EXPECT_EQ(message->user_name, "User");
  EXPECT_EQ(message->workstation, "COMPUTER");
  EXPECT_EQ(message->lm_response, unhex("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"));
  EXPECT_EQ(message->encrypted_random_session_key, unhex("c5dad2544fc9799094ce1ce90bc9d03e"));
  EXPECT_FALSE(message->mic);
  ASSERT_TRUE(message->version);
  EXPECT_EQ(message->version->build, 2600);

  const auto response = Ntlmv2Response::decode(message->nt_response);
  ASSERT_TRUE(response);
  EXPECT_EQ(Bytes(response->nt_proof_str.begin(), response->nt_proof_str.end()),
            unhex("68cd0ab851e51c96aabc927bebef6a1c"));
  EXPECT_EQ(response->client_challenge[0], 0xaa);
  EXPECT_EQ(response->time_stamp.ticks, 0u);
  EXPECT_EQ(response->av_pairs.text(AvId::kNbDomainName), "Domain");
  EXPECT_EQ(response->encode_client_challenge(), response->client_challenge_bytes);
}

TEST(NtlmAuthenticate, OfWindowsHasItsMic) {
  const auto message = AuthenticateMessage::decode(unhex(kWindowsAuthenticate));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->user_name, "administrator");
  EXPECT_EQ(message->domain_name, "SUT311");
  EXPECT_EQ(message->workstation, "DRIVER311");
  ASSERT_TRUE(message->mic);
  EXPECT_EQ(Bytes(message->mic->begin(), message->mic->end()),
            unhex("ECAC77A5F385A8BF9C38C706EEEDDCD3"));
  const auto response = Ntlmv2Response::decode(message->nt_response);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->av_pairs.flags(), kAvFlagMicPresent);
  EXPECT_EQ(response->av_pairs.text(AvId::kTargetName), "cifs/SUT311");
  EXPECT_EQ(response->av_pairs.timestamp(), response->time_stamp);
}

TEST(NtlmAuthenticate, EncodesWhatItDecodes) {
  AuthenticateMessage message;
  message.negotiate_flags = flags::kUnicode;
  message.user_name = "J\xc3\xbcrgen";
  message.nt_response = Bytes(60, 7);
  message.mic.emplace();
  message.mic->fill(9);
  const auto again = AuthenticateMessage::decode(message.encode());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->user_name, message.user_name);
  EXPECT_EQ(again->nt_response, message.nt_response);
  EXPECT_EQ(again->mic, message.mic);
}

TEST(NtlmAuthenticate, EveryCutIsAnError) {
  const Bytes bytes = unhex(kWindowsAuthenticate);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(AuthenticateMessage::decode(ByteView(bytes).first(size))) << size;
  }
}

TEST(NtlmAuthenticate, OffsetsThatWrapAreTruncated) {
  Bytes bytes = unhex(kWindowsAuthenticate);
  for (size_t i = 24; i < 28; ++i) bytes[i] = 0xff;  // NtChallengeResponseBufferOffset
  EXPECT_EQ(AuthenticateMessage::decode(bytes).error(), Error::truncated());
}

TEST(NtlmAuthenticate, OemNamesAreAsciiOnly) {
  AuthenticateMessage message;
  message.negotiate_flags = flags::kUnicode;
  message.user_name = "ab";
  Bytes bytes = message.encode();
  bytes[60] = flags::kOem;  // so that the name's bytes are 'a', 0, 'b', 0
  const auto oem = AuthenticateMessage::decode(bytes);
  ASSERT_TRUE(oem);
  EXPECT_EQ(oem->user_name, std::string("a\0b\0", 4));
  bytes[bytes.size() - 4] = 0xe4;
  EXPECT_EQ(AuthenticateMessage::decode(bytes).error(), Error::malformed());
}

TEST(Ntlmv2Response, Ntlmv1IsUnsupported) {
  EXPECT_EQ(Ntlmv2Response::decode(Bytes(24)).error(), Error::unsupported());
  EXPECT_EQ(Ntlmv2Response::decode({}).error(), Error::unsupported());
}

TEST(AvPairs, WithoutEndIsTruncated) {
  EXPECT_EQ(AvPairs::decode({}).error(), Error::truncated());
  EXPECT_EQ(AvPairs::decode(unhex("010002004100")).error(), Error::truncated());
  EXPECT_TRUE(AvPairs::decode(unhex("01000200410000000000")));
}

TEST(AvPairs, MoreThanTheLimitIsMalformed) {
  AvPairs list;
  for (size_t i = 0; i <= kAvPairsMax; ++i) list.add(AvId::kSingleHost, {});
  EXPECT_EQ(AvPairs::decode(list.encode()).error(), Error::malformed());
}

TEST(AvPairs, OddSizesOfKnownPairsCountAsAbsent) {
  AvPairs list;
  list.add(AvId::kFlags, Bytes{2, 0});
  list.add(AvId::kTimestamp, Bytes(7));
  EXPECT_EQ(list.flags(), 0u);
  EXPECT_FALSE(list.timestamp());
}

constexpr Version kOwnVersion{0x11, 0x12, 0x2221, 0x31};

TEST(GoldenNtlm, Negotiate) {
  const NegotiateMessage message{.negotiate_flags = flags::kVersion | flags::kOemDomainSupplied |
                                                    flags::kOemWorkstationSupplied,
                                 .domain_name = "DOM",
                                 .workstation = "WS",
                                 .version = kOwnVersion};
  golden_uncut<NegotiateMessage>(message,
                                 "4E544C4D53535000 01000000 00300002 0300 (0300) 28000000"
                                 "0200 (0200) 2B000000 11 12 2122 (000000) 31 444F4D 5753");
  const Bytes bytes = message.encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = NegotiateMessage::decode(ByteView(bytes).first(size));
    if (size >= 16 && size < 32) {
      EXPECT_TRUE(cut) << size;  // of flags only
    } else {
      EXPECT_EQ(cut.error(), Error::truncated()) << size;
    }
  }
}

TEST(NtlmNegotiate, VersionIsThereFrom40BytesOn) {
  NegotiateMessage message{.negotiate_flags = flags::kVersion, .version = kOwnVersion};
  const Bytes bytes = message.encode();
  ASSERT_EQ(bytes.size(), 40u);
  EXPECT_EQ(NegotiateMessage::decode(bytes).value().version, kOwnVersion);
  EXPECT_FALSE(NegotiateMessage::decode(ByteView(bytes).first(39)).value().version);
  message.negotiate_flags = 0;
  EXPECT_FALSE(NegotiateMessage::decode(message.encode()).value().version);
}

ChallengeMessage own_challenge() {
  ChallengeMessage message{.target_name = "ab",
                           .negotiate_flags = flags::kUnicode | flags::kRequestTarget |
                                              flags::kTargetInfo | flags::kVersion,
                           .server_challenge = {0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7},
                           .version = kOwnVersion};
  message.target_info.add_u32(AvId::kFlags, 0x44434241);
  message.target_info.add_time({0x5857565554535251});
  return message;
}

TEST(GoldenNtlm, Challenge) {
  golden<ChallengeMessage>(own_challenge(),
                           "4E544C4D53535000 02000000 0400 (0400) 38000000 05008002"
                           "A0A1A2A3A4A5A6A7 (0000000000000000) 1800 (1800) 3C000000"
                           "11 12 2122 (000000) 31 61006200"
                           "0600 0400 41424344 0700 0800 5152535455565758 0000 (0000)");
  const ChallengeMessage message = ChallengeMessage::decode(own_challenge().encode()).value();
  EXPECT_EQ(message.target_info.flags(), 0x44434241u);
  EXPECT_EQ(message.target_info.timestamp(), FileTime{0x5857565554535251});
}

// Both are wrong: the name beyond the message, and the list too long.
TEST(NtlmChallenge, TheFirstFaultIsTheOneThatIsTold) {
  ChallengeMessage message = own_challenge();
  for (size_t i = 0; i < kAvPairsMax; ++i) message.target_info.add(AvId::kSingleHost, {});
  Bytes bytes = message.encode();
  EXPECT_EQ(ChallengeMessage::decode(bytes).error(), Error::malformed());
  bytes[17] = 0x10;  // TargetNameBufferOffset
  EXPECT_EQ(ChallengeMessage::decode(bytes).error(), Error::truncated());
}

TEST(NtlmChallenge, FieldsCountWithTheirFlagsOnly) {
  ChallengeMessage message = own_challenge();
  message.negotiate_flags = flags::kUnicode;
  const ChallengeMessage bare = ChallengeMessage::decode(message.encode()).value();
  EXPECT_EQ(bare.target_name, "");
  EXPECT_TRUE(bare.target_info.pairs().empty());
  EXPECT_FALSE(bare.version);
}

TEST(GoldenNtlm, Authenticate) {
  AuthenticateMessage message{.lm_response = {0xA1, 0xA2, 0xA3},
                              .nt_response = {0xB1, 0xB2, 0xB3, 0xB4},
                              .domain_name = "d",
                              .user_name = "us",
                              .workstation = "w",
                              .encrypted_random_session_key = {0xC1, 0xC2, 0xC3, 0xC4, 0xC5},
                              .negotiate_flags = flags::kUnicode | flags::kVersion,
                              .version = kOwnVersion};
  message.mic.emplace();
  for (uint8_t i = 0; i < 16; ++i) (*message.mic)[i] = static_cast<uint8_t>(0xD0 + i);
  golden<AuthenticateMessage>(
      message,
      "4E544C4D53535000 03000000 0300 (0300) 58000000 0400 (0400) 5B000000 0200 (0200) 5F000000"
      "0400 (0400) 61000000 0200 (0200) 65000000 0500 (0500) 67000000 01000002"
      "11 12 2122 (000000) 31 D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"
      "A1A2A3 B1B2B3B4 6400 75007300 7700 C1C2C3C4C5");
  message.mic.reset();
  golden<AuthenticateMessage>(
      message,
      "4E544C4D53535000 03000000 0300 (0300) 48000000 0400 (0400) 4B000000 0200 (0200) 4F000000"
      "0400 (0400) 51000000 0200 (0200) 55000000 0500 (0500) 57000000 01000002"
      "11 12 2122 (000000) 31 A1A2A3 B1B2B3B4 6400 75007300 7700 C1C2C3C4C5");
}

TEST(Ntlmv2Response, FieldsStandWhereTheSpecificationHasThem) {
  const std::string challenge =
      "01 01 000000000000 1112131415161718 2122232425262728 00000000 06000400 41424344"
      "00000000 00000000";
  const Bytes bytes = unhex("A0A1A2A3A4A5A6A7A8A9AAABACADAEAF" + challenge);
  const Ntlmv2Response response = Ntlmv2Response::decode(bytes).value();
  EXPECT_EQ(hex_of(response.nt_proof_str), "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF");
  EXPECT_EQ(response.time_stamp.ticks, 0x1817161514131211u);
  EXPECT_EQ(hex_of(response.client_challenge), "2122232425262728");
  EXPECT_EQ(response.av_pairs.flags(), 0x44434241u);
  EXPECT_EQ(response.client_challenge_bytes, unhex(challenge));
  EXPECT_EQ(response.encode_client_challenge(), unhex(challenge));
  EXPECT_EQ(Ntlmv2Response::decode(ByteView(bytes).first(24)).error(), Error::unsupported());
  for (size_t size = 25; size < bytes.size() - 4; ++size) {
    EXPECT_EQ(Ntlmv2Response::decode(ByteView(bytes).first(size)).error(), Error::truncated())
        << size;
  }
  for (const size_t type_at : {16u, 17u}) {
    Bytes other = bytes;
    other[type_at] = 2;
    EXPECT_EQ(Ntlmv2Response::decode(other).error(), Error::unsupported());
  }
}

TEST(Ntlm, TypesAreOneToThree) {
  for (int type = 0; type <= 5; ++type) {
    Bytes bytes = unhex("4E544C4D53535000 00000000");
    bytes[8] = static_cast<uint8_t>(type);
    if (type >= 1 && type <= 3) {
      EXPECT_EQ(message_type(bytes).value(), static_cast<uint32_t>(type));
    } else {
      EXPECT_EQ(message_type(bytes).error(), Error::malformed()) << type;
    }
  }
  EXPECT_EQ(message_type(unhex("4E544C4D53535001 01000000")).error(), Error::malformed());
  EXPECT_EQ(message_type(unhex("4E544C4D535350")).error(), Error::truncated());
}

TEST(AvPairs, AsManyAsTheLimitAreTaken) {
  AvPairs list;
  for (size_t i = 0; i < kAvPairsMax; ++i) list.add(AvId::kSingleHost, {});
  EXPECT_EQ(AvPairs::decode(list.encode()).value().pairs().size(), kAvPairsMax);
}

TEST(AvPairs, EveryKindOfValueComesBack) {
  AvPairs list;
  list.add_text(AvId::kDnsTreeName, "\u00FCb");
  list.add_u32(AvId::kFlags, 0x04030201);
  list.add_time({0x1817161514131211});
  EXPECT_EQ(list.encode(), unhex("0500 0400 FC006200 0600 0400 01020304 0700 0800"
                                 "1112131415161718 0000 0000"));
  EXPECT_EQ(list.text(AvId::kDnsTreeName), "\u00FCb");
  EXPECT_EQ(list.text(AvId::kTargetName), std::nullopt);
  EXPECT_EQ(list.flags(), 0x04030201u);
  EXPECT_EQ(list.timestamp(), FileTime{0x1817161514131211});
  AvPairs other;
  EXPECT_EQ(other.flags(), 0u);
  EXPECT_FALSE(other.timestamp());
  other.add(AvId::kFlags, Bytes(5, 1));
  other.add(AvId::kTimestamp, Bytes(9, 1));
  other.add(AvId::kTargetName, Bytes(3, 1));
  EXPECT_EQ(other.flags(), 0u);
  EXPECT_FALSE(other.timestamp());
  EXPECT_FALSE(other.text(AvId::kTargetName));
}

}  // namespace
}  // namespace braid::wire::ntlm
