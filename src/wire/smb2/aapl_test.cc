#include "wire/smb2/aapl.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/golden_testing.h"
#include "wire/smb2/codec_testing.h"

namespace braid::wire {
namespace {

// What a Mac asks with its first CREATE on a tree.
TEST(Aapl, QueryOfAMac) {
  const auto query =
      decode_payload<AaplQuery>(unhex("01000000 00000000 0700000000000000 1f00000000000000"));
  ASSERT_TRUE(query);
  EXPECT_EQ(query->command, Aapl::kServerQuery);
  EXPECT_EQ(query->asked, Aapl::kServerCaps | Aapl::kVolumeCaps | Aapl::kModelInfo);
  EXPECT_TRUE(query->client_caps & Aapl::kSupportsReadDirAttr);
}

// The two examples of Apple's "Time Machine over SMB Specification".
TEST(Aapl, WhatApplePrints) {
  const auto query =
      decode_payload<AaplQuery>(unhex("01000000 00000000 0700000000000000 0f00000000000000"));
  ASSERT_TRUE(query);
  EXPECT_EQ(query->asked, 7u);
  EXPECT_EQ(query->client_caps, Aapl::kSupportsReadDirAttr | Aapl::kSupportsOsxCopyfile |
                                    Aapl::kUnixBased | Aapl::kSupportsNfsAce);
  Bytes out;
  Writer w(out);
  AaplAnswer{.answered = Aapl::kServerCaps | Aapl::kVolumeCaps,
             .server_caps = 0,
             .volume_caps = Aapl::kSupportsFullSync,
             .model = {}}
      .encode(w);
  EXPECT_EQ(out, unhex("01000000 00000000 0300000000000000 0000000000000000 0400000000000000"));
}

TEST(Aapl, Golden) {
  golden<AaplQuery>({.command = 1, .asked = 7, .client_caps = 0x1f},
                    "01000000 (00000000) 0700000000000000 1f00000000000000");
  golden<AaplAnswer>({.answered = 3, .server_caps = 4, .volume_caps = 6},
                     "01000000 (00000000) [0300000000000000] 0400000000000000 0600000000000000");
}

TEST(Aapl, QueryThatIsCutIsTruncated) {
  const Bytes whole = unhex("01000000 00000000 0700000000000000 1f00000000000000");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(decode_payload<AaplQuery>(ByteView(whole).first(size)).error(), Error::truncated());
  }
}

TEST(Aapl, AnswerIsLaidOutByWhatIsAnswered) {
  const auto hex = [](const AaplAnswer& answer) {
    Bytes out;
    Writer w(out);
    answer.encode(w);
    return out;
  };
  EXPECT_EQ(hex({}), unhex("01000000 00000000 0000000000000000"));
  EXPECT_EQ(hex({.answered = Aapl::kVolumeCaps, .server_caps = 4, .volume_caps = 4}),
            unhex("01000000 00000000 0200000000000000 0400000000000000"));
  EXPECT_EQ(hex({.answered = 7, .server_caps = 4, .volume_caps = 6, .model = "Xs"}),
            unhex("01000000 00000000 0700000000000000 0400000000000000 0600000000000000"
                  "00000000 04000000 58007300"));
}

TEST(Aapl, ModelBeyondTheEndIsTruncated) {
  EXPECT_EQ(decode_payload<AaplAnswer>(unhex("01000000 00000000 0400000000000000"
                                             "00000000 ffffffff 58007300"))
                .error(),
            Error::truncated());
}

}  // namespace
}  // namespace braid::wire
