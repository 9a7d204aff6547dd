#include "smb2/connections/channel_table.h"

#include <gtest/gtest.h>

#include "smb2/common/limits.h"

namespace braid::smb2 {
namespace {

std::shared_ptr<Channel> channel_of(uint64_t id) {
  auto channel = std::make_shared<Channel>();
  channel->session = std::make_shared<Session>(SessionId{id}, ClientGuid{});
  return channel;
}
std::shared_ptr<const crypto::SigningKey> key_of(const crypto::Secret& secret) {
  return std::make_shared<crypto::SigningKey>(crypto::SigningAlgorithm::kAesCmac, secret);
}

TEST(ChannelTable, FindsAChannelUntilItIsRemoved) {
  ChannelTable table;
  const auto channel = channel_of(1);
  EXPECT_TRUE(table.add(channel));
  EXPECT_FALSE(table.add(channel_of(1))) << "the id is taken";
  EXPECT_EQ(table.find(SessionId{1}), channel);
  EXPECT_EQ(table.find(SessionId{2}), nullptr);
  EXPECT_EQ(table.any_session(), channel->session);
  EXPECT_FALSE(table.remove(*channel_of(1))) << "another one with that id";
  EXPECT_TRUE(table.remove(*channel));
  EXPECT_FALSE(table.remove(*channel));
  EXPECT_EQ(table.find(SessionId{1}), nullptr);
  EXPECT_EQ(table.any_session(), nullptr);
}

TEST(ChannelTable, HasALimit) {
  ChannelTable table;
  for (uint64_t id = 0; id < kSessionsPerConnectionMax; ++id) {
    ASSERT_TRUE(table.add(channel_of(id)));
  }
  EXPECT_FALSE(table.add(channel_of(kSessionsPerConnectionMax)));
  EXPECT_EQ(table.take_all().size(), kSessionsPerConnectionMax);
  EXPECT_TRUE(table.take_all().empty());
  EXPECT_TRUE(table.add(channel_of(0)));
}

TEST(ChannelTable, KeepsTheKeysOfTheLastThatEnded) {
  ChannelTable table;
  const crypto::Secret secret(Bytes(16, 9));
  std::shared_ptr<const crypto::SigningKey> first;
  for (uint64_t id = 1; id <= kEndedSessionsMax + 1; ++id) {
    const auto channel = channel_of(id);
    channel->signing_key = key_of(secret);
    if (id == 1) first = channel->signing_key;
    ASSERT_TRUE(table.add(channel));
    ASSERT_TRUE(table.remove(*channel));
    if (id == 1) EXPECT_EQ(table.key_of_ended(SessionId{1}), first);
  }
  EXPECT_EQ(table.key_of_ended(SessionId{1}), nullptr);
  EXPECT_NE(table.key_of_ended(SessionId{2}), nullptr);
  const auto without_key = channel_of(99);
  ASSERT_TRUE(table.add(without_key));
  ASSERT_TRUE(table.remove(*without_key));
  EXPECT_EQ(table.key_of_ended(SessionId{99}), nullptr);
  EXPECT_NE(table.key_of_ended(SessionId{2}), nullptr) << "it took no place";
}

// The key of a session's first channel is a member of the session, which must not live on for it.
TEST(ChannelTable, KeyOfAnEndedSessionDoesNotHoldTheSession) {
  ChannelTable table;
  const crypto::Secret secret(Bytes(16, 9));
  auto channel = channel_of(1);
  SessionSecurity security;
  security.signing_secret = secret;
  security.signing_key =
      std::make_unique<crypto::SigningKey>(crypto::SigningAlgorithm::kAesCmac, secret);
  channel->session->become_valid(std::move(security), {}, {});
  channel->signing_key = {channel->session, channel->session->security()->signing_key.get()};
  ASSERT_TRUE(table.add(channel));
  ASSERT_TRUE(table.remove(*channel));
  const std::weak_ptr<Session> session = channel->session;
  channel.reset();
  EXPECT_TRUE(session.expired());
  const auto key = table.key_of_ended(SessionId{1});
  ASSERT_TRUE(key);
  Bytes message(64);
  key->sign_in_place(message, {}, 48, {});
  EXPECT_TRUE(key_of(secret)->verify(message, 48, {}));
}

}  // namespace
}  // namespace braid::smb2
