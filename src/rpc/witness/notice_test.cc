#include "rpc/witness/notice.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "rpc/witness/registry.h"

namespace braid::rpc::witness {
namespace {

Bytes results_of(const Completion& completion) { return completion.encode(); }

// [MS-SWN] 4.1: NODE02 at 192.168.1.22 with flags 5 and NODE01 at 192.168.1.12 with flags 1. Only
// the version is ours; the example's is 0xffffffff.
TEST(InterfaceList, IsThatOfTheSpecification) {
  std::vector<Interface> list(2);
  list[0] = {"NODE02", State::kAvailable, *IpAddress::parse("192.168.1.22"), true};
  list[1] = {"NODE01", State::kAvailable, *IpAddress::parse("192.168.1.12"), false};
  Bytes expected = unhex("00000200 02000000 04000200 02000000");
  const auto add = [&](const char* name_hex, const char* rest_hex) {
    Bytes name = unhex(name_hex);
    name.resize(520);
    expected.insert(expected.end(), name.begin(), name.end());
    const Bytes rest = unhex(rest_hex);
    expected.insert(expected.end(), rest.begin(), rest.end());
  };
  add("4e004f004400450030003200",
      "00000200 0100 0000 c0a80116 00000000000000000000000000000000 05000000");
  add("4e004f004400450030003100",
      "00000200 0100 0000 c0a8010c 00000000000000000000000000000000 01000000");
  expected.insert(expected.end(), {0, 0, 0, 0});
  EXPECT_EQ(results_of({.call = {}, .interfaces = list}), expected);
}

// [MS-SWN] 4.1: GENERALFS has become unavailable.
TEST(Notice, ResourceChangeIsThatOfTheSpecification) {
  Notice notice;
  notice.changes = {{"GENERALFS", State::kUnavailable}};
  EXPECT_EQ(results_of({.call = {}, .notice = notice}),
            unhex("00000200 01000000 1c000000 01000000 04000200 1c000000"
                  "1c000000 ff000000 470045004e004500520041004c00460053000000 00000000"));
}

TEST(Notice, SeveralChangesStandBehindEachOther) {
  Notice notice;
  notice.changes = {{"A", State::kUnavailable}, {"A", State::kAvailable}};
  EXPECT_EQ(notice.encode_messages(),
            unhex("0c000000 ff000000 41000000 0c000000 01000000 41000000"));
}

TEST(Notice, AddressesAreOfOneFamilyEach) {
  Notice notice{.type = NoticeType::kClientMove, .changes = {}, .addresses = {}};
  notice.addresses = {{*IpAddress::parse("192.168.1.12"), State::kAvailable},
                      {*IpAddress::parse("2001:db8::1"), State::kUnavailable}};
  const std::string list =
      "3c000000 00000000 02000000"
      "09000000 c0a8010c 00000000000000000000000000000000"
      "12000000 00000000 20010db8000000000000000000000001";
  EXPECT_EQ(notice.encode_messages(), unhex(list));
  // Of a share no more than where it is.
  notice.type = NoticeType::kShareMove;
  EXPECT_EQ(notice.encode_messages()[12], 1);
}

TEST(Notice, ErrorsHaveNullPointers) {
  EXPECT_EQ(results_of({.call = {}, .result = error::kTimeout}), unhex("00000000 b4050000"));
}

TEST(IpAddress, TextThatIsNoneGivesNothing) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->text(), "192.0.2.1");
  EXPECT_EQ(IpAddress::parse("2001:DB8::1")->text(), "2001:db8::1");
  for (const char* text : {"", "192.0.2", "192.0.2.256", "node", "2001:db8::1%eth0", "::g"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0x", 11)));
}

}  // namespace
}  // namespace braid::rpc::witness
