#include "crypto/sealing.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "base/hex_testing.h"

namespace braid::crypto {
namespace {

Nonce nonce_of(ByteView bytes) {
  Nonce nonce{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), nonce.size()), nonce.begin());
  return nonce;
}

struct Sealed {
  Bytes data;
  Bytes tag;
};
Sealed seal(Cipher cipher, ByteView key, ByteView nonce, ByteView aad, Bytes data) {
  const CipherKey cipher_key(cipher, Secret(key));
  const MutableByteView parts[] = {data};
  const Tag tag = cipher_key.seal(nonce_of(nonce), aad, parts);
  return {std::move(data), Bytes(tag.begin(), tag.end())};
}

const char kGcmText[] =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b5"
    "25b16aedf5aa0de657ba637b39";
const char kGcmAad[] = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const char kGcmNonce[] = "cafebabefacedbaddecaf888";

// Test cases 4 and 16 of the GCM specification.
TEST(Sealing, Gcm128OfTheSpecification) {
  const auto sealed = seal(Cipher::kAes128Gcm, unhex("feffe9928665731c6d6a8f9467308308"),
                           unhex(kGcmNonce), unhex(kGcmAad), unhex(kGcmText));
  EXPECT_EQ(sealed.data,
            unhex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931"
                  "c7d8f6a5aac84aa051ba30b396a0aac973d58e091"));
  EXPECT_EQ(sealed.tag, unhex("5bc94fbc3221a5db94fae95ae7121a47"));
}
TEST(Sealing, Gcm256OfTheSpecification) {
  const auto sealed = seal(
      Cipher::kAes256Gcm, unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
      unhex(kGcmNonce), unhex(kGcmAad), unhex(kGcmText));
  EXPECT_EQ(sealed.data,
            unhex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3"
                  "da7b08b1056828838c5f61e6393ba7a0abcc9f662"));
  EXPECT_EQ(sealed.tag, unhex("76fc6ece0f4e1768cddf8853bb2d551b"));
}

// A WRITE request and a READ response between Windows 8 and Windows Server 2012, from Microsoft's
// published walk through SMB 3.0 encryption.
TEST(Sealing, CcmWriteRequestOfWindows) {
  const auto sealed =
      seal(Cipher::kAes128Ccm, unhex("261B72350558F2E9DCF613070383EDBF"),
           unhex("66E69A111892584FB5ED52"),
           unhex("66E69A111892584FB5ED524A744DA3EE87000000000001001100001400E40800"),
           unhex("FE534D4240000100000000000900400008000000000000000400000000000000"
                 "FFFE0000010000001100001400E4080000000000000000000000000000000000"
                 "3100700017000000000000000000000015010000390000020100000039020000"
                 "00000000000000007000000000000000536D623320656E6372797074696F6E20"
                 "74657374696E67"));
  EXPECT_EQ(sealed.tag, unhex("81A286535415445DAE393921E44FA42E"));
  EXPECT_EQ(sealed.data, unhex("25C8FEE16605A437832D1CD52DA9F4645333482A175FE5384563F45FCDAFAEF3"
                               "8BC62BA4D5C62897996625A44C29BE5658DE2E6117585779E7B59FFD971278D0"
                               "8580D7FA899E410E910EABF5AA1DB43050B33B49182637759AC15D84BFCDF5B6"
                               "B238993C0F4CF4D6012023F6C627297075D84B7803912D0A9639634453595EF3"
                               "E33FFE4E7AC2AB"));
}
TEST(Sealing, CcmReadResponseOfWindows) {
  const CipherKey key(Cipher::kAes128Ccm, Secret(unhex("8FE2B57EC34D2DB5B1A9727F526BBDB5")));
  Bytes data = unhex(
      "493D6FE2BDBEB435CF5F546970C7BB57BF20E713C75A3D045507E0D68E5C0346659D6FFB8AC1504A786CA2BB"
      "89C9E7FE4F313E910A04180D2D0EA7DF636329E5A3285984500EF86FE9D55DA4FAB9531CFDD4C551D47F3C73"
      "124BB4590A45052B694048B991CCF5");
  ASSERT_TRUE(key.open(nonce_of(unhex("8700000000000000110000")),
                       unhex("87000000000000001100001400E4080067000000000001001100001400E40800"),
                       data, unhex("ABD518B68C2F04D7879F482B689EB83F")));
  EXPECT_EQ(data, unhex("FE534D4240000100000000000800210009000000000000000500000000000000"
                        "FFFE0000010000001100001400E4080000000000000000000000000000000000"
                        "11005000170000000000000000000000536D623320656E6372797074696F6E20"
                        "74657374696E67"));
}

// OpenSSL's own CCM, an implementation apart from ours.
TEST(Sealing, CcmAgreesWithOpenSslInAllSizes) {
  const Bytes key = unhex("404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f");
  const Bytes nonce = unhex("101112131415161718191a");
  for (size_t size : {1, 15, 16, 17, 64, 128, 8191, 8192, 8193, 70000}) {
    const Bytes aad(size < 100 ? 32 : 300, 0xa5);
    Bytes data(size);
    // No piece is like another.
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<uint8_t>(i * 13 + i / 256 * 29);
    Sealed expected{data, Bytes(16)};
    EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new();
    int written = 0;
    EVP_EncryptInit_ex(ctx, EVP_aes_256_ccm(), nullptr, nullptr, nullptr);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 11, nullptr);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, nullptr);
    EVP_EncryptInit_ex(ctx, nullptr, nullptr, key.data(), nonce.data());
    EVP_EncryptUpdate(ctx, nullptr, &written, nullptr, static_cast<int>(size));
    EVP_EncryptUpdate(ctx, nullptr, &written, aad.data(), static_cast<int>(aad.size()));
    EVP_EncryptUpdate(ctx, expected.data.data(), &written, data.data(), static_cast<int>(size));
    EVP_EncryptFinal_ex(ctx, expected.data.data(), &written);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, expected.tag.data());
    EVP_CIPHER_CTX_free(ctx);

    const auto sealed = seal(Cipher::kAes256Ccm, key, nonce, aad, data);
    EXPECT_EQ(sealed.tag, expected.tag) << size;
    EXPECT_EQ(sealed.data, expected.data) << size;
  }
}

class EveryCipher : public testing::TestWithParam<Cipher> {
 protected:
  const CipherKey key_{GetParam(), Secret::random(key_size(GetParam()))};
  const Bytes aad_ = Bytes(32, 0x77);
};
INSTANTIATE_TEST_SUITE_P(Sealing, EveryCipher,
                         testing::Values(Cipher::kAes128Ccm, Cipher::kAes128Gcm, Cipher::kAes256Ccm,
                                         Cipher::kAes256Gcm));

TEST_P(EveryCipher, PartsSealAsTheirConcatenation) {
  Bytes text(20000);
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<uint8_t>(i * 11);
  const Nonce nonce = key_.next_nonce();
  Bytes whole = text;
  const MutableByteView one[] = {whole};
  const Tag expected = key_.seal(nonce, aad_, one);
  for (size_t cut : {0, 1, 15, 16, 63, 64, 112, 8192, 19999, 20000}) {
    Bytes data = text;
    const MutableByteView parts[] = {
        MutableByteView(data).first(cut), {}, MutableByteView(data).subspan(cut)};
    EXPECT_EQ(key_.seal(nonce, aad_, parts), expected) << cut;
    EXPECT_EQ(data, whole) << cut;
  }
  ASSERT_TRUE(key_.open(nonce, aad_, whole, expected));
  EXPECT_EQ(whole, text);
}

TEST_P(EveryCipher, AnyChangeFailsWithAccessDenied) {
  const Bytes text(100, 0x42);
  const Nonce nonce = key_.next_nonce();
  Bytes sealed = text;
  const MutableByteView parts[] = {sealed};
  const Tag tag = key_.seal(nonce, aad_, parts);
  const auto open_with = [&](Nonce n, Bytes aad, Bytes data, Bytes t) {
    return key_.open(n, aad, data, t);
  };
  const Bytes good_tag(tag.begin(), tag.end());
  EXPECT_TRUE(open_with(nonce, aad_, sealed, good_tag));

  Nonce other_nonce = nonce;
  other_nonce[10] ^= 1;
  EXPECT_EQ(open_with(other_nonce, aad_, sealed, good_tag).error().status(),
            NtStatus::kAccessDenied);
  Bytes bad = aad_;
  bad[31] ^= 1;
  EXPECT_FALSE(open_with(nonce, bad, sealed, good_tag));
  bad = sealed;
  bad[99] ^= 1;
  EXPECT_FALSE(open_with(nonce, aad_, bad, good_tag));
  bad = good_tag;
  bad[0] ^= 1;
  EXPECT_FALSE(open_with(nonce, aad_, sealed, bad));
  EXPECT_FALSE(open_with(nonce, aad_, sealed, Bytes(tag.begin(), tag.begin() + 12)));
}

TEST_P(EveryCipher, NoncesOfManyThreadsAreDistinct) {
  std::vector<std::vector<Nonce>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) mine.push_back(key_.next_nonce());
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<Nonce> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 4000u);
  EXPECT_TRUE(std::all_of(all.begin(), all.end(), [](const Nonce& nonce) {
    return std::all_of(nonce.begin() + nonce_size(GetParam()), nonce.end(),
                       [](uint8_t byte) { return byte == 0; });
  }));
}

TEST_P(EveryCipher, ThreadsShareOneKey) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        Bytes data(300, static_cast<uint8_t>(t));
        const MutableByteView parts[] = {data};
        const Nonce nonce = key_.next_nonce();
        const Tag tag = key_.seal(nonce, aad_, parts);
        if (!key_.open(nonce, aad_, data, tag) || data != Bytes(300, static_cast<uint8_t>(t))) {
          ++wrong;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace braid::crypto
