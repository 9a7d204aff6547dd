// AES-GCM by each library.
#include "crypto/gcm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace braid::crypto {
namespace {

using Make = std::unique_ptr<Gcm> (*)(ByteView key);

Bytes of_hex(std::string_view hex) {
  Bytes out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

class GcmOfLibrary : public testing::TestWithParam<Make> {
 protected:
  void SetUp() override {
    if (!GetParam()(Bytes(16))) GTEST_SKIP() << "not built in, or not for this processor";
  }
  static std::unique_ptr<Gcm> make(ByteView key) { return GetParam()(key); }
};

// Test cases 4 and 16 of the mode's specification: additional data, and a last block that is short.
TEST_P(GcmOfLibrary, KnownAnswers) {
  const Bytes nonce_bytes = of_hex("cafebabefacedbaddecaf888");
  GcmNonce nonce;
  std::ranges::copy(nonce_bytes, nonce.begin());
  const Bytes aad = of_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Bytes text = of_hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
      "b525b16aedf5aa0de657ba637b39");
  struct {
    std::string_view key, sealed, tag;
  } constexpr kCases[] = {
      {"feffe9928665731c6d6a8f9467308308",
       "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac8"
       "4"
       "aa051ba30b396a0aac973d58e091",
       "5bc94fbc3221a5db94fae95ae7121a47"},
      {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
       "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10568"
       "2"
       "8838c5f61e6393ba7a0abcc9f662",
       "76fc6ece0f4e1768cddf8853bb2d551b"},
  };
  for (const auto& each : kCases) {
    const auto gcm = make(of_hex(each.key));
    Bytes data = text;
    const MutableByteView whole(data);
    const MutableByteView parts[] = {whole.first(5), whole.subspan(5, 0), whole.subspan(5)};
    const GcmTag tag = gcm->seal(nonce, aad, parts);
    EXPECT_EQ(data, of_hex(each.sealed));
    EXPECT_EQ(Bytes(tag.begin(), tag.end()), of_hex(each.tag));
    EXPECT_TRUE(gcm->open(nonce, aad, data, tag));
    EXPECT_EQ(data, text);
  }
}

TEST_P(GcmOfLibrary, NoBitMayDiffer) {
  const auto gcm = make(Bytes(16, 9));
  const GcmNonce nonce{1, 2, 3};
  const Bytes aad(32, 1);
  Bytes sealed(70, 2);
  const MutableByteView parts[] = {sealed};
  const GcmTag tag = gcm->seal(nonce, aad, parts);
  const auto opens = [&](GcmNonce by, Bytes with, Bytes data, GcmTag fits) {
    return gcm->open(by, with, data, fits);
  };
  EXPECT_TRUE(opens(nonce, aad, sealed, tag));
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    Bytes other = sealed;
    other[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(opens(nonce, aad, other, tag)) << bit;
  }
  for (size_t bit = 0; bit < 8 * tag.size(); ++bit) {
    GcmTag other = tag;
    other[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(opens(nonce, aad, sealed, other)) << bit;
  }
  EXPECT_FALSE(opens({1, 2, 4}, aad, sealed, tag));
  EXPECT_FALSE(opens(nonce, Bytes(31, 1), sealed, tag));
}

// Whatever the sizes and wherever they are cut.
TEST_P(GcmOfLibrary, SaysWhatOpensslSays) {
  std::mt19937 dice(7);
  const auto below = [&](size_t end) {
    return std::uniform_int_distribution<size_t>(0, end - 1)(dice);
  };
  for (int round = 0; round < 300; ++round) {
    Bytes key(round % 2 ? 16 : 32);
    for (uint8_t& byte : key) byte = static_cast<uint8_t>(dice());
    const auto ours = make(key), usual = make_openssl_gcm(key);
    GcmNonce nonce;
    for (uint8_t& byte : nonce) byte = static_cast<uint8_t>(dice());
    Bytes text(below(round % 10 ? 600 : 70'000));
    for (uint8_t& byte : text) byte = static_cast<uint8_t>(dice());
    Bytes other = text;
    const size_t cut = below(text.size() + 1), second = cut + below(text.size() - cut + 1);
    const auto in_parts = [&](auto whole) {
      return std::vector{whole.first(cut), whole.subspan(cut, second - cut), whole.subspan(second)};
    };
    const Bytes aad(below(64), 3);
    const GcmTag mac = ours->authenticate(nonce, in_parts(ByteView(text)));
    EXPECT_EQ(mac, usual->authenticate(nonce, in_parts(ByteView(text))));
    const GcmTag tag = ours->seal(nonce, aad, in_parts(MutableByteView(text)));
    const MutableByteView whole[] = {other};
    EXPECT_EQ(tag, usual->seal(nonce, aad, whole));
    ASSERT_EQ(text, other);
    EXPECT_TRUE(usual->open(nonce, aad, text, tag));
    EXPECT_TRUE(ours->open(nonce, aad, other, tag));
    ASSERT_EQ(text, other);
  }
}

TEST_P(GcmOfLibrary, SeveralThreadsHaveOneKey) {
  const auto gcm = make(Bytes(16, 5));
  const Bytes text(10'000, 4);
  const ByteView parts[] = {text};
  const GcmTag expected = gcm->authenticate({}, parts);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 200; ++j) EXPECT_EQ(gcm->authenticate({}, parts), expected);
    });
  }
}

std::string name_of_library(const testing::TestParamInfo<Make>& info) {
  constexpr std::array<const char*, 3> kNames{"Openssl", "MultiBuffer", "Chosen"};
  return kNames[info.index];
}
INSTANTIATE_TEST_SUITE_P(Libraries, GcmOfLibrary,
                         testing::Values(&make_openssl_gcm, &make_multi_buffer_gcm, &make_gcm),
                         &name_of_library);

}  // namespace
}  // namespace braid::crypto
