#include "crypto/signing.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <string_view>
#include <thread>
#include <vector>

#include "base/hex_testing.h"

namespace braid::crypto {
namespace {

constexpr size_t kSignatureOffset = 48;

Bytes signature_of(SigningAlgorithm algorithm, ByteView key, ByteView message,
                   SigningNonce nonce = {}) {
  const SigningKey signing_key(algorithm, Secret(key));
  const ByteView parts[] = {message};
  const Signature signature = signing_key.sign(parts, nonce);
  return {signature.begin(), signature.end()};
}

// [RFC4493] section 4, test vectors.
TEST(Signing, CmacOfTheRfcExamples) {
  const Bytes key = unhex("2b7e151628aed2a6abf7158809cf4f3c");
  const Bytes text = unhex(
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
      "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
  const auto cmac = [&](size_t size) {
    return signature_of(SigningAlgorithm::kAesCmac, key, ByteView(text).first(size));
  };
  EXPECT_EQ(cmac(0), unhex("bb1d6929e95937287fa37d129b756746"));
  EXPECT_EQ(cmac(16), unhex("070a16b46b4d4144f79bdd9dd04a287c"));
  EXPECT_EQ(cmac(40), unhex("dfa66747de9ae63030ca32611497c827"));
  EXPECT_EQ(cmac(64), unhex("51f0bebf7e3b9d92fc49741779363cfe"));
}

// [RFC4231] test case 2, cut to 16 bytes.
TEST(Signing, HmacOfTheRfcExample) {
  EXPECT_EQ(signature_of(SigningAlgorithm::kHmacSha256, as_bytes("Jefe"),
                         as_bytes("what do ya want for nothing?")),
            unhex("5bdcc146bf60754e6a042426089575c7"));
}

// A SESSION_SETUP response of Windows Server 2016 in dialect 3.1.1, from Microsoft's published
// walk through SMB 3.1.1 key derivation.
TEST(Signing, VerifiesAResponseOfWindows) {
  const SigningKey key(SigningAlgorithm::kAesCmac,
                       Secret(unhex("73FE7A9A77BEF0BDE49C650D8CCB5F76")));
  Bytes message = unhex(
      "FE534D4240000100000000000100800009000000000000000300000000000000FFFE000000000000"
      "1900000000100000EBE146DA120BA25FC3376A49DFE31BC10900000048001D00A11B3019A0030A01"
      "00A3120410010000003B453CDC3524164200000000");
  EXPECT_TRUE(key.verify(message, kSignatureOffset, {}));
  message[16] ^= 1;
  EXPECT_FALSE(key.verify(message, kSignatureOffset, {}));
}

// The GCM specification's test case 1: nothing encrypted under an all-zero key and nonce.
TEST(Signing, GmacOfNothingIsTheGcmTag) {
  EXPECT_EQ(signature_of(SigningAlgorithm::kAesGmac, Bytes(16), {}),
            unhex("58e2fccefa7e3061367f1d57a4e7455a"));
}

// Bit 31 of the last four bytes is no message's, whatever else those say.
TEST(Signing, DataHasNoncesThatNoMessageHas) {
  const SigningNonce of_data{
      .message_id = 0x0102030405060708, .from_server = true, .is_data = true};
  const GmacNonce expected = {8, 7, 6, 5, 4, 3, 2, 1, 1, 0, 0, 0x80};
  EXPECT_EQ(gmac_nonce(of_data), expected);
  for (const bool from_server : {false, true}) {
    for (const bool is_cancel : {false, true}) {
      const SigningNonce nonce{7, from_server, is_cancel, false};
      EXPECT_EQ(gmac_nonce(nonce)[11], 0);
    }
    EXPECT_EQ(gmac_nonce({7, from_server, false, true})[8], from_server ? 1 : 0);
  }
  const SigningKey key(SigningAlgorithm::kAesGmac, Secret(Bytes(16, 3)));
  const Bytes data(100, 7);
  const ByteView parts[] = {data};
  EXPECT_EQ(key.sign_data(data, gmac_nonce(of_data)), key.sign(parts, of_data));
  SigningNonce of_message = of_data;
  of_message.is_data = false;
  EXPECT_NE(key.sign_data(data, gmac_nonce(of_data)), key.sign(parts, of_message));
}

// The GCM tag OpenSSL makes when asked for it directly, with the nonce written out.
TEST(Signing, GmacNonceHoldsMessageIdAndRoles) {
  const Bytes key = unhex("feffe9928665731c6d6a8f9467308308");
  const Bytes message(100, 0x5a);
  const auto expected = [&](std::string_view nonce) {
    EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new();
    Bytes tag(16);
    int written = 0;
    EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), nullptr, key.data(), unhex(nonce).data());
    EVP_EncryptUpdate(ctx, nullptr, &written, message.data(), static_cast<int>(message.size()));
    EVP_EncryptFinal_ex(ctx, tag.data(), &written);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, tag.data());
    EVP_CIPHER_CTX_free(ctx);
    return tag;
  };
  const auto gmac = [&](SigningNonce nonce) {
    return signature_of(SigningAlgorithm::kAesGmac, key, message, nonce);
  };
  EXPECT_EQ(gmac({.message_id = 0x0102030405060708}), expected("080706050403020100000000"));
  EXPECT_EQ(gmac({.message_id = 7, .from_server = true}), expected("070000000000000001000000"));
  EXPECT_EQ(gmac({.message_id = 7, .is_cancel = true}), expected("070000000000000002000000"));
}

class EveryAlgorithm : public testing::TestWithParam<SigningAlgorithm> {
 protected:
  const SigningKey key_{GetParam(), Secret(unhex("000102030405060708090a0b0c0d0e0f"))};
};
INSTANTIATE_TEST_SUITE_P(Signing, EveryAlgorithm,
                         testing::Values(SigningAlgorithm::kHmacSha256, SigningAlgorithm::kAesCmac,
                                         SigningAlgorithm::kAesGmac));

TEST_P(EveryAlgorithm, PartsSignAsTheirConcatenation) {
  Bytes message(9000);
  for (size_t i = 0; i < message.size(); ++i) message[i] = static_cast<uint8_t>(i * 7);
  const ByteView whole[] = {message};
  const Signature expected = key_.sign(whole, {.message_id = 9});
  for (size_t cut : {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{17}, size_t{64},
                     size_t{4096}, size_t{8999}, size_t{9000}}) {
    const ByteView parts[] = {ByteView(message).first(cut), {}, ByteView(message).subspan(cut)};
    EXPECT_EQ(key_.sign(parts, {.message_id = 9}), expected) << cut;
  }
}

TEST_P(EveryAlgorithm, SignInPlaceThenVerify) {
  Bytes message(200, 0x11);
  const Bytes payload(3000, 0x22);
  const ByteView rest[] = {payload};
  key_.sign_in_place(message, rest, kSignatureOffset, {.message_id = 5, .from_server = true});
  message.insert(message.end(), payload.begin(), payload.end());
  EXPECT_TRUE(key_.verify(message, kSignatureOffset, {.message_id = 5, .from_server = true}));
  for (size_t i : {size_t{0}, size_t{48}, size_t{63}, size_t{64}, message.size() - 1}) {
    Bytes changed = message;
    changed[i] ^= 0x80;
    EXPECT_FALSE(key_.verify(changed, kSignatureOffset, {.message_id = 5, .from_server = true}))
        << i;
  }
}

TEST_P(EveryAlgorithm, MessageTooShortForASignatureFails) {
  EXPECT_FALSE(key_.verify(Bytes(63), kSignatureOffset, {}));
  EXPECT_FALSE(key_.verify(Bytes(10), kSignatureOffset, {}));
}

TEST_P(EveryAlgorithm, ThreadsShareOneKey) {
  const Bytes message(500, 0x33);
  const ByteView parts[] = {message};
  const Signature expected = key_.sign(parts, {.message_id = 1});
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        if (key_.sign(parts, {.message_id = 1}) != expected) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace braid::crypto
