#include "smb2/breaks/breaks.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "runtime/virtual_timers.h"
#include "smb2/common/limits.h"
#include "smb2/raw_client_testing.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/create.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/tree_disconnect.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Header;
using wire::OplockLevel;

constexpr ClientGuid kFirstClient{{7}};
constexpr ClientGuid kOther{{8}};

TEST(ClientTable, KeepsTheConnectionsOfEachClientApart) {
  Engine engine;
  RawClient first(engine, kFirstClient), second(engine, kFirstClient), third(engine, kOther);
  ASSERT_EQ(first.negotiate(), NtStatus::kSuccess);
  ASSERT_EQ(second.negotiate(), NtStatus::kSuccess);
  ASSERT_EQ(third.negotiate(), NtStatus::kSuccess);
  const ClientTable& table = engine.server().logons.client_table;
  EXPECT_EQ(table.count(kFirstClient), 2u);
  EXPECT_EQ(table.count(kOther), 1u);
  EXPECT_EQ(table.count(ClientGuid{{9}}), 0u);
}

TEST(ClientTable, ForgetsConnectionsThatEnded) {
  Engine engine;
  {
    RawClient client(engine, kFirstClient);
    ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  }
  engine.stop();
  EXPECT_EQ(engine.server().logons.client_table.count(kFirstClient), 0u);
}

struct BreakTest : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(holder.log_on());
    ASSERT_TRUE(opener.log_on());
  }
  // Opens with a batch oplock.
  FileId hold() {
    auto body = RawClient::create_body("file");
    body.requested_oplock_level = OplockLevel::kBatch;
    return holder.create(body);
  }
  // A CREATE that breaks it, and has to wait; its MessageId.
  uint64_t open_waiting() {
    const uint64_t id = opener.next_message_id;
    opener.send(opener.request(Command::kCreate, RawClient::create_body("file")));
    const auto interim = opener.receive();
    EXPECT_TRUE(interim && interim->status() == NtStatus::kPending);
    return id;
  }
  NtStatus acknowledge(FileId id, OplockLevel level) {
    wire::OplockBreakAcknowledgment ack;
    ack.oplock_level = level;
    ack.file_id = id;
    return holder.status_of(holder.request(Command::kOplockBreak, ack));
  }

  Engine engine;
  RawClient holder{engine, kFirstClient};
  RawClient opener{engine, kOther};
};

TEST_F(BreakTest, SecondOpenWaitsUntilTheHolderAcknowledges) {
  const FileId id = hold();
  ASSERT_NE(id, FileId{});
  const uint64_t waiting = open_waiting();
  const auto notification = holder.receive();
  ASSERT_TRUE(notification);
  // [MS-SMB2] 3.3.4.6 "Object Store Indicates an Oplock Break".
  EXPECT_EQ(notification->header.command, Command::kOplockBreak);
  EXPECT_EQ(notification->header.message_id.value, ~uint64_t{0});
  const auto body = notification->as<wire::OplockBreakNotification>();
  EXPECT_EQ(body.file_id, id);
  EXPECT_EQ(body.oplock_level, OplockLevel::kLevelIi);
  EXPECT_EQ(acknowledge(id, OplockLevel::kLevelIi), NtStatus::kSuccess);
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
}

// [MS-SMB2] 3.2.5.19.1 "Receiving an Oplock Break Notification": a client that does not know the
// open drops it.
TEST_F(BreakTest, ABreakGoesBehindTheAnswerThatTellsOfTheOpen) {
  const FileId id = hold();
  auto answer = engine.server().files.breaks.hold_back(filestate::OpenToken{id.volatile_id});
  const uint64_t waiting = open_waiting();
  holder.send(holder.request(Command::kEcho, wire::EchoRequest{}));
  EXPECT_EQ(holder.receive()->header.command, Command::kEcho);
  answer.reset();
  EXPECT_EQ(holder.receive()->header.command, Command::kOplockBreak);
  EXPECT_EQ(acknowledge(id, OplockLevel::kNone), NtStatus::kSuccess);
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
}

TEST_F(BreakTest, NoBreakComesBeforeTheAnswersOfManyCreates) {
  for (int round = 0; round < 50; ++round) {
    auto body = RawClient::create_body("file" + std::to_string(round));
    body.requested_oplock_level = OplockLevel::kBatch;
    holder.send(holder.request(Command::kCreate, body));
    opener.send(opener.request(Command::kCreate, RawClient::create_body(body.name)));
    const auto first = holder.receive();
    ASSERT_TRUE(first);
    ASSERT_EQ(first->header.command, Command::kCreate);
    const FileId id = first->as<wire::CreateResponse>().file_id;
    if (first->as<wire::CreateResponse>().oplock_level == OplockLevel::kBatch) {
      EXPECT_EQ(holder.receive()->header.command, Command::kOplockBreak);
    }
    EXPECT_EQ(holder.close_file(id), NtStatus::kSuccess);
    auto answer = opener.receive();
    if (answer->status() == NtStatus::kPending) answer = opener.receive();
    EXPECT_EQ(answer->status(), NtStatus::kSuccess);
    EXPECT_EQ(opener.close_file(answer->as<wire::CreateResponse>().file_id), NtStatus::kSuccess);
  }
}

TEST_F(BreakTest, CloseOfTheHolderLetsTheOpenGoOn) {
  const FileId id = hold();
  const uint64_t waiting = open_waiting();
  EXPECT_EQ(holder.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
}

TEST_F(BreakTest, EndOfTheHoldersConnectionLetsTheOpenGoOn) {
  hold();
  const uint64_t waiting = open_waiting();
  holder.close();
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
}

TEST_F(BreakTest, AcknowledgmentNobodyAskedForIsRefused) {
  const FileId id = hold();
  EXPECT_TRUE(is_error(acknowledge(id, OplockLevel::kNone)));
  EXPECT_EQ(acknowledge({id.persistent, id.volatile_id + 1}, OplockLevel::kNone),
            NtStatus::kFileClosed);
}

// 3.3.5.22.1 and 3.3.5.22.2 look for the tree before anything else.
TEST_F(BreakTest, AcknowledgmentOnATreeThatIsGoneIsNetworkNameDeleted) {
  const FileId id = hold();
  ASSERT_EQ(
      holder.status_of(holder.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{})),
      NtStatus::kSuccess);
  EXPECT_EQ(acknowledge(id, OplockLevel::kNone), NtStatus::kNetworkNameDeleted);
  wire::LeaseBreakAcknowledgment lease;
  lease.lease_key = LeaseKey{{1}};
  EXPECT_EQ(holder.status_of(holder.request(Command::kOplockBreak, lease)),
            NtStatus::kNetworkNameDeleted);
}

TEST_F(BreakTest, AcknowledgmentByAnotherSessionIsFileClosed) {
  const FileId id = hold();
  const uint64_t waiting = open_waiting();
  wire::OplockBreakAcknowledgment ack;
  ack.oplock_level = OplockLevel::kNone;
  ack.file_id = id;
  EXPECT_EQ(opener.status_of(opener.request(Command::kOplockBreak, ack)), NtStatus::kFileClosed);
  ASSERT_EQ(acknowledge(id, OplockLevel::kNone), NtStatus::kSuccess);
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
}

TEST_F(BreakTest, CancelEndsTheOpenThatWaits) {
  hold();
  const uint64_t waiting = open_waiting();
  opener.send(opener.request(Command::kCancel, wire::CancelRequest{},
                             [&](Header& header) { header.message_id = {waiting}; }));
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kCancelled);
}

// It may come before what is asked for has begun to wait.
TEST_F(BreakTest, CancelThatComesEarlyEndsTheOpenToo) {
  hold();
  for (int i = 0; i < 20; ++i) {
    const uint64_t waiting = opener.next_message_id;
    opener.send(opener.request(Command::kCreate, RawClient::create_body("file")));
    opener.send(opener.request(Command::kCancel, wire::CancelRequest{},
                               [&](Header& header) { header.message_id = {waiting}; }));
    const auto answer = opener.answer_to(waiting);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), NtStatus::kCancelled);
  }
}

// A directory that is renamed waits for what is open below it.
struct RenameTest : BreakTest {
  FileId directory;

  void begin() {
    auto body = RawClient::create_body("dir");
    body.create_options = wire::CreateOptions::kDirectoryFile;
    body.desired_access |= wire::Access::kDelete;
    directory = opener.create(body);
    ASSERT_NE(directory, FileId{});
    body = RawClient::create_body("dir\\file");
    body.requested_oplock_level = OplockLevel::kLease;
    body.contexts.request_lease = wire::LeaseContext{};
    body.contexts.request_lease->lease_key = LeaseKey{{1}};
    body.contexts.request_lease->lease_state =
        wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching;
    ASSERT_NE(holder.create(body), FileId{});
  }
  // Its MessageId.
  uint64_t send_rename() {
    wire::FileRenameInformation info;
    info.file_name = "elsewhere";
    Bytes bytes;
    wire::Writer writer(bytes);
    info.encode(writer);
    wire::SetInfoRequest rename;
    rename.info_type = wire::InfoType::kFile;
    rename.file_info_class = 10;
    rename.file_id = directory;
    rename.buffer = bytes;
    const uint64_t id = opener.next_message_id;
    opener.send(opener.request(Command::kSetInfo, rename));
    return id;
  }
  void cancel(uint64_t waiting) {
    opener.send(opener.request(Command::kCancel, wire::CancelRequest{},
                               [&](Header& header) { header.message_id = {waiting}; }));
  }
};

TEST_F(RenameTest, CancelEndsOneThatWaitsForHandlesBelow) {
  ASSERT_NO_FATAL_FAILURE(begin());
  const uint64_t waiting = send_rename();
  const auto interim = opener.receive();
  ASSERT_TRUE(interim && interim->status() == NtStatus::kPending);
  cancel(waiting);
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kCancelled);
}

// What filestate keeps of them goes by the open, which they share: each is answered all the same.
TEST_F(RenameTest, CancelEndsEachOfManyOfOneOpen) {
  ASSERT_NO_FATAL_FAILURE(begin());
  constexpr size_t kRenames = 12;
  for (int round = 0; round < 8; ++round) {
    std::vector<uint64_t> sent;
    for (size_t i = 0; i < kRenames; ++i) sent.push_back(send_rename());
    // An interim response each, and its answer.
    std::set<uint64_t> waiting;
    std::map<uint64_t, NtStatus> answers;
    while (answers.size() < kRenames) {
      const auto answer = opener.receive();
      ASSERT_TRUE(answer) << round << ": " << answers.size() << " were answered";
      const uint64_t id = answer->header.message_id.value;
      if (answer->status() != NtStatus::kPending) {
        answers[id] = answer->status();
      } else if (waiting.insert(id).second && waiting.size() == kRenames) {
        for (const uint64_t each : sent) cancel(each);
      }
    }
    for (const auto& [id, status] : answers) EXPECT_EQ(status, NtStatus::kCancelled) << id;
  }
}

// Each round of waiting has its own Waiter.
TEST_F(BreakTest, CancelEndsAnOpenThatStillWaitsAfterOneOfTwoHoldersAnswered) {
  RawClient second(engine, ClientGuid{{9}});
  ASSERT_TRUE(second.log_on());
  auto body = RawClient::create_body("file");
  body.desired_access = wire::Access::kFileReadData;
  body.share_access = wire::ShareAccess::kRead;
  body.requested_oplock_level = OplockLevel::kLease;
  wire::LeaseContext lease;
  lease.lease_key = LeaseKey{{1}};
  lease.lease_state = wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching;
  body.contexts.request_lease = lease;
  ASSERT_NE(holder.create(body), FileId{});
  body.contexts.request_lease->lease_key = LeaseKey{{2}};
  ASSERT_NE(second.create(body), FileId{});
  const uint64_t waiting = open_waiting();
  ASSERT_TRUE(holder.receive());
  wire::LeaseBreakAcknowledgment ack;
  ack.lease_key = lease.lease_key;
  ack.lease_state = wire::LeaseState::kReadCaching;
  ASSERT_EQ(holder.status_of(holder.request(Command::kOplockBreak, ack)), NtStatus::kSuccess);
  opener.send(opener.request(Command::kCancel, wire::CancelRequest{},
                             [&](Header& header) { header.message_id = {waiting}; }));
  const auto answer = opener.answer_to(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kCancelled);
}

// [MS-SMB2] 3.3.6.1 "Oplock Break Acknowledgment Timer Event".
TEST(BreakTimer, HolderThatDoesNotAnswerInTimeKeepsNothing) {
  VirtualClock clock;
  VirtualTimers timers(clock);
  Engine engine(Engine::lenient(), clock, 1, Engine::shares_on(vfs::make_memory_volume()), nullptr,
                std::nullopt, &timers);
  RawClient holder(engine, kFirstClient);
  RawClient opener(engine, kOther);
  ASSERT_TRUE(holder.log_on());
  ASSERT_TRUE(opener.log_on());
  auto body = RawClient::create_body("file");
  body.requested_oplock_level = OplockLevel::kBatch;
  const FileId id = holder.create(body);
  ASSERT_NE(id, FileId{});
  const uint64_t waiting = opener.next_message_id;
  opener.send(opener.request(Command::kCreate, RawClient::create_body("file")));
  const auto interim = opener.receive();
  ASSERT_TRUE(interim && interim->status() == NtStatus::kPending);
  ASSERT_TRUE(timers.await(kBreakTimeout));
  timers.advance(kBreakTimeout - std::chrono::nanoseconds(1));
  engine.settle();
  wire::OplockBreakAcknowledgment ack;
  EXPECT_EQ(opener.status_of(opener.request(Command::kOplockBreak, ack)), NtStatus::kFileClosed)
      << "before the answer to what waits";
  timers.advance(std::chrono::nanoseconds(1));
  const auto answer = opener.answer_to(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  ack.file_id = id;
  EXPECT_TRUE(is_error(holder.status_of(holder.request(Command::kOplockBreak, ack))));
}

// filestate forgets what waits for an open that closes; someone has to say so.
TEST_F(BreakTest, CloseEndsADeleteThatWaitsForABreak) {
  const FileId id = opener.create("file");
  ASSERT_NE(id, FileId{});
  auto body = RawClient::create_body("file");
  body.requested_oplock_level = OplockLevel::kLease;
  wire::LeaseContext lease;
  lease.lease_key = LeaseKey{{1}};
  lease.lease_state = wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching;
  body.contexts.request_lease = lease;
  ASSERT_NE(holder.create(body), FileId{});
  const uint8_t delete_pending = 1;
  wire::SetInfoRequest disposition;
  disposition.info_type = wire::InfoType::kFile;
  disposition.file_info_class = 13;  // FileDispositionInformation
  disposition.file_id = id;
  disposition.buffer = ByteView(&delete_pending, 1);
  const uint64_t waiting = opener.next_message_id;
  opener.send(opener.request(Command::kSetInfo, disposition));
  ASSERT_EQ(opener.receive()->status(), NtStatus::kPending);
  opener.send(opener.request(Command::kClose, wire::CloseRequest{.file_id = id}));
  const auto answer = opener.answer_to(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kFileClosed);
}

TEST_F(BreakTest, EndOfTheWaitersConnectionLeavesNothingWaiting) {
  hold();
  open_waiting();
  opener.close();
  holder.close();
  engine.stop();
  EXPECT_EQ(engine.server().logons.session_table.size(), 0u);
}

// A holder that stays and cannot be told has nothing left: as if the time had run out.
TEST(Breaks, ResilientHolderWithoutAConnectionLosesItsOplockAtOnce) {
  ReactorPool reactors(1);
  SessionTable sessions;
  ClientTable clients;
  Breaks breaks(sessions, clients, config::BreakRetry::kSpec, reactors.at(0));
  filestate::FileTable table(breaks);
  breaks.set_table(table);
  const FileKey file{1, 2, 0};
  filestate::OpenRequest request;
  request.token = {1};
  request.session_id = {99};  // no such session
  request.granted_access = wire::Access::kFileAllAccess;
  request.share_access = wire::ShareAccess::kAll;
  request.requested_oplock = filestate::OplockLevel::kBatch;
  ASSERT_EQ(table.open(file, request).decision.verdict, filestate::Verdict::kGo);
  ASSERT_TRUE(table.set_durability({file, {1}}, filestate::Durability::kResilient));
  request.token = {2};
  request.requested_oplock = filestate::OplockLevel::kNone;
  const Breaks::RetryWait wait(breaks, {2}, breaks.retries());
  const auto second = table.open(file, request);
  if (second.decision.verdict == filestate::Verdict::kWait) {
    EXPECT_TRUE(wait.waiter()->is_set());
    EXPECT_EQ(table.open(file, request).decision.verdict, filestate::Verdict::kGo);
  } else {
    EXPECT_EQ(second.decision.verdict, filestate::Verdict::kGo);
  }
  EXPECT_EQ(table.caching_of({file, {1}}), filestate::Caching::kNone);
}

struct BreaksAlone : testing::Test {
  ReactorPool reactors{1};
  SessionTable sessions;
  ClientTable clients;
  Breaks breaks{sessions, clients, config::BreakRetry::kSpec, reactors.at(0)};

  void complete(filestate::OpenToken token, filestate::LockId lock = {}) {
    using Kind = filestate::Completion::Kind;
    breaks.completed({}, {.kind = lock.value != 0 ? Kind::kLock : Kind::kRetryOperation,
                          .token = token,
                          .lock = lock});
  }
};

TEST_F(BreaksAlone, EachRequestOfAnOpenIsWokenInItsOwnRound) {
  auto first = std::make_optional<Breaks::RetryWait>(breaks, filestate::OpenToken{7}, 0);
  const Breaks::RetryWait second(breaks, {7}, 0);
  const Breaks::RetryWait other(breaks, {8}, 0);
  complete({7});
  EXPECT_TRUE(first->waiter()->is_set());
  EXPECT_TRUE(second.waiter()->is_set());
  EXPECT_FALSE(other.waiter()->is_set());
  // It waits again before the other has let go.
  first.emplace(breaks, filestate::OpenToken{7}, breaks.retries());
  EXPECT_FALSE(first->waiter()->is_set());
  complete({7});
  EXPECT_TRUE(first->waiter()->is_set());
}

// What filestate keeps for the open is taken away with the last of however many wait, and once.
TEST_F(BreaksAlone, LastRequestOfAnOpenToLeaveIsTold) {
  const Breaks::RetryWait first(breaks, {7}, 0);
  const Breaks::RetryWait second(breaks, {7}, 0);
  const Breaks::RetryWait other(breaks, {8}, 0);
  EXPECT_FALSE(breaks.leave({7}, first.waiter()));
  EXPECT_FALSE(breaks.leave({7}, first.waiter()));
  EXPECT_TRUE(breaks.leave({7}, second.waiter()));
  EXPECT_FALSE(breaks.leave({7}, second.waiter()));
  complete({7});
  EXPECT_FALSE(second.waiter()->is_set());
  EXPECT_TRUE(breaks.leave({8}, other.waiter()));
}

TEST_F(BreaksAlone, CompletionThatComesBeforeTheWaitIsNotLost) {
  const uint64_t seen = breaks.retries();
  complete({5});
  EXPECT_TRUE(Breaks::RetryWait(breaks, {5}, seen).waiter()->is_set());
  EXPECT_FALSE(Breaks::RetryWait(breaks, {5}, breaks.retries()).waiter()->is_set());
  complete({5}, {1});
  EXPECT_TRUE(breaks.expect({5}, {1})->is_set());
  breaks.forget({5}, {1});
  EXPECT_FALSE(breaks.expect({5}, {1})->is_set());
}

}  // namespace
}  // namespace braid::smb2
