#include "smb2/connections/async_command_list.h"

#include <gtest/gtest.h>

#include <vector>

#include "smb2/common/limits.h"

namespace braid::smb2 {
namespace {

wire::Header cancel_of(MessageId id) {
  wire::Header header;
  header.command = wire::Command::kCancel;
  header.message_id = id;
  return header;
}
wire::Header cancel_of(AsyncId id) {
  wire::Header header = cancel_of(MessageId{});
  header.flags = wire::HeaderFlags::kAsyncCommand;
  header.async_id = id;
  return header;
}

struct AsyncCommandListTest : testing::Test {
  AsyncId add(uint64_t message_id, EndedBy ended_by) {
    return list.add(
        MessageId{message_id}, [this, message_id] { ended.push_back(message_id); }, ended_by,
        session);
  }
  AsyncCommandList list;
  std::shared_ptr<Session> session = std::make_shared<Session>(SessionId{1}, ClientGuid{});
  std::vector<uint64_t> ended;
};

TEST_F(AsyncCommandListTest, CancelFindsByEitherIdAndEndsOnce) {
  const AsyncId first = add(5, EndedBy::kCancel);
  const AsyncId second = add(6, EndedBy::kSession);
  EXPECT_NE(first, second);
  EXPECT_FALSE(list.cancel(cancel_of(MessageId{7})).ended);
  EXPECT_FALSE(list.cancel(cancel_of(AsyncId{99})).ended);
  EXPECT_TRUE(list.cancel(cancel_of(second)).ended);
  EXPECT_TRUE(list.cancel(cancel_of(MessageId{5})).ended);
  EXPECT_FALSE(list.cancel(cancel_of(first)).ended);
  EXPECT_EQ(ended, (std::vector<uint64_t>{6, 5}));
  list.connection_lost();
  EXPECT_EQ(ended.size(), 2u);
}

TEST_F(AsyncCommandListTest, CancelDoesNotEndWhatOnlyTheConnectionEnds) {
  const AsyncId id = add(5, EndedBy::kConnection);
  EXPECT_FALSE(list.cancel(cancel_of(id)).ended);
  EXPECT_TRUE(ended.empty());
  list.connection_lost();
  EXPECT_EQ(ended, std::vector<uint64_t>{5});
}

TEST_F(AsyncCommandListTest, RemovedOneIsNotCalled) {
  list.remove(add(5, EndedBy::kCancel));
  EXPECT_FALSE(list.cancel(cancel_of(MessageId{5})).ended);
  list.connection_lost();
  EXPECT_TRUE(ended.empty());
}

// The session may have other channels, on which the client asks for the outcome.
TEST_F(AsyncCommandListTest, LossOfTheConnectionLeavesWhatIsTheSessions) {
  add(5, EndedBy::kSession);
  list.connection_lost();
  EXPECT_TRUE(ended.empty());
  EXPECT_EQ(add(6, EndedBy::kCancel), AsyncId{}) << "over already";
  EXPECT_NE(add(7, EndedBy::kSession), AsyncId{});
  session->begin_close();
  list.end_waits();
  list.end_waits();
  EXPECT_EQ(ended.size(), 2u);
  EXPECT_EQ(add(8, EndedBy::kSession), AsyncId{});
}

TEST_F(AsyncCommandListTest, AbandonEndsWhatIsTheSessions) {
  add(5, EndedBy::kSession);
  list.abandon();
  EXPECT_EQ(ended, std::vector<uint64_t>{5});
}

TEST_F(AsyncCommandListTest, EndOfTheSessionLeavesTheOthers) {
  add(5, EndedBy::kCancel);
  session->begin_close();
  list.end_waits();
  EXPECT_TRUE(ended.empty());
}

TEST_F(AsyncCommandListTest, SlowRequestGetsItsCallbackLater) {
  const auto count = [this] { ended.push_back(0); };
  const AsyncId id = list.add(MessageId{5}, nullptr, EndedBy::kSession, session);
  EXPECT_FALSE(list.cancel(cancel_of(id)).ended) << "nothing to call yet";
  list.set_on_cancel(id, count, EndedBy::kCancel);
  EXPECT_TRUE(list.cancel(cancel_of(id)).ended);
  EXPECT_EQ(ended.size(), 1u);
  list.set_on_cancel(AsyncId{99}, count, EndedBy::kCancel);
  EXPECT_EQ(ended.size(), 1u);
  // Too late: what ends it has been.
  list.connection_lost();
  list.set_on_cancel(id, count, EndedBy::kCancel);
  EXPECT_EQ(ended.size(), 2u);
}

TEST_F(AsyncCommandListTest, CallbackMayRemoveItself) {
  AsyncId id;
  id = list.add(MessageId{5}, [&] { list.remove(id); }, EndedBy::kCancel);
  AsyncId other;
  other = list.add(MessageId{6}, [&] { list.remove(other); }, EndedBy::kCancel);
  EXPECT_TRUE(list.cancel(cancel_of(id)).ended);
  EXPECT_FALSE(list.cancel(cancel_of(id)).ended);
  list.connection_lost();
  EXPECT_FALSE(list.cancel(cancel_of(other)).ended);
}

TEST_F(AsyncCommandListTest, OneOfTheProcessBeforeKeepsItsIdAndIsCancelledOnceItWaits) {
  list.add_again(AsyncId{7}, MessageId{5}, session);
  EXPECT_EQ(list.size(), 1u);
  EXPECT_EQ(list.cancel(cancel_of(AsyncId{7})).not_waiting, MessageId{5});
  list.set_on_cancel(AsyncId{7}, [this] { ended.push_back(5); }, EndedBy::kCancel);
  EXPECT_EQ(add(6, EndedBy::kCancel), AsyncId{8});
  EXPECT_TRUE(list.cancel(cancel_of(AsyncId{7})).ended);
  EXPECT_EQ(ended, (std::vector<uint64_t>{5}));
}

TEST_F(AsyncCommandListTest, HasALimit) {
  for (uint64_t i = 0; i < kAsyncRequestsMax; ++i) ASSERT_NE(add(i, EndedBy::kCancel), AsyncId{});
  EXPECT_EQ(add(kAsyncRequestsMax, EndedBy::kCancel), AsyncId{});
  list.connection_lost();
  EXPECT_EQ(ended.size(), kAsyncRequestsMax);
}

}  // namespace
}  // namespace braid::smb2
