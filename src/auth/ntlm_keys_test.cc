#include "auth/ntlm_keys.h"

#include <gtest/gtest.h>

#include "auth/user_store.h"
#include "base/hex_testing.h"
#include "wire/spnego/neg_token.h"

namespace braid::auth {
namespace {

using crypto::Secret;
namespace flags = wire::ntlm::flags;

Bytes bytes_of(ByteView view) { return {view.begin(), view.end()}; }

// The values of [MS-NLMP] 4.2.1 and 4.2.4.
TEST(NtlmKeys, OfTheSpecification) {
  const auto nt_hash = nt_hash_of("Password");
  ASSERT_TRUE(nt_hash);
  const Secret response_key = ntowf_v2(*nt_hash, "User", "Domain");
  EXPECT_EQ(bytes_of(response_key.reveal()), unhex("0c868a403bfd7a93a3001ef22ef02e3f"));

  const Bytes temp = unhex(
      "01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e000100"
      "0c"
      "0053006500720076006500720000000000"
      "00000000");
  const auto proof = nt_proof(response_key, {1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}, temp);
  EXPECT_EQ(bytes_of(proof), unhex("68cd0ab851e51c96aabc927bebef6a1c"));
  const Secret base_key = session_base_key(response_key, proof);
  EXPECT_EQ(bytes_of(base_key.reveal()), unhex("8de40ccadbc14a82f15cb0ad0de95ca3"));
  EXPECT_EQ(exchange_key(base_key, Bytes(16, 0x55)), unhex("c5dad2544fc9799094ce1ce90bc9d03e"));
}

TEST(NtlmKeys, UserNameIsFoldedBeyondAscii) {
  const Secret hash(Bytes(16, 1));
  EXPECT_EQ(ntowf_v2(hash, "j\xc3\xbcrgen", "D"), ntowf_v2(hash, "J\xc3\x9cRGEN", "D"));
  EXPECT_FALSE(ntowf_v2(hash, "user", "D") == ntowf_v2(hash, "user", "d"));
}

// A logon of Windows 10 to Windows Server 2016 whose session key Microsoft published: the MIC of
// the AUTHENTICATE message and the mechListMICs of both sides.
class WindowsLogon : public testing::Test {
 protected:
  const Secret key_{unhex("270E1BA896585EEB7AF3472D3B4C75A7")};
  const uint32_t flags_ = 0xe2888215;
  const Bytes negotiate_ =
      unhex("4E544C4D5353500001000000978208E200000000000000000000000000000000060380250000000F");
  const Bytes challenge_ = unhex(
      "4E544C4D53535000020000000C000C003800000015828AE20D1D8BA31179D0080000000000000000500050004400"
      "00"
      "000A0092270000000F530055005400330031003100"
      "02000C0053005500540033003100310001000C0053005500540033003100310004000C0053005500540033003100"
      "31"
      "0003000C0053005500540033003100310007000800A1A1F5ADCBAED00100000000");
  const Bytes final_ = unhex(
      "a18201cb308201c7a0030a0101a28201aa048201a64e544c4d53535000030000001800180090000000ee00ee00a8"
      "0000000c000c00580000001a001a0064000000120012007e0000001000100096010000158288e206038025000000"
      "0fecac77a5f385a8bf9c38c706eeeddcd3530055005400330031003100610064006d0069006e0069007300740072"
      "00610074006f00720044005200490056004500520033003100310000000000000000000000000000000000000000"
      "000000000063078eb639fe03e20a231c3ae3bf23080101000000000000a1a1f5adcbaed001bc4ad05f223cc90f00"
      "00000002000c0053005500540033003100310001000c0053005500540033003100310004000c0053005500540033"
      "003100310003000c0053005500540033003100310007000800a1a1f5adcbaed00106000400020000000800300030"
      "000000000000000000000000300000b61fefcaa857ea57bf1edcebf8974b8e0eba5a6dfd9d07a31d11b548f8c9d0"
      "cc0a001000000000000000000000000000000000000900160063006900660073002f005300550054003300310031"
      "000000000000000000000000003b9bdff38f5ee8f9663f11a0f4c03a78a31204100100000063775a9a5fd97f0600"
      "000000");
};

TEST_F(WindowsLogon, MicAndMechListMics) {
  const auto resp = wire::NegTokenResp::decode(final_);
  ASSERT_TRUE(resp);
  const auto message = wire::ntlm::AuthenticateMessage::decode(*resp->response_token);
  ASSERT_TRUE(message);
  ASSERT_TRUE(message->mic);
  EXPECT_EQ(message->negotiate_flags, flags_);
  EXPECT_EQ(bytes_of(ntlm_mic(key_, negotiate_, challenge_, *resp->response_token)),
            bytes_of(*message->mic));
  const Bytes mech_types = unhex("300c060a2b06010401823702020a");
  EXPECT_EQ(ntlm_signature(key_, flags_, NtlmSide::kClient, 0, mech_types), *resp->mech_list_mic);
  EXPECT_EQ(ntlm_signature(key_, flags_, NtlmSide::kServer, 0, mech_types),
            unhex("010000003B453CDC3524164200000000"));
}

TEST(NtlmKeys, SigningNeedsExtendedSessionSecurity) {
  EXPECT_FALSE(can_sign(flags::kSign));
  EXPECT_FALSE(can_sign(flags::kExtendedSessionSecurity));
  EXPECT_TRUE(can_sign(flags::kSign | flags::kExtendedSessionSecurity));
}

}  // namespace
}  // namespace braid::auth
