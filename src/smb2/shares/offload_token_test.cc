#include "smb2/shares/offload_token.h"

#include <gtest/gtest.h>

#include "base/nt_status.h"

namespace braid::smb2 {
namespace {

OffloadToken example() {
  return {.session_id = {7},
          .file_id = {1, 2},
          .offset = 4096,
          .length = 512,
          .file_size = 5000,
          .changed = {20},
          .expires = {30}};
}

TEST(OffloadToken, EncodedIsReadBack) {
  const auto back = OffloadToken::decode(example().encode());
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, example());
}

TEST(OffloadToken, OtherTypesAndLengthsAreInvalidTokens) {
  wire::StorageOffloadToken other = example().encode();
  other.type = 1;
  EXPECT_TRUE(OffloadToken::decode(other).error().status() == NtStatus::kInvalidToken);
  for (const int change : {-1, 1}) {
    wire::StorageOffloadToken cut = example().encode();
    cut.id_length = static_cast<uint16_t>(cut.id_length + change);
    EXPECT_TRUE(OffloadToken::decode(cut).error().status() == NtStatus::kInvalidToken);
  }
}

TEST(OffloadToken, RangesBeyondTheLargestFileAreInvalidTokens) {
  OffloadToken token = example();
  token.length = INT64_MAX;
  EXPECT_TRUE(OffloadToken::decode(token.encode()).error().status() == NtStatus::kInvalidToken);
}

}  // namespace
}  // namespace braid::smb2
