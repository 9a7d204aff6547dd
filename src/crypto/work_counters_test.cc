#include "crypto/work_counters.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "crypto/sealing.h"
#include "crypto/signing.h"

namespace braid::crypto {
namespace {

void expect(const WorkCounters::Counts& counts, uint64_t messages, uint64_t bytes) {
  EXPECT_EQ(counts.messages, messages);
  EXPECT_EQ(counts.bytes, bytes);
}

TEST(WorkCounters, ASigningKeyTellsWhatItSignedAndVerified) {
  WorkCounters counters;
  for (const auto algorithm :
       {SigningAlgorithm::kHmacSha256, SigningAlgorithm::kAesCmac, SigningAlgorithm::kAesGmac}) {
    const uint64_t refused_before = counters.refused();
    const SigningKey key(algorithm, Secret::random(16), &counters);
    Bytes message(100), rest(28);
    const ByteView parts[] = {rest};
    key.sign_in_place(message, parts, 48, {.message_id = 7});
    expect(counters.counts(Work::kSign, algorithm), 1, 128);
    expect(counters.counts(Work::kVerify, algorithm), 0, 0);
    EXPECT_FALSE(key.verify(message, 48, {.message_id = 7})) << "a part of it is missing";
    EXPECT_EQ(counters.refused(), refused_before + 1);
    message.resize(128);
    EXPECT_TRUE(key.verify(message, 48, {.message_id = 7}));
    expect(counters.counts(Work::kVerify, algorithm), 2, 228);
    const GmacNonce nonce = gmac_nonce({.message_id = 7, .is_data = true});
    const Signature signature = key.sign_data(rest, nonce);
    EXPECT_TRUE(key.verify_data(rest, nonce, signature));
    expect(counters.counts(Work::kSign, algorithm), 2, 156);
    expect(counters.counts(Work::kVerify, algorithm), 3, 256);
    EXPECT_EQ(counters.refused(), refused_before + 1);
  }
}

TEST(WorkCounters, ACipherKeyTellsWhatItEncryptedAndDecrypted) {
  WorkCounters counters;
  for (const auto cipher :
       {Cipher::kAes128Ccm, Cipher::kAes128Gcm, Cipher::kAes256Ccm, Cipher::kAes256Gcm}) {
    const uint64_t refused_before = counters.refused();
    const CipherKey key(cipher, Secret::random(key_size(cipher)), &counters);
    Bytes first(100), second(28);
    const MutableByteView parts[] = {first, second};
    const Nonce nonce = key.next_nonce();
    const Tag tag = key.seal(nonce, {}, parts);
    expect(counters.counts(Work::kEncrypt, cipher), 1, 128);
    Bytes whole(first);
    whole.insert(whole.end(), second.begin(), second.end());
    EXPECT_TRUE(key.open(nonce, {}, whole, tag));
    expect(counters.counts(Work::kDecrypt, cipher), 1, 128);
    EXPECT_EQ(counters.refused(), refused_before);
    EXPECT_FALSE(key.open(nonce, {}, whole, tag));
    expect(counters.counts(Work::kDecrypt, cipher), 2, 256);
    EXPECT_EQ(counters.refused(), refused_before + 1);
  }
}

TEST(WorkCounters, ThreadsAreAddedUp) {
  WorkCounters counters;
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1'000; ++n) counters.count(Work::kSign, SigningAlgorithm::kAesGmac, 3);
    });
  }
  for (auto& thread : threads) thread.join();
  expect(counters.counts(Work::kSign, SigningAlgorithm::kAesGmac), 20'000, 60'000);
}

}  // namespace
}  // namespace braid::crypto
