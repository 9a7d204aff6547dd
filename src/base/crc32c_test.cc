#include "base/crc32c.h"

#include <gtest/gtest.h>

namespace braid {
namespace {

// RFC 3720 appendix B.4, "CRC Examples".
TEST(Crc32c, ExamplesOfTheStandard) {
  EXPECT_EQ(crc32c(Bytes(32, 0)), 0x8A91'36AAu);
  EXPECT_EQ(crc32c(Bytes(32, 0xFF)), 0x62A8'AB43u);
  Bytes rising;
  for (uint8_t i = 0; i < 32; ++i) rising.push_back(i);
  EXPECT_EQ(crc32c(rising), 0x46DD'794Eu);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE306'9283u);
}

TEST(Crc32c, PiecesGiveTheChecksumOfTheWhole) {
  const ByteView whole = as_bytes("a text that is cut in two at every place");
  for (size_t at = 0; at <= whole.size(); ++at) {
    EXPECT_EQ(crc32c(whole.subspan(at), crc32c(whole.first(at))), crc32c(whole));
  }
  EXPECT_EQ(crc32c({}), 0u);
}

}  // namespace
}  // namespace braid
