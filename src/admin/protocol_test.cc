#include "admin/protocol.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace braid::admin {
namespace {

TEST(ControlProtocol, RequestsSurviveEncoding) {
  for (const Command command :
       {Command::kSessions, Command::kOpens, Command::kLocks, Command::kLeases, Command::kMetrics,
        Command::kProcess, Command::kChannelClose, Command::kSessionClose, Command::kOpenClose,
        Command::kWitnessList, Command::kWitnessMove, Command::kWitnessShareMove,
        Command::kWitnessEnd, Command::kAddressMove, Command::kAddressConnections,
        Command::kAddressClose, Command::kStatus, Command::kUserKick, Command::kShareDisconnect}) {
    ControlRequest request{.command = command};
    const bool has_session = command == Command::kChannelClose || command == Command::kSessionClose;
    if (command == Command::kOpenClose) request.open = "0x1f";
    if (command == Command::kWitnessMove) request.client = "pc\"1";
    if (command == Command::kWitnessShareMove) request.share = "data";
    if (command == Command::kUserKick) request.user = "alice";
    if (command == Command::kShareDisconnect) request.share = "data";
    if (command >= Command::kWitnessMove && command != Command::kWitnessEnd) {
      request.address = "192.0.2.1";
    }
    request.elsewhere = command == Command::kWitnessMove;
    if (has_session) request.session = SessionId{0xFFFF'0000'1234'5678};
    if (command == Command::kChannelClose || command == Command::kWitnessEnd) request.channel = 7;
    const std::string line = encode_request(request);
    EXPECT_LE(line.size(), kRequestBytesMax);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    const auto decoded = decode_request(line);
    ASSERT_TRUE(decoded) << decoded.error();
    EXPECT_EQ(decoded->command, command);
    EXPECT_EQ(decoded->session, request.session);
    EXPECT_EQ(decoded->channel, request.channel);
    EXPECT_EQ(decoded->open, request.open);
    EXPECT_EQ(decoded->client, request.client);
    EXPECT_EQ(decoded->share, request.share);
    EXPECT_EQ(decoded->user, request.user);
    EXPECT_EQ(decoded->address, request.address);
    EXPECT_EQ(decoded->elsewhere, request.elsewhere);
  }
}

TEST(ControlProtocol, TimesAreUtc) {
  EXPECT_EQ(time_text({kUnixEpochTicks + (1'796'040'000 * kTicksPerSecond) + 9}),
            "2026-11-30T12:00:00Z");
  EXPECT_EQ(time_text({}), "");
}

TEST(ControlProtocol, IdsAreTakenAsPeopleWriteThem) {
  EXPECT_EQ(parse_id("0x1f"), 0x1fu);
  EXPECT_EQ(parse_id("1F"), 0x1fu);
  EXPECT_EQ(parse_id("ffffffffffffffff"), ~uint64_t{0});
  for (const char* bad : {"", "0x", "0xg", "-1", "+1", " 1", "1 ", "10000000000000000"}) {
    EXPECT_FALSE(parse_id(bad)) << bad;
  }
  EXPECT_EQ(id_text(0x1f), "0x1f");
}

TEST(ControlProtocol, AnswerIsOneLineWhateverIsInIt) {
  const std::string line = encode_result({2, 4}, {{"path", "a\nb\xff"}});
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto value = nlohmann::json::parse(line);
  EXPECT_EQ(value["worker"], 2);
  EXPECT_EQ(value["workers"], 4);
  EXPECT_EQ(value["result"]["path"], "a\nb\xEF\xBF\xBD");
}

}  // namespace
}  // namespace braid::admin
