#include "crypto/sha256.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"

namespace braid::crypto {
namespace {

// FIPS 180-4, the examples of NIST.
TEST(Sha256, KnownAnswers) {
  const auto of = [](std::string_view text) {
    const Digest32 digest = sha256(as_bytes(text));
    return Bytes(digest.begin(), digest.end());
  };
  EXPECT_EQ(of(""), unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  EXPECT_EQ(of("abc"), unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

}  // namespace
}  // namespace braid::crypto
