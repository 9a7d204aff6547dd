#include "rpc/epm/tower.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "rpc/interface.h"

namespace braid::rpc::epm {
namespace {

// What impacket asks for the port of Witness with.
constexpr char kAsked[] =
    "050013000d74c0d8cce5d0404a92b4d074faa6ba2801000200010013000d045d888aeb1cc9119fe808002b104860"
    "02000200000001000b0200000001000702000000010009040000000000";

TEST(Tower, IsReadAsOthersWriteIt) {
  const auto tower = Tower::decode(unhex(kAsked));
  ASSERT_TRUE(tower);
  EXPECT_EQ(tower->interface, witness_interface().syntax);
  EXPECT_EQ(tower->transfer_syntax, kNdrSyntax);
  EXPECT_EQ(tower->port, 0);
  EXPECT_EQ(tower->encode(), unhex(kAsked));
}

TEST(Tower, PortAndAddressAreInNetworkOrder) {
  Tower tower{.interface = witness_interface().syntax, .port = 0xc001, .address = {192, 0, 2, 7}};
  const Bytes octets = tower.encode();
  const Bytes end = unhex("01000702 00c001 01000904 00c0000207");
  EXPECT_EQ(Bytes(octets.end() - static_cast<ptrdiff_t>(end.size()), octets.end()), end);
  EXPECT_EQ(Tower::decode(octets)->port, 0xc001);
}

TEST(Tower, OfOtherProtocolsIsUnsupported) {
  for (const size_t at : {4u, 29u, 54u, 61u, 68u}) {  // where each floor names its protocol
    Bytes octets = unhex(kAsked);
    octets[at] ^= 0x10;
    const auto tower = Tower::decode(octets);
    ASSERT_FALSE(tower) << at;
    EXPECT_EQ(tower.error(), Error::unsupported()) << at;
  }
  Bytes four = unhex(kAsked);
  four[0] = 4;
  EXPECT_EQ(Tower::decode(four).error(), Error::unsupported());
}

TEST(Tower, CutShortIsTruncatedWhereverItEnds) {
  const Bytes whole = unhex(kAsked);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Tower::decode(ByteView(whole).first(size)).error(), Error::truncated()) << size;
  }
}

TEST(Tower, MoreFloorsThanBytesEndIt) {
  Bytes octets = unhex(kAsked);
  octets[0] = octets[1] = 0xff;
  EXPECT_FALSE(Tower::decode(octets));
}

}  // namespace
}  // namespace braid::rpc::epm
