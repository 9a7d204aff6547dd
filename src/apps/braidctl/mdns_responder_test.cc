#include "apps/braidctl/mdns_responder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

namespace braid::braidctl {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// A responder, its clock, and what it says.
class Mdns : public testing::Test {
 protected:
  static MdnsIdentity identity() {
    return {.name = "FILES", .model = "Xserve", .time_machine_shares = {}};
  }
  static MdnsResponder::Peer peer(uint16_t port = kMdnsPort) {
    return {.address = ip("192.0.2.9"), .port = port};
  }

  // What is to be sent within `time` from now, as it comes due.
  std::vector<MdnsMessage> within(MdnsResponder::Instant::duration time) {
    const auto end = now_ + time;
    std::vector<MdnsMessage> said;
    packets_.clear();
    while (true) {
      for (auto& packet : responder_->take(now_)) {
        said.push_back(parse_mdns(packet.datagram).value());
        times_.push_back(now_);
        packets_.push_back(std::move(packet));
      }
      const auto next = responder_->next();
      if (!next || *next > end) break;
      now_ = std::max(now_, *next);
    }
    now_ = end;
    return said;
  }

  void settle(std::vector<IpAddress> addresses = {ip("192.0.2.1")}) {
    responder_->set_addresses(std::move(addresses), now_);
    within(10s);
    ASSERT_TRUE(responder_->is_settled());
    times_.clear();
  }

  void ask(const DnsName& name, DnsType type, const MdnsResponder::Peer& by = peer(),
           MdnsMessage message = {}) {
    message.questions.push_back({name, type, false});
    responder_->hear(message, by, now_);
  }

  // Of names that somebody else has.
  static MdnsMessage claim(const DnsName& name, DnsType type, Bytes data) {
    MdnsMessage message{.is_response = true};
    message.answers.push_back({name, type, true, 120, std::move(data)});
    return message;
  }

  static std::vector<std::string> shown(const std::vector<MdnsRecord>& records) {
    std::vector<std::string> out;
    for (const MdnsRecord& each : records) {
      out.push_back(show_name(each.name) + " " + std::to_string(static_cast<int>(each.type)));
    }
    return out;
  }

  const DnsName host_{"FILES", "local"};
  const DnsName smb_{"_smb", "_tcp", "local"};
  const DnsName instance_{"FILES", "_smb", "_tcp", "local"};
  MdnsResponder::Instant now_{100s};
  std::vector<MdnsResponder::Instant> times_;
  std::vector<MdnsResponder::Packet> packets_;
  std::optional<MdnsResponder> responder_{std::in_place, identity(), [](uint32_t) { return 10u; }};
};

// RFC 6762, 8.1 and 8.3.
TEST_F(Mdns, AsksThreeTimesAndTellsTwice) {
  const auto begin = now_;
  responder_->set_addresses({ip("192.0.2.1"), ip("fe80::1")}, now_);
  const auto said = within(10s);
  ASSERT_EQ(said.size(), 5u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(times_[i], begin + 10ms + i * 250ms);
    EXPECT_FALSE(said[i].is_response);
    EXPECT_THAT(shown(said[i].authorities),
                UnorderedElementsAre("FILES.local 1", "FILES.local 28", "FILES._smb._tcp.local 33",
                                     "FILES._smb._tcp.local 16", "FILES._device-info._tcp.local 33",
                                     "FILES._device-info._tcp.local 16"));
    EXPECT_EQ(said[i].questions.size(), 3u);
    for (const auto& each : said[i].questions) EXPECT_EQ(each.type, DnsType::kAny);
  }
  EXPECT_EQ(times_[3], begin + 760ms);
  EXPECT_EQ(times_[4], begin + 1760ms);
  for (const auto* each : {&said[3], &said[4]}) {
    EXPECT_TRUE(each->is_response);
    EXPECT_THAT(shown(each->answers), Contains("_smb._tcp.local 12"));
    EXPECT_THAT(shown(each->answers), Contains("_services._dns-sd._udp.local 12"));
    EXPECT_THAT(shown(each->answers), Not(Contains("FILES._adisk._tcp.local 33")));
    for (const MdnsRecord& record : each->answers) {
      EXPECT_EQ(record.flushes, record.type != DnsType::kPtr) << show_name(record.name);
    }
  }
  EXPECT_FALSE(responder_->next());
}

TEST_F(Mdns, TellsWhereTheServiceIs) {
  settle({ip("192.0.2.1"), ip("fe80::1")});
  ask({"_SMB", "_tcp", "LOCAL"}, DnsType::kPtr);
  const auto said = within(1s);
  ASSERT_EQ(said.size(), 1u);
  // What others may have, too, is not said at once: RFC 6762, 6.
  EXPECT_THAT(times_, ElementsAre(now_ - 1s + 30ms));
  ASSERT_EQ(said[0].answers.size(), 1u);
  EXPECT_EQ(said[0].answers[0].data, name_data(instance_));
  EXPECT_EQ(said[0].answers[0].ttl_s, 4'500u);
  EXPECT_THAT(shown(said[0].additionals),
              UnorderedElementsAre("FILES.local 1", "FILES.local 28", "FILES._smb._tcp.local 33",
                                   "FILES._smb._tcp.local 16"));
  for (const MdnsRecord& each : said[0].additionals) {
    if (each.type == DnsType::kSrv) {
      EXPECT_EQ(each.data, service_data(445, host_));
    }
  }
  EXPECT_FALSE(packets_[0].to);
  EXPECT_EQ(packets_[0].family, AF_INET);
}

TEST_F(Mdns, WhatIsKnownIsNotSaid) {
  settle();
  MdnsMessage known;
  known.answers.push_back({smb_, DnsType::kPtr, false, 4'500, name_data(instance_)});
  ask(smb_, DnsType::kPtr, peer(), known);
  EXPECT_THAT(within(1s), IsEmpty());
  // It is known for less than half of its time: RFC 6762, 7.1.
  known.answers[0].ttl_s = 2'249;
  ask(smb_, DnsType::kPtr, peer(), known);
  EXPECT_EQ(within(1s).size(), 1u);
}

TEST_F(Mdns, WhatIsKnownMayComeInAnotherMessage) {
  settle();
  ask(smb_, DnsType::kPtr, peer(), {.is_truncated = true});
  EXPECT_THAT(within(400ms), IsEmpty());
  MdnsMessage known;
  known.answers.push_back({smb_, DnsType::kPtr, false, 4'500, name_data(instance_)});
  responder_->hear(known, peer(), now_);
  EXPECT_THAT(within(2s), IsEmpty());
  ask(smb_, DnsType::kPtr, peer(), {.is_truncated = true});
  EXPECT_EQ(within(2s).size(), 1u);
}

TEST_F(Mdns, NothingIsSaidTwiceWithinASecond) {
  settle();
  ask(host_, DnsType::kA);
  EXPECT_EQ(within(500ms).size(), 1u);
  ask(host_, DnsType::kA);
  EXPECT_THAT(within(499ms), IsEmpty());
  now_ += 1s;
  ask(host_, DnsType::kA);
  EXPECT_EQ(within(100ms).size(), 1u);
}

// RFC 6762, 6.7.
TEST_F(Mdns, ASimpleResolverIsAnsweredAsByDns) {
  settle();
  ask(host_, DnsType::kA, peer(40'000), {.id = 77});
  const auto said = within(1s);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].id, 77);
  EXPECT_EQ(said[0].questions.size(), 1u);
  ASSERT_EQ(said[0].answers.size(), 1u);
  EXPECT_EQ(said[0].answers[0].ttl_s, 10u);
  EXPECT_FALSE(said[0].answers[0].flushes);
  EXPECT_EQ(packets_[0].to, peer(40'000));
}

TEST_F(Mdns, WhoAsksForItIsAnsweredAlone) {
  settle();
  MdnsMessage message;
  message.questions.push_back({host_, DnsType::kA, true});
  responder_->hear(message, peer(), now_);
  ASSERT_EQ(within(1s).size(), 1u);
  EXPECT_EQ(packets_[0].to, peer());
  // Unless it was not told to everybody for a quarter of its time: RFC 6762, 5.4.
  now_ += 31s;
  responder_->hear(message, peer(), now_);
  ASSERT_EQ(within(1s).size(), 1u);
  EXPECT_FALSE(packets_[0].to);
}

TEST_F(Mdns, WhatANameHasNotIsSaid) {
  settle();
  ask(host_, DnsType::kAaaa);
  auto said = within(1s);
  ASSERT_EQ(said.size(), 1u);
  ASSERT_THAT(shown(said[0].answers), ElementsAre("FILES.local 47"));
  EXPECT_EQ(said[0].answers[0].data, only_types_data(host_, {DnsType::kA}));
  ask({"other", "local"}, DnsType::kA);
  ask({"_ipp", "_tcp", "local"}, DnsType::kPtr);
  EXPECT_THAT(within(1s), IsEmpty());
}

TEST_F(Mdns, TheDisksForBackups) {
  MdnsIdentity who = identity();
  who.time_machine_shares = {"tm", std::string(250, 'x'), "tm 2"};
  responder_.emplace(who, [](uint32_t) { return 10u; });
  settle();
  ask({"FILES", "_adisk", "_tcp", "local"}, DnsType::kTxt);
  auto said = within(1s);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].answers.at(0).data, text_data({"sys=waMa=0,adVF=0x100", "dk0=adVN=tm,adVF=0x82",
                                                   "dk1=adVN=tm 2,adVF=0x82"}));
  ask({"FILES", "_device-info", "_tcp", "local"}, DnsType::kTxt);
  said = within(1s);
  EXPECT_EQ(said.at(0).answers.at(0).data, text_data({"model=Xserve"}));
}

TEST_F(Mdns, WhoHasTheNameKeepsIt) {
  responder_->set_addresses({ip("192.0.2.1")}, now_);
  within(300ms);
  responder_->hear(claim(host_, DnsType::kA, {192, 0, 2, 7}), peer(), now_);
  EXPECT_EQ(responder_->host_name(), "FILES-2.local");
  responder_->hear(claim(instance_, DnsType::kSrv, service_data(445, {"other", "local"})), peer(),
                   now_);
  EXPECT_EQ(responder_->instance_name(), "FILES (2)");
  const auto said = within(10s);
  EXPECT_TRUE(responder_->is_settled());
  EXPECT_EQ(said.size(), 5u);
  EXPECT_THAT(shown(said.back().answers), Contains("FILES-2.local 1"));
  EXPECT_THAT(shown(said.back().answers), Contains("FILES (2)._smb._tcp.local 33"));
}

TEST_F(Mdns, AConflictLaterOnIsProbedAgain) {
  settle();
  responder_->hear(claim(host_, DnsType::kA, {192, 0, 2, 7}), peer(), now_);
  EXPECT_FALSE(responder_->is_settled());
  EXPECT_EQ(responder_->host_name(), "FILES.local");
  // Nobody objects.
  EXPECT_EQ(within(10s).size(), 5u);
  EXPECT_EQ(responder_->host_name(), "FILES.local");
  // Of another type, or the same, or its end: none.
  responder_->hear(claim(host_, DnsType::kTxt, {0}), peer(), now_);
  responder_->hear(claim(host_, DnsType::kA, {192, 0, 2, 1}), peer(), now_);
  MdnsMessage end = claim(host_, DnsType::kA, {192, 0, 2, 7});
  end.answers[0].ttl_s = 0;
  responder_->hear(end, peer(), now_);
  EXPECT_TRUE(responder_->is_settled());
}

// RFC 6762, 8.2: the greater one has the name.
TEST_F(Mdns, TwoThatBeginAtOnce) {
  for (const auto& [theirs, goes_on] :
       {std::pair(uint8_t{0}, true), std::pair(uint8_t{9}, false)}) {
    MdnsResponder responder(identity(), [](uint32_t) { return 10u; });
    responder.set_addresses({ip("192.0.2.1")}, now_);
    EXPECT_EQ(responder.take(now_ + 10ms).size(), 1u);
    MdnsMessage probe;
    probe.questions.push_back({host_, DnsType::kAny, false});
    probe.authorities.push_back({host_, DnsType::kA, false, 120, {192, 0, 2, theirs}});
    responder.hear(probe, peer(), now_ + 20ms);
    EXPECT_EQ(responder.next(), goes_on ? now_ + 260ms : now_ + 1020ms) << int(theirs);
    EXPECT_EQ(responder.host_name(), "FILES.local");
    // Its own one, which came back to it.
    probe.authorities[0].data = {192, 0, 2, 1};
    const auto before = responder.next();
    responder.hear(probe, peer(), now_ + 20ms);
    EXPECT_EQ(responder.next(), before);
  }
}

TEST_F(Mdns, AProbeForItsNameIsAnswered) {
  settle();
  ask(host_, DnsType::kA);
  ASSERT_EQ(within(300ms).size(), 1u);
  // Sooner than after a second.
  MdnsMessage probe;
  probe.authorities.push_back({host_, DnsType::kA, false, 120, {192, 0, 2, 9}});
  ask(host_, DnsType::kAny, peer(), probe);
  const auto said = within(100ms);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_THAT(shown(said[0].answers), Contains("FILES.local 1"));
  EXPECT_TRUE(responder_->is_settled());
}

// Such as avahi-daemon, whose name the machine's is.
TEST_F(Mdns, AnotherProgramOfTheMachineHasTheHostName) {
  settle();
  MdnsResponder::Peer local{.address = ip("192.0.2.1"), .port = kMdnsPort, .is_this_machine = true};
  MdnsMessage probe;
  probe.authorities.push_back({host_, DnsType::kA, false, 120, {192, 0, 2, 1}});
  responder_->hear(probe, local, now_);
  EXPECT_EQ(responder_->host_name(), "FILES.local") << "the same";
  probe.authorities.push_back({host_, DnsType::kAaaa, false, 120, Bytes(16)});
  responder_->hear(probe, local, now_);
  EXPECT_EQ(responder_->host_name(), "FILES-2.local");
  EXPECT_EQ(responder_->instance_name(), "FILES");
}

TEST_F(Mdns, WhoSaysThatItEndsIsPutRight) {
  settle();
  MdnsMessage end = claim(host_, DnsType::kA, {192, 0, 2, 1});
  end.answers[0].ttl_s = 0;
  responder_->hear(end, peer(), now_);
  const auto said = within(1s);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].answers.at(0).ttl_s, 120u);
}

TEST_F(Mdns, AddressesThatComeAndGo) {
  settle();
  responder_->set_addresses({ip("192.0.2.2")}, now_);
  const auto said = within(5s);
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0].answers.at(0).data, Bytes({192, 0, 2, 1}));
  EXPECT_EQ(said[0].answers.at(0).ttl_s, 0u);
  EXPECT_EQ(said[1].answers.at(0).data, Bytes({192, 0, 2, 2}));
  responder_->set_addresses({ip("192.0.2.2")}, now_);
  EXPECT_THAT(within(5s), IsEmpty());
}

TEST_F(Mdns, GoodBye) {
  EXPECT_THAT(responder_->goodbye(), IsEmpty());
  settle();
  const auto packets = responder_->goodbye();
  ASSERT_EQ(packets.size(), 1u);
  const auto said = parse_mdns(packets[0].datagram);
  EXPECT_THAT(shown(said->answers), Contains("_smb._tcp.local 12"));
  EXPECT_THAT(shown(said->answers), Not(Contains("_services._dns-sd._udp.local 12")));
  for (const MdnsRecord& each : said->answers) EXPECT_EQ(each.ttl_s, 0u);
}

TEST_F(Mdns, MoreThanOneDatagram) {
  MdnsIdentity large = identity();
  for (int i = 0; i < 40; ++i) large.time_machine_shares.push_back(std::string(80, 'x'));
  MdnsResponder responder(large, [](uint32_t) { return 0u; });
  responder.set_addresses({ip("192.0.2.1")}, now_);
  for (int i = 0; i < 4; ++i) {
    for (const auto& packet : responder.take(now_ + i * 250ms)) {
      EXPECT_LE(packet.datagram.size(), kMdnsMessageMax);
      EXPECT_TRUE(parse_mdns(packet.datagram));
    }
  }
  EXPECT_TRUE(responder.is_settled());
}

TEST_F(Mdns, AWarAboutNamesSlowsDown) {
  responder_->set_addresses({ip("192.0.2.1")}, now_);
  for (int i = 0; i < 40; ++i) {
    const DnsName name{responder_->host_name().substr(0, responder_->host_name().find('.')),
                       "local"};
    responder_->hear(claim(name, DnsType::kA, {192, 0, 2, 7}), peer(), now_);
  }
  EXPECT_EQ(responder_->host_name(), "FILES-41.local");
  EXPECT_EQ(responder_->next(), now_ + 5s);
}

TEST_F(Mdns, NamesThatAreNoHostNames) {
  const auto host_of = [&](const char* name) {
    MdnsResponder responder({.name = name, .model = "Xserve", .time_machine_shares = {}},
                            [](uint32_t) { return 0u; });
    return responder.host_name();
  };
  EXPECT_EQ(host_of("Büro 2.OG"), "B-ro-2-OG.local");
  EXPECT_EQ(host_of("--"), "braid.local");
  EXPECT_EQ(host_of("a-"), "a.local");
}

TEST_F(Mdns, QuestionsWithoutEndTakeNoMemory) {
  settle();
  for (int i = 0; i < 10'000; ++i) ask(smb_, DnsType::kPtr, peer(), {.is_truncated = true});
  // The first one is said, and then it is said already.
  EXPECT_EQ(within(2s).size(), 1u);
}

}  // namespace
}  // namespace braid::braidctl
