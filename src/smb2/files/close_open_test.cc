#include "smb2/files/close_open.h"

#include <gtest/gtest.h>

#include <map>

#include "smb2/pending_testing.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/read.h"
#include "wire/smb2/tree_disconnect.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Header;

struct WaitingTest : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(client.log_on());
    file = client.create("file");
    ASSERT_NE(file, FileId{});
  }

  Bytes lock(FileId id) {
    return client.request(
        Command::kLock,
        wire::LockRequest{.file_id = id, .locks = {{0, 1, wire::LockFlags::kExclusiveLock}}});
  }
  Bytes watch(FileId id) {
    return client.request(
        Command::kChangeNotify,
        wire::ChangeNotifyRequest{
            .output_buffer_length = 4096, .file_id = id, .completion_filter = 0xFFF});
  }
  FileId directory() {
    auto body = RawClient::create_body("dir");
    body.create_options = wire::CreateOptions::kDirectoryFile;
    return client.create(body);
  }
  uint64_t pending(Bytes message) { return send_pending(client, std::move(message)); }
  // Sends and collects answers until each of the ids has its own.
  std::map<uint64_t, NtStatus> answers(Bytes message, std::vector<uint64_t> ids) {
    ids.push_back(client.next_message_id - 1);
    client.send(std::move(message));
    std::map<uint64_t, NtStatus> all;
    while (all.size() < ids.size()) {
      const auto answer = client.receive();
      if (!answer) break;
      all[answer->header.message_id.value] = answer->status();
    }
    return all;
  }

  Engine engine;
  RawClient client{engine};
  FileId file;
};

TEST_F(WaitingTest, CloseEndsALockThatWaits) {
  ASSERT_EQ(client.status_of(lock(file)), NtStatus::kSuccess);
  const FileId second = client.create("file");
  const uint64_t waiting = pending(lock(second));
  const auto all =
      answers(client.request(Command::kClose, wire::CloseRequest{.file_id = second}), {waiting});
  EXPECT_EQ(all.at(waiting), NtStatus::kRangeNotLocked);
  EXPECT_EQ(all.at(client.next_message_id - 1), NtStatus::kSuccess);
}

TEST_F(WaitingTest, CloseOfTheHolderGrantsALockThatWaits) {
  ASSERT_EQ(client.status_of(lock(file)), NtStatus::kSuccess);
  const FileId second = client.create("file");
  const uint64_t waiting = pending(lock(second));
  const auto all =
      answers(client.request(Command::kClose, wire::CloseRequest{.file_id = file}), {waiting});
  EXPECT_EQ(all.at(waiting), NtStatus::kSuccess);
}

TEST_F(WaitingTest, CancelEndsALockThatWaits) {
  ASSERT_EQ(client.status_of(lock(file)), NtStatus::kSuccess);
  const uint64_t waiting = pending(lock(client.create("file")));
  client.send(client.request(Command::kCancel, wire::CancelRequest{},
                             [&](Header& header) { header.message_id = {waiting}; }));
  EXPECT_EQ(client.answer_to(waiting)->status(), NtStatus::kCancelled);
}

TEST_F(WaitingTest, CancelOfAnotherConnectionEndsNothing) {
  ASSERT_EQ(client.status_of(lock(file)), NtStatus::kSuccess);
  const uint64_t waiting = pending(lock(client.create("file")));
  RawClient other(engine);
  ASSERT_TRUE(other.log_on());
  other.send(other.request(Command::kCancel, wire::CancelRequest{},
                           [&](Header& header) { header.message_id = {waiting}; }));
  EXPECT_EQ(other.status_of(other.request(Command::kEcho, wire::EchoRequest{})),
            NtStatus::kSuccess);
  // It still waits, and gets what it waits for.
  const auto all =
      answers(client.request(Command::kClose, wire::CloseRequest{.file_id = file}), {waiting});
  EXPECT_EQ(all.at(waiting), NtStatus::kSuccess);
}

TEST_F(WaitingTest, CloseEndsANotifyThatWaits) {
  const FileId id = directory();
  const uint64_t waiting = pending(watch(id));
  const auto all =
      answers(client.request(Command::kClose, wire::CloseRequest{.file_id = id}), {waiting});
  EXPECT_EQ(all.at(waiting), NtStatus::kNotifyCleanup);
}

// No error, and so no error's body: a client takes the offset for what it is.
TEST_F(WaitingTest, NotifyThatACloseEndsIsAnAnswerWithoutChanges) {
  const FileId id = directory();
  const uint64_t waiting = pending(watch(id));
  client.send(client.request(Command::kClose, wire::CloseRequest{.file_id = id}));
  const auto answer = client.answer_to(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kNotifyCleanup);
  wire::Reader body = answer->body();
  EXPECT_EQ(body.u16(), 9);
  EXPECT_EQ(body.u16(), 72);  // OutputBufferOffset
  EXPECT_EQ(body.u32(), 0u);
  EXPECT_TRUE(body.ok());
}

TEST_F(WaitingTest, LogoffEndsLocksAndNotifiesThatWait) {
  ASSERT_EQ(client.status_of(lock(file)), NtStatus::kSuccess);
  const uint64_t lock_waiting = pending(lock(client.create("file")));
  const uint64_t notify_waiting = pending(watch(directory()));
  const auto all = answers(client.request(Command::kLogoff, wire::LogoffRequest{}),
                           {lock_waiting, notify_waiting});
  ASSERT_EQ(all.size(), 3u);
  // Granted, if the holder was closed first; ended if not.
  EXPECT_TRUE(all.at(lock_waiting) == NtStatus::kSuccess ||
              all.at(lock_waiting) == NtStatus::kRangeNotLocked);
  EXPECT_EQ(all.at(notify_waiting), NtStatus::kNotifyCleanup);
  EXPECT_EQ(all.at(client.next_message_id - 1), NtStatus::kSuccess);
  EXPECT_EQ(engine.server().logons.session_table.size(), 0u);
}

TEST_F(WaitingTest, TreeDisconnectEndsANotifyThatWaits) {
  const uint64_t waiting = pending(watch(directory()));
  const auto all =
      answers(client.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{}), {waiting});
  EXPECT_EQ(all.at(waiting), NtStatus::kNotifyCleanup);
}

TEST_F(WaitingTest, EndOfTheConnectionEndsWhatWaits) {
  ASSERT_EQ(client.status_of(lock(file)), NtStatus::kSuccess);
  pending(lock(client.create("file")));
  pending(watch(directory()));
  client.close();
  engine.stop();
  EXPECT_EQ(engine.server().logons.session_table.size(), 0u);
}

TEST_F(WaitingTest, CloseWhileReadsAreInFlightAnswersEveryOne) {
  const Bytes data(200'000, 0x5A);
  wire::WriteRequest write;
  write.file_id = file;
  write.data = data;
  ASSERT_EQ(client.status_of(client.request(Command::kWrite, write,
                                            [&](Header& header) {
                                              header.credit_charge = 4;
                                              client.next_message_id += 3;
                                            })),
            NtStatus::kSuccess);
  std::vector<uint64_t> ids;
  for (int i = 0; i < 8; ++i) {
    ids.push_back(client.next_message_id);
    wire::ReadRequest read{.length = 200'000, .file_id = file};
    // Too long to be answered on the reactor.
    client.send(client.request(Command::kRead, read, [&](Header& header) {
      header.credit_charge = 4;
      client.next_message_id += 3;
    }));
  }
  const auto all =
      answers(client.request(Command::kClose, wire::CloseRequest{.file_id = file}), ids);
  ASSERT_EQ(all.size(), ids.size() + 1);
  for (const uint64_t id : ids) {
    EXPECT_TRUE(all.at(id) == NtStatus::kSuccess || all.at(id) == NtStatus::kFileClosed);
  }
  EXPECT_EQ(all.at(client.next_message_id - 1), NtStatus::kSuccess);
}

TEST_F(WaitingTest, DeleteOnCloseHappensWhenTheConnectionEnds) {
  auto body = RawClient::create_body("gone");
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  ASSERT_NE(client.create(body), FileId{});
  client.close();
  RawClient other(engine);
  ASSERT_TRUE(other.log_on());
  body = RawClient::create_body("gone");
  body.create_disposition = wire::CreateDisposition::kOpen;
  // The first connection may still be closing its opens.
  NtStatus status = NtStatus::kDeletePending;
  while (status == NtStatus::kDeletePending || status == NtStatus::kSuccess) {
    status = other.status_of(other.request(Command::kCreate, body));
  }
  EXPECT_EQ(status, NtStatus::kObjectNameNotFound);
}

// Those of the other trees are not even looked at.
TEST(TreeDisconnect, ClosesWhatWasOpenedThroughThatTree) {
  Engine engine;
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const FileId kept = client.create("kept");
  const TreeId first = client.tree_id;
  ASSERT_EQ(client.tree_connect(), NtStatus::kSuccess);
  const TreeId second = client.tree_id;
  const FileId closed = client.create("closed"), closed_too = client.create("closed too");
  ASSERT_EQ(client.close_file(closed_too), NtStatus::kSuccess);
  const auto session = engine.server().logons.session_table.all().at(0);
  EXPECT_EQ(session->opens_of(first).size(), 1u);
  EXPECT_EQ(session->opens_of(second).size(), 1u);
  ASSERT_EQ(
      client.status_of(client.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{})),
      NtStatus::kSuccess);
  EXPECT_TRUE(session->opens_of(second).empty());
  client.tree_id = first;
  EXPECT_EQ(client.close_file(closed), NtStatus::kFileClosed);
  EXPECT_EQ(client.close_file(kept), NtStatus::kSuccess);
  EXPECT_TRUE(session->opens_of(first).empty());
}

}  // namespace
}  // namespace braid::smb2
