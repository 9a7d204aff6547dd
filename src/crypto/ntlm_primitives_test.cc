#include "crypto/ntlm_primitives.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"

namespace braid::crypto {
namespace {

Bytes bytes_of(const Digest16& digest) { return {digest.begin(), digest.end()}; }

// [RFC1320] A.5.
TEST(Md4, RfcExamples) {
  EXPECT_EQ(bytes_of(md4({})), unhex("31d6cfe0d16ae931b73c59d7e0c089c0"));
  EXPECT_EQ(bytes_of(md4(as_bytes("message digest"))), unhex("d9130a8164549fe818874806e1c7014b"));
}

// [RFC1321] A.5.
TEST(Md5, RfcExample) {
  const ByteView parts[] = {as_bytes("message "), as_bytes("digest")};
  EXPECT_EQ(bytes_of(md5(parts)), unhex("f96b697d7cb7938d525a2f31aaf161d0"));
}

// [RFC2202] section 2, test case 2.
TEST(HmacMd5, RfcExample) {
  const ByteView parts[] = {as_bytes("what do ya want "), as_bytes("for nothing?")};
  EXPECT_EQ(bytes_of(hmac_md5(as_bytes("Jefe"), parts)), unhex("750c783e6ab0b503eaa86e310a5db738"));
}

// [MS-NLMP] 4.2.2.2.3: the random session key under the key exchange key.
TEST(Rc4, SpecificationExample) {
  Rc4 rc4(unhex("d87262b0cde4b1cb7499becccdf10784"));
  Bytes data(16, 0x55);
  rc4.apply(data);
  EXPECT_EQ(data, unhex("518822b1b3f350c8958682ecbb3e3cb7"));
}

}  // namespace
}  // namespace braid::crypto
