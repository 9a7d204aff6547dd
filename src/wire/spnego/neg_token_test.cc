#include "wire/spnego/neg_token.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/hex_testing.h"
#include "wire/golden_testing.h"
#include "wire/spnego/der.h"

namespace braid::wire {
namespace {

// As smbclient 4.17 sends it.
const char kSambaInit[] =
    "604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a04284e544c4d5353500001000000"
    "3582086200000000280000000000000028000000060100000000000f";
// The NEGOTIATE response of Windows Server 2016: NEGOEX (whose token is cut here) and NTLM.
const char kWindowsHint[] =
    "602a06062b0601050502a020301ea01a3018060a2b06010401823702021e060a2b06010401823702020aa200";

TEST(NegTokenInit, OfSmbclient) {
  const auto init = NegTokenInit::decode(unhex(kSambaInit));
  ASSERT_TRUE(init);
  ASSERT_EQ(init->mech_types.size(), 1u);
  EXPECT_EQ(init->mech_types[0], oids::kNtlmssp);
  EXPECT_EQ(init->mech_token.size(), 40u);
  EXPECT_EQ(token_kind(init->mech_token), TokenKind::kRawNtlmssp);
  EXPECT_EQ(init->mech_types_der, unhex("300c060a2b06010401823702020a"));
  EXPECT_FALSE(init->mech_list_mic);
  EXPECT_EQ(init->encode(), unhex(kSambaInit));
}

TEST(NegTokenInit, EmptyFieldInsideIsMalformed) {
  EXPECT_EQ(NegTokenInit::decode(unhex(kWindowsHint)).error(), Error::truncated());
}

// The example of [MS-SPNG] 2.2.1's hint, with the four mechanisms of a domain member.
TEST(NegTokenInit, HintsOfWindows) {
  const Bytes token = unhex(
      "607606062b0601050502a06c306aa03c303a060a2b06010401823702021e06092a864882f71201020206092a86"
      "4886f712010202060a2a864886f71201020203060a2b06010401823702020aa32a3028a0261b246e6f745f6465"
      "66696e65645f696e5f5246433431373840706c656173655f69676e6f7265");
  const auto init = NegTokenInit::decode(token);
  ASSERT_TRUE(init);
  ASSERT_EQ(init->mech_types.size(), 5u);
  EXPECT_EQ(init->mech_types[1], oids::kMsKrb5);
  EXPECT_EQ(init->mech_types[2], oids::kKrb5);
  EXPECT_EQ(init->mech_types[4], oids::kNtlmssp);
  EXPECT_EQ(init->hint_name, "not_defined_in_RFC4178@please_ignore");
  EXPECT_EQ(init->encode(), token);
}

TEST(NegTokenInit, Field3IsHintsOrMicByWhatIsInIt) {
  NegTokenInit init;
  init.mech_types = {oids::kNtlmssp};
  init.mech_list_mic = Bytes{1, 2, 3};
  const auto with_mic = NegTokenInit::decode(init.encode());
  ASSERT_TRUE(with_mic);
  EXPECT_EQ(with_mic->mech_list_mic, init.mech_list_mic);
  init.hint_name = "x";
  const auto with_both = NegTokenInit::decode(init.encode());
  ASSERT_TRUE(with_both);
  EXPECT_EQ(with_both->mech_list_mic, init.mech_list_mic);
  EXPECT_EQ(with_both->hint_name, "x");
}

TEST(NegTokenInit, OtherMechanismIsUnsupported) {
  EXPECT_EQ(NegTokenInit::decode(wrap_gss_token(oids::kKrb5, unhex("0100"))).error(),
            Error::unsupported());
}

TEST(NegTokenInit, NoMechanismIsMalformed) {
  EXPECT_EQ(NegTokenInit::decode(unhex("600e06062b0601050502a0043002a000")).error(),
            Error::truncated());
  EXPECT_EQ(NegTokenInit::decode(unhex("601006062b0601050502a0063004a0023000")).error(),
            Error::malformed());
}

TEST(NegTokenInit, MoreMechanismsThanTheLimitIsMalformed) {
  NegTokenInit init;
  init.mech_types.assign(kMechTypesMax, oids::kNtlmssp);
  EXPECT_TRUE(NegTokenInit::decode(init.encode()));
  init.mech_types.push_back(oids::kNtlmssp);
  EXPECT_EQ(NegTokenInit::decode(init.encode()).error(), Error::malformed());
}

TEST(NegTokenInit, EveryCutIsAnError) {
  const Bytes token = unhex(kSambaInit);
  for (size_t size = 0; size < token.size(); ++size) {
    EXPECT_FALSE(NegTokenInit::decode(ByteView(token).first(size))) << size;
  }
}

TEST(NegTokenInit, IndefiniteAndOversizeLengthsAreErrors) {
  EXPECT_FALSE(NegTokenInit::decode(unhex("608006062b06010505020000")));
  EXPECT_FALSE(NegTokenInit::decode(unhex("6085010000000006062b0601050502")));
  EXPECT_FALSE(NegTokenInit::decode(unhex("6084ffffffff06062b0601050502")));
}

// Windows Server 2016 completing a logon, with its mechListMIC.
TEST(NegTokenResp, FinalOfWindows) {
  const Bytes token = unhex("A11B3019A0030A0100A3120410010000003B453CDC3524164200000000");
  const auto resp = NegTokenResp::decode(token);
  ASSERT_TRUE(resp);
  EXPECT_EQ(resp->state, NegState::kAcceptCompleted);
  EXPECT_FALSE(resp->supported_mech);
  EXPECT_FALSE(resp->response_token);
  EXPECT_EQ(resp->mech_list_mic, unhex("010000003B453CDC3524164200000000"));
  EXPECT_EQ(resp->encode(), token);
}

// Windows Server 2016's NTLM challenge, token and all.
TEST(NegTokenResp, ChallengeOfWindows) {
  const Bytes token = unhex(
      "A181B03081ADA0030A0101A10C060A2B06010401823702020AA281970481944E544C4D53535000020000000C000C"
      "003800000015828AE20D1D8BA31179D008000000000000000050005000440000000A0092270000000F5300550054"
      "003300310031"
      "0002000C0053005500540033003100310001000C0053005500540033003100310004000C00530055005400330031"
      "00310003000C0053005500540033003100310007000800A1A1F5ADCBAED00100000000");
  const auto resp = NegTokenResp::decode(token);
  ASSERT_TRUE(resp);
  EXPECT_EQ(resp->state, NegState::kAcceptIncomplete);
  EXPECT_EQ(resp->supported_mech, oids::kNtlmssp);
  EXPECT_EQ(resp->response_token->size(), 0x94u);
  EXPECT_EQ(resp->encode(), token);
}

TEST(NegTokenResp, UnknownStateIsMalformed) {
  EXPECT_EQ(NegTokenResp::decode(unhex("a1073005a0030a0104")).error(), Error::malformed());
}

TEST(NegTokenResp, FieldsOutOfOrderAreMalformed) {
  EXPECT_EQ(NegTokenResp::decode(unhex("a10c300aa2030401aaa0030a0100")).error(),
            Error::malformed());
}

TEST(TokenKind, TellsTokensApart) {
  EXPECT_EQ(token_kind(unhex(kSambaInit)), TokenKind::kSpnegoInit);
  EXPECT_EQ(token_kind(unhex("a1073005a0030a0100")), TokenKind::kSpnegoResp);
  EXPECT_EQ(token_kind(unhex("4e544c4d53535000")), TokenKind::kRawNtlmssp);
  EXPECT_EQ(token_kind(wrap_gss_token(oids::kKrb5, unhex("0100"))), TokenKind::kRawKrb5);
  EXPECT_EQ(token_kind(unhex("6e03020105")), TokenKind::kRawKrb5);  // as DCE style has it
  const auto ap_req_of = [](const Bytes& token) {
    const ByteView inner = krb5_ap_req(token);
    return Bytes(inner.begin(), inner.end());
  };
  const Bytes ap_req = unhex("6e03020105");
  EXPECT_EQ(ap_req_of(ap_req), ap_req);
  EXPECT_EQ(ap_req_of(wrap_gss_token(oids::kKrb5, unhex("0100 6e03020105"))), ap_req);
  // Another mechanism's, and another token of Kerberos.
  for (const Bytes& other : {wrap_gss_token(oids::kSpnego, unhex("0100 6e03020105")),
                             wrap_gss_token(oids::kKrb5, unhex("0200 6e03020105")),
                             wrap_gss_token(oids::kKrb5, unhex("01"))}) {
    EXPECT_EQ(ap_req_of(other), other);
  }
  EXPECT_EQ(token_kind({}), TokenKind::kUnknown);
  EXPECT_EQ(token_kind(unhex("3000")), TokenKind::kUnknown);
}

TEST(GoldenSpnego, Tokens) {
  NegTokenInit init;
  init.mech_types = {oids::kNtlmssp};
  init.mech_token = unhex("D1D2D3D4D5");
  init.hint_name = "hi";
  init.mech_list_mic = unhex("E1E2");
  golden<NegTokenInit>(init,
                       "6035 06062B0601050502 A02B 3029 A00E 300C 060A2B06010401823702020A"
                       "A207 0405 D1D2D3D4D5 A308 3006 A004 1B02 6869 A404 0402 E1E2");
  NegTokenResp resp;
  resp.state = NegState::kAcceptIncomplete;
  resp.supported_mech = oids::kNtlmssp;
  resp.response_token = unhex("D1D2D3D4D5");
  resp.mech_list_mic = unhex("E1E2");
  golden<NegTokenResp>(resp,
                       "A124 3022 A003 0A01 01 A10C 060A2B06010401823702020A"
                       "A207 0405 D1D2D3D4D5 A304 0402 E1E2");
}

TEST(NegTokenResp, StatesEndAtThree) {
  for (int state = 0; state <= 3; ++state) {
    Bytes token = unhex("A107 3005 A003 0A01 00");
    token.back() = static_cast<uint8_t>(state);
    EXPECT_EQ(NegTokenResp::decode(token).value().state, static_cast<NegState>(state));
    EXPECT_EQ(NegTokenResp::decode(token).value().encode(), token);
  }
  EXPECT_EQ(NegTokenResp::decode(unhex("A108 3006 A004 0A02 0000")).error(), Error::malformed());
}

TEST(NegTokenResp, FieldsAreTaggedEachOnceAndUnknownOnesSkipped) {
  EXPECT_TRUE(NegTokenResp::decode(unhex("A109 3007 A003 0A0100 A900")));
  for (const char* bad : {"A10C 300A A003 0A0100 A003 0A0100",  // twice
                          "A107 3005 8003 0A0100",              // of another class
                          "A107 3005 0A03 0A0100"}) {
    EXPECT_EQ(NegTokenResp::decode(unhex(bad)).error(), Error::malformed()) << bad;
  }
  EXPECT_EQ(NegTokenResp::decode(unhex("A104 3002 A003")).error(), Error::truncated());
}

TEST(NegTokenResp, MechanismsAreOfOneByteToTheLimit) {
  for (const size_t size : {size_t{0}, size_t{1}, kOidSizeMax, kOidSizeMax + 1}) {
    NegTokenResp resp;
    resp.supported_mech = Oid(size, 1);
    const auto again = NegTokenResp::decode(resp.encode());
    if (size == 0 || size > kOidSizeMax) {
      EXPECT_EQ(again.error(), Error::malformed()) << size;
    } else {
      EXPECT_EQ(again.value().supported_mech, resp.supported_mech) << size;
    }
  }
}

// Both sides of each size that takes one octet more.
TEST(Der, LengthsTakeAsManyOctetsAsTheyNeed) {
  const std::pair<size_t, const char*> sizes[] = {{0, "0400"},
                                                  {0x7F, "047F"},
                                                  {0x80, "048180"},
                                                  {0xFF, "0481FF"},
                                                  {0x100, "04820100"},
                                                  {0xFFFF, "0482FFFF"},
                                                  {0x10000, "0483010000"},
                                                  {0xFFFFFF, "0483FFFFFF"},
                                                  {0x1000000, "048401000000"}};
  for (const auto& [size, head] : sizes) {
    const Bytes content(size, 0xD1);
    const Bytes whole = der::element(der::kOctetString, {content});
    const Bytes expected = unhex(head);
    ASSERT_EQ(whole.size(), expected.size() + size);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), whole.begin())) << head;
    Reader r(whole);
    const der::Element element = der::read(r);
    ASSERT_TRUE(r.ok()) << head;
    EXPECT_EQ(element.tag, der::kOctetString);
    EXPECT_EQ(element.content.size(), size);
    EXPECT_EQ(element.whole.size(), whole.size());
    EXPECT_EQ(r.remaining(), 0u);
  }
}

TEST(Der, LengthsOfNoneOrFiveOctetsAndLongTagsAreMalformed) {
  for (const char* bad : {"0480", "04850000000000", "1F00", "BF00"}) {
    const Bytes bytes = unhex(bad);
    Reader r(bytes);
    (void)der::read(r);
    EXPECT_FALSE(r.ok()) << bad;
    EXPECT_EQ(r.error(), Error::malformed()) << bad;
  }
  const Bytes padded = unhex("048400000001 D1");
  Reader r(padded);
  EXPECT_EQ(der::read(r).content.size(), 1u);
  EXPECT_TRUE(r.ok());
  EXPECT_EQ(der::unwrap(unhex("0401D1"), der::kOctetString).value().tag, der::kOctetString);
  EXPECT_EQ(der::unwrap(unhex("0401D100"), der::kOctetString).error(), Error::malformed());
  EXPECT_EQ(der::unwrap(unhex("0401D1"), der::kSequence).error(), Error::malformed());
}

}  // namespace
}  // namespace braid::wire
