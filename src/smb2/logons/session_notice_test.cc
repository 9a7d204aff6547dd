#include "smb2/logons/session_notice.h"

#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/echo.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Dialect;

struct SessionNotice : testing::Test {
  // What the server says it can do to a client that knows the notice.
  static uint32_t negotiate(RawClient& client, Dialect dialect) {
    constexpr size_t kCapabilities = wire::Header::kSize + 8;
    Bytes message = client.negotiate_request(dialect);
    message[kCapabilities] |= wire::Capabilities::kNotifications;
    const auto answer = client.exchange(std::move(message));
    return answer ? answer->as<wire::NegotiateResponse>().capabilities : 0;
  }
  void expect_notice(const Answer& notice) {
    EXPECT_EQ(notice.header.command, Command::kServerToClientNotification);
    EXPECT_EQ(notice.header.message_id.value, ~uint64_t{0});
    EXPECT_EQ(notice.header.session_id, client.session_id);
    EXPECT_FALSE(notice.header.is_signed());
    // [MS-SMB2] 2.2.44.1 and 2.2.44.2.
    const Bytes body(notice.message.begin() + wire::Header::kSize, notice.message.end());
    EXPECT_EQ(body, Bytes({12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  }

  Engine engine;
  RawClient client{engine};
};

TEST_F(SessionNotice, IsOfferedToWhoKnowsItInTheLastDialect) {
  EXPECT_TRUE(negotiate(client, Dialect::kSmb311) & wire::Capabilities::kNotifications);
  RawClient older(engine, ClientGuid{{2}});
  EXPECT_FALSE(negotiate(older, Dialect::kSmb302) & wire::Capabilities::kNotifications);
}

TEST_F(SessionNotice, ComesBeforeTheEndThatAnAdministratorMakes) {
  negotiate(client, Dialect::kSmb311);
  ASSERT_EQ(client.session_setup(), NtStatus::kSuccess);
  ASSERT_TRUE(engine.server().logons.end_session(client.session_id));
  const auto notice = client.receive();
  ASSERT_TRUE(notice);
  expect_notice(*notice);
}

TEST_F(SessionNotice, ComesBeforeTheServerStops) {
  negotiate(client, Dialect::kSmb311);
  ASSERT_EQ(client.session_setup(), NtStatus::kSuccess);
  engine.stop();
  const auto notice = client.receive();
  ASSERT_TRUE(notice);
  expect_notice(*notice);
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(SessionNotice, IsNotSentToWhoDoesNotKnowIt) {
  ASSERT_EQ(client.negotiate(Dialect::kSmb311), NtStatus::kSuccess);
  ASSERT_EQ(client.session_setup(), NtStatus::kSuccess);
  engine.stop();
  EXPECT_FALSE(client.receive());
}

// [MS-SMB2] 3.3.5.5, the steps for SMB2_SESSION_FLAG_BINDING.
TEST_F(SessionNotice, ChannelsOfASessionAllKnowItOrNone) {
  ASSERT_EQ(client.negotiate(Dialect::kSmb311), NtStatus::kSuccess);
  ASSERT_EQ(client.session_setup(), NtStatus::kSuccess);
  RawClient other(engine);
  negotiate(other, Dialect::kSmb311);
  EXPECT_EQ(other.status_of(other.bind_request(client, "user")), NtStatus::kInvalidParameter);
  RawClient same(engine);
  ASSERT_EQ(same.negotiate(Dialect::kSmb311), NtStatus::kSuccess);
  EXPECT_EQ(same.bind(client), NtStatus::kSuccess);
}

}  // namespace
}  // namespace braid::smb2
