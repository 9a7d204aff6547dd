#include "apps/braidctl/mdns_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hex_testing.h"

namespace braid::braidctl {
namespace {

using testing::ElementsAre;

constexpr size_t kHeader = 12;

// The question of `avahi-browse -t _smb._tcp` of Debian's 0.8, and with it what it knows already.
const Bytes kBrowse = unhex(
    "0000 0000 0001 0001 0000 0000 045f736d62 045f746370 056c6f63616c 00 000c 0001"
    "c00c 000c 0001 00001194 000b 08 6f746865722d3432 c00c");

TEST(MdnsMessage, AQuestionWithWhatIsKnown) {
  const auto message = parse_mdns(kBrowse);
  ASSERT_TRUE(message);
  EXPECT_FALSE(message->is_response);
  ASSERT_EQ(message->questions.size(), 1u);
  EXPECT_THAT(message->questions[0].name, ElementsAre("_smb", "_tcp", "local"));
  EXPECT_EQ(message->questions[0].type, DnsType::kPtr);
  EXPECT_FALSE(message->questions[0].wants_unicast);
  ASSERT_EQ(message->answers.size(), 1u);
  EXPECT_EQ(show_name(message->answers[0].name), "_smb._tcp.local");
  EXPECT_EQ(message->answers[0].ttl_s, 4'500u);
  EXPECT_EQ(message->answers[0].data, name_data({"other-42", "_smb", "_tcp", "local"}));
}

TEST(MdnsMessage, WhatIsWrittenIsRead) {
  const DnsName host{"files", "local"};
  MdnsMessage message{.id = 7, .is_response = true, .is_truncated = true};
  message.questions.push_back({host, DnsType::kAny, true});
  message.answers.push_back({{"x", "local"}, DnsType::kSrv, true, 120, service_data(445, host)});
  message.authorities.push_back({host, DnsType::kA, false, 120, {192, 0, 2, 1}});
  message.additionals.push_back(
      {host, DnsType::kNsec, true, 120, only_types_data(host, {DnsType::kA, DnsType::kAaaa})});
  const Bytes datagram = mdns_datagram(message);
  const auto back = parse_mdns(datagram);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->is_response && back->is_truncated);
  EXPECT_TRUE(back->questions.at(0).wants_unicast);
  EXPECT_TRUE(back->answers.at(0).flushes);
  EXPECT_FALSE(back->authorities.at(0).flushes);
  EXPECT_EQ(mdns_datagram(*back), datagram);
  // RFC 4034, 4.1.2 "The Type Bit Maps Field".
  EXPECT_EQ(back->additionals.at(0).data, unhex("0566696c6573 056c6f63616c 00 00 04 40000008"));
}

TEST(MdnsMessage, CutShortItIsNone) {
  for (size_t size = 0; size < kBrowse.size(); ++size) {
    EXPECT_FALSE(parse_mdns(ByteView(kBrowse).first(size))) << size;
  }
}

TEST(MdnsMessage, PointersLeadBackOnly) {
  const auto question = [](const char* name) {
    return unhex(std::string("0000 0000 0001 0000 0000 0000 ") + name + " 000c 0001");
  };
  for (const char* name :
       {"c00c", "c00d", "c0ff", "01 61 c00c", "01 61 c00e", "80", "40", "ffff"}) {
    EXPECT_FALSE(parse_mdns(question(name))) << name;
  }
  // Into the header: a name of the bytes there, which are none.
  const auto into_header = parse_mdns(question("c000"));
  ASSERT_TRUE(into_header);
  EXPECT_TRUE(into_header->questions.at(0).name.empty());
}

TEST(MdnsMessage, NamesHaveAnEnd) {
  const auto with_labels = [](size_t count) {
    Bytes datagram = unhex("0000 0000 0001 0000 0000 0000");
    for (size_t i = 0; i < count; ++i) {
      datagram.push_back(1);
      datagram.push_back('a');
    }
    for (const uint8_t each : {0, 0, 12, 0, 1}) datagram.push_back(each);
    return parse_mdns(datagram);
  };
  ASSERT_TRUE(with_labels(127));
  EXPECT_EQ(with_labels(127)->questions.at(0).name.size(), 127u);
  EXPECT_FALSE(with_labels(128));
}

TEST(MdnsMessage, WhatIsPassedOver) {
  const auto with_head = [](size_t at, uint8_t value) {
    Bytes datagram = kBrowse;
    datagram.at(at) = value;
    return parse_mdns(datagram);
  };
  EXPECT_TRUE(with_head(2, 0x04));   // authoritative
  EXPECT_FALSE(with_head(2, 0x28));  // an update
  EXPECT_FALSE(with_head(3, 0x02));  // an error
  EXPECT_FALSE(with_head(4, 0x01));  // 257 questions
  EXPECT_FALSE(with_head(7, 0xFF));  // more than there is
  // The class of the question.
  EXPECT_TRUE(with_head(kHeader + 20, 0x03)->questions.empty());
  EXPECT_EQ(with_head(kHeader + 20, 0xFF)->questions.size(), 1u);
  Bytes large = kBrowse;
  large.resize(kMdnsMessageMax + 1);
  EXPECT_FALSE(parse_mdns(large));
}

TEST(MdnsMessage, DataThatIsLongerThanItSays) {
  Bytes datagram = kBrowse;
  datagram.at(datagram.size() - 12) = 5;  // the name in it takes 11 bytes
  EXPECT_FALSE(parse_mdns(datagram));
}

TEST(MdnsMessage, NamesWithoutCase) {
  EXPECT_TRUE(is_same_name({"FILES", "Local"}, {"files", "local"}));
  EXPECT_FALSE(is_same_name({"files", "local"}, {"files"}));
  EXPECT_FALSE(is_same_name({"fi", "les"}, {"files"}));
}

TEST(MdnsMessage, TextIsNeverNothing) {
  EXPECT_EQ(text_data({}), Bytes{0});
  EXPECT_EQ(text_data({"a=b", ""}), unhex("03 613d62 00"));
}

}  // namespace
}  // namespace braid::braidctl
