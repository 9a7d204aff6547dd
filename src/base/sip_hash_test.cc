#include "base/sip_hash.h"

#include <gtest/gtest.h>

#include <numeric>

namespace braid {
namespace {

// Appendix A of the paper.
TEST(SipHash, ExampleOfThePaper) {
  SipKey key;
  std::iota(key.begin(), key.end(), uint8_t{0});
  Bytes message(15);
  std::iota(message.begin(), message.end(), uint8_t{0});
  EXPECT_EQ(sip_hash(key, message), 0xa129'ca61'49be'45e5u);
}

TEST(SipHash, KeyAndEveryByteCount) {
  const SipKey key{1}, other{2};
  Bytes message(24);
  const uint64_t before = sip_hash(key, message);
  EXPECT_NE(sip_hash(other, message), before);
  for (size_t i = 0; i < message.size(); ++i) {
    Bytes changed = message;
    changed[i] = 1;
    EXPECT_NE(sip_hash(key, changed), before) << i;
  }
  EXPECT_NE(sip_hash(key, Bytes(23)), before);
}

}  // namespace
}  // namespace braid
