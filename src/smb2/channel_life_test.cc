// What the loss of one channel of several leaves, and what the end of the session ends.
#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Dialect;

// [MS-SMB2] 3.3.7.1 "Handling Loss of a Connection", and docs/protocol.md.
struct ChannelLife : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(first.log_on(Dialect::kSmb311));
    ASSERT_TRUE(bind(second));
    ASSERT_TRUE(holder.log_on(Dialect::kSmb311));
    session = engine.server().logons.session_table.find(first.session_id);
  }
  bool bind(RawClient& client) {
    return client.negotiate(Dialect::kSmb311) == NtStatus::kSuccess &&
           client.bind(first) == NtStatus::kSuccess;
  }
  // Another client has the file, with a batch oplock, or with none.
  FileId hold(std::string_view name, wire::OplockLevel level = wire::OplockLevel::kBatch) {
    auto body = RawClient::create_body(name);
    body.requested_oplock_level = level;
    return holder.create(body);
  }
  // Sends what has to wait, and makes sure that it does.
  template <class Body>
  static void send_waiting(RawClient& client, Command command, const Body& body) {
    client.send(client.signed_request(command, body));
    const auto interim = client.receive();
    ASSERT_TRUE(interim && interim->status() == NtStatus::kPending);
  }
  // The server's threads get their turn with each ECHO.
  bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 100'000; ++i) {
      if (holds()) return true;
      holder.status_of(holder.request(Command::kEcho, wire::EchoRequest{}));
    }
    return false;
  }
  void lose(RawClient& client) {
    const size_t before = session->channels().size();
    client.close();
    ASSERT_TRUE(eventually([&] { return session->channels().size() + 1 == before; }));
  }
  static wire::LockRequest whole_file(FileId id, uint32_t flags) {
    return {.file_id = id, .locks = {{.offset = 0, .length = 100, .flags = flags}}};
  }

  Engine engine;
  RawClient first{engine};
  RawClient second{engine};
  RawClient holder{engine, ClientGuid{{9}}};
  std::shared_ptr<Session> session;
};

TEST_F(ChannelLife, LostChannelLeavesTheSessionAndItsOpens) {
  const auto answer =
      second.exchange(second.signed_request(Command::kCreate, RawClient::create_body("file")));
  ASSERT_TRUE(answer);
  lose(second);
  EXPECT_EQ(first.close_file(answer->as<wire::CreateResponse>().file_id), NtStatus::kSuccess);
  EXPECT_FALSE(session->is_closed());
}

// The client must not take a handle for closed while its file is still to be deleted.
TEST_F(ChannelLife, CloseSentAgainIsAnsweredWithTheFirst) {
  const FileId id = first.create("file");
  const wire::CloseRequest close{.file_id = id};
  OpenUse use = Open::use(session->find_open(id));
  second.send(second.signed_request(Command::kClose, close));
  ASSERT_TRUE(eventually([&] { return session->find_open(id) == nullptr; }));
  // No channel was lost: whoever closes twice hears so.
  EXPECT_EQ(second.status_of(second.signed_request(Command::kClose, close)), NtStatus::kFileClosed);
  lose(second);
  const uint64_t again = first.next_message_id;
  first.send(first.signed_request(Command::kClose, close));
  EXPECT_EQ(first.status_of(first.signed_request(Command::kEcho, wire::EchoRequest{})),
            NtStatus::kSuccess);
  use.release();
  const auto answer = first.answer_to(again);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(first.close_file(id), NtStatus::kFileClosed);
}

TEST_F(ChannelLife, FirstChannelMayBeTheOneThatIsLost) {
  const FileId id = first.create("file");
  lose(first);
  EXPECT_EQ(
      second.status_of(second.signed_request(Command::kClose, wire::CloseRequest{.file_id = id})),
      NtStatus::kSuccess);
}

TEST_F(ChannelLife, LastChannelEndsTheSession) {
  first.create("file");
  lose(first);
  second.close();
  EXPECT_TRUE(eventually([&] { return session->is_closed() && session->open_count() == 0; }));
  EXPECT_EQ(engine.server().logons.session_table.find(session->session_id), nullptr);
}

TEST_F(ChannelLife, WaitingCreateOfALostChannelIsCarriedOut) {
  const FileId held = hold("file");
  send_waiting(second, Command::kCreate, RawClient::create_body("file"));
  lose(second);
  EXPECT_EQ(session->open_count(), 0u);
  EXPECT_EQ(holder.close_file(held), NtStatus::kSuccess);
  EXPECT_TRUE(eventually([&] { return session->open_count() == 1; }));
}

TEST_F(ChannelLife, RestOfACompoundOfALostChannelIsCarriedOut) {
  const FileId held = hold("file");
  auto create = RawClient::create_body("file");
  create.create_options = wire::CreateOptions::kDeleteOnClose;
  Bytes frame = RawClient::compound(
      {second.request(Command::kCreate, create),
       second.request(Command::kClose, wire::CloseRequest{.file_id = FileId::all_ones()})});
  second.send(std::move(frame));
  const auto interim = second.receive();
  ASSERT_TRUE(interim && interim->status() == NtStatus::kPending);
  lose(second);
  EXPECT_EQ(holder.close_file(held), NtStatus::kSuccess);
  // The CLOSE has deleted it.
  auto exists = RawClient::create_body("file");
  exists.create_disposition = wire::CreateDisposition::kOpen;
  EXPECT_TRUE(eventually([&] {
    const FileId id = holder.create(exists);
    if (id == FileId{}) return true;
    holder.close_file(id);
    return false;
  }));
  EXPECT_EQ(session->open_count(), 0u);
}

TEST_F(ChannelLife, WaitingLockOfALostChannelIsGivenUp) {
  const FileId held = hold("file", wire::OplockLevel::kNone);
  ASSERT_EQ(holder.status_of(holder.signed_request(
                Command::kLock, whole_file(held, wire::LockFlags::kExclusiveLock))),
            NtStatus::kSuccess);
  const FileId id = first.create("file");
  send_waiting(second, Command::kLock, whole_file(id, wire::LockFlags::kExclusiveLock));
  lose(second);
  ASSERT_EQ(holder.close_file(held), NtStatus::kSuccess);
  // Asked again on the other channel: nothing of the first try is in the way.
  EXPECT_EQ(first.status_of(first.signed_request(
                Command::kLock, whole_file(id, wire::LockFlags::kExclusiveLock |
                                                   wire::LockFlags::kFailImmediately))),
            NtStatus::kSuccess);
}

TEST_F(ChannelLife, ChangesAreNotToldToALostChannel) {
  auto body = RawClient::create_body("dir");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId id = first.create(body);
  wire::ChangeNotifyRequest notify;
  notify.file_id = id;
  notify.output_buffer_length = 1000;
  notify.completion_filter = 0xFFF;
  send_waiting(second, Command::kChangeNotify, notify);
  lose(second);
  const uint64_t again = first.next_message_id;
  send_waiting(first, Command::kChangeNotify, notify);
  hold("dir\\new", wire::OplockLevel::kNone);
  const auto told = first.answer_to(again);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->status(), NtStatus::kSuccess);
}

TEST_F(ChannelLife, EndOfTheSessionEndsWhatLostChannelsWaitFor) {
  hold("file");
  send_waiting(second, Command::kCreate, RawClient::create_body("file"));
  lose(second);
  first.close();
  EXPECT_TRUE(eventually([&] { return session->is_closed(); }));
  // The connections are gone when nothing of them waits any more.
  const ClientTable& table = engine.server().logons.client_table;
  EXPECT_TRUE(eventually([&] { return table.count(ClientGuid{{7}}) == 0; }));
}

TEST_F(ChannelLife, LogoffEndsWhatOtherChannelsWaitFor) {
  hold("file");
  const uint64_t waiting = second.next_message_id;
  send_waiting(second, Command::kCreate, RawClient::create_body("file"));
  EXPECT_EQ(first.status_of(first.signed_request(Command::kLogoff, wire::LogoffRequest{})),
            NtStatus::kSuccess);
  const auto answer = second.answer_to(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kCancelled);
  EXPECT_TRUE(RawClient::is_signed_with(*answer, *second.signing_key));
}

TEST_F(ChannelLife, WaitsOfLostChannelsAreBounded) {
  const FileId held = hold("file");
  for (size_t i = 0; i < kLostChannelsPerSessionMax + 1; ++i) {
    RawClient next(engine);
    ASSERT_TRUE(bind(next));
    send_waiting(next, Command::kCreate, RawClient::create_body("file"));
    lose(next);
  }
  EXPECT_EQ(holder.close_file(held), NtStatus::kSuccess);
  EXPECT_TRUE(eventually([&] { return session->open_count() == kLostChannelsPerSessionMax; }));
  const ClientTable& table = engine.server().logons.client_table;
  EXPECT_TRUE(eventually([&] { return table.count(ClientGuid{{7}}) == 2; }));
  EXPECT_EQ(session->open_count(), kLostChannelsPerSessionMax);
}

}  // namespace
}  // namespace braid::smb2
