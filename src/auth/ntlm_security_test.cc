#include "auth/ntlm_security.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"

namespace braid::auth {
namespace {

// The values of [MS-NLMP] 4.2.4: RandomSessionKey, flags, and what the client seals.
const crypto::Secret kKey{Bytes(16, 0x55)};
constexpr uint32_t kFlags = 0xe28a8233;

Bytes plaintext() { return unhex("50006c00610069006e007400650078007400"); }

// [MS-NLMP] 4.2.4.4 "GSS_WrapEx Examples".
TEST(NtlmDirection, SealsAsTheSpecificationDoes) {
  NtlmDirection client(kKey, kFlags, NtlmSide::kClient, 0);
  Bytes data = plaintext();
  client.apply(data);
  EXPECT_EQ(data, unhex("54e50165bf1936dc996020c1811b0f06fb5f"));
  const Bytes message = plaintext();
  const ByteView parts[] = {message};
  EXPECT_EQ(client.signature(parts), unhex("010000007fb38ec5c55d497600000000"));
}

// A client's message in three segments, sealed, with its verifier.
struct Sealed {
  Bytes header = unhex("0102");
  Bytes body = plaintext();
  Bytes trailer = unhex("0304");
  Bytes verifier;

  explicit Sealed(NtlmDirection& client) {
    const Bytes readable = body;
    client.apply(body);
    const ByteView parts[] = {header, readable, trailer};
    verifier = client.signature(parts);
  }
  Result<void> check(NtlmSecurity& server) {
    return server.check(Protection::kSeal, {.header = header, .body = body, .trailer = trailer},
                        verifier);
  }
};

TEST(NtlmSecurity, MessagesInOrderAreReadable) {
  NtlmDirection client(kKey, kFlags, NtlmSide::kClient, 1);
  NtlmSecurity server(kKey, kFlags, 1, 1);
  EXPECT_TRUE(server.can_seal());
  for (int i = 0; i < 3; ++i) {
    Sealed message(client);
    ASSERT_TRUE(message.check(server));
    EXPECT_EQ(message.body, plaintext());
  }
}

TEST(NtlmSecurity, ReplayedAndReorderedMessagesAreRefused) {
  NtlmDirection client(kKey, kFlags, NtlmSide::kClient, 0);
  Sealed first(client);
  Sealed second(client);
  NtlmSecurity replayed(kKey, kFlags, 0, 0);
  Sealed again = first;
  EXPECT_TRUE(first.check(replayed));
  EXPECT_EQ(again.check(replayed).error(), Error(NtStatus::kAccessDenied));
  NtlmSecurity reordered(kKey, kFlags, 0, 0);
  EXPECT_EQ(second.check(reordered).error(), Error(NtStatus::kAccessDenied));
}

TEST(NtlmSecurity, EachSegmentAndTheVerifiersLengthCount) {
  for (int what = 0; what < 6; ++what) {
    NtlmDirection client(kKey, kFlags, NtlmSide::kClient, 0);
    NtlmSecurity server(kKey, kFlags, 0, 0);
    Sealed message(client);
    if (what == 0) message.header[0] ^= 1;
    if (what == 1) message.body.back() ^= 1;
    if (what == 2) message.trailer[1] ^= 1;
    if (what == 3) message.verifier[4] ^= 1;
    if (what == 4) message.verifier.pop_back();
    if (what == 5) message.verifier.push_back(0);
    EXPECT_EQ(message.check(server).error(), Error(NtStatus::kAccessDenied)) << what;
  }
}

TEST(NtlmSecurity, SealsOnlyIfThatWasNegotiated) {
  EXPECT_FALSE(NtlmSecurity(kKey, kFlags & ~wire::ntlm::flags::kSeal, 0, 0).can_seal());
}

}  // namespace
}  // namespace braid::auth
