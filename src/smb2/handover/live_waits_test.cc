// Requests that wait for other clients while another server goes on with their connections.
#include "smb2/common/limits.h"
#include "smb2/handover/live_handover_testing.h"
#include "smb2/pending_testing.h"
#include "wire/smb2/oplock_break.h"

namespace braid::smb2 {
namespace {

// Two clients, and a request of the second that waits for the first.
struct LiveWaitsTest : LiveHandoverTest {
  RawClient& holder = log_on();
  RawClient& client = log_on(ClientGuid{{8}});

  uint64_t wait_for_lock(uint32_t flags = 0) {
    held = holder.create("file");
    EXPECT_EQ(lock(holder, held, 5), NtStatus::kSuccess);
    waits = client.create("file");
    return send_pending(client, lock_request(client, waits, 5, flags));
  }
  NtStatus unlock() {
    wire::LockRequest request{.file_id = held};
    request.locks.push_back({.offset = 5, .length = 1, .flags = wire::LockFlags::kUnlock});
    return holder.status_of(holder.request(Command::kLock, request));
  }
  // Of a CREATE; the break has come to the holder.
  uint64_t wait_for_break() {
    held = created(holder, with_lease(durable(), 2)).file_id;
    auto body = RawClient::create_body("file");
    body.create_disposition = wire::CreateDisposition::kOverwriteIf;
    const uint64_t waiting = send_pending(client, client.request(Command::kCreate, body));
    expect_break();
    return waiting;
  }
  void expect_break() {
    const auto broken = holder.receive();
    ASSERT_TRUE(broken);
    EXPECT_EQ(broken->header.command, Command::kOplockBreak);
  }
  NtStatus acknowledge() {
    wire::LeaseBreakAcknowledgment ack;
    ack.lease_key = LeaseKey{{1}};
    ack.lease_state = wire::LeaseState::kNone;
    return holder.status_of(holder.request(Command::kOplockBreak, ack));
  }
  void cancel(AsyncId id) {
    struct Body {
      static void encode(wire::Writer& w) {
        w.u16(4);
        w.u16(0);
      }
    };
    client.send(client.request(Command::kCancel, Body{}, [&](wire::Header& header) {
      header.flags |= wire::HeaderFlags::kAsyncCommand;
      header.async_id = id;
    }));
  }
  FileId held;
  FileId waits;
};

TEST_F(LiveWaitsTest, LockIsGrantedByTheNextUnderItsId) {
  const uint64_t waiting = wait_for_lock();
  EXPECT_EQ(hand_over(), all(2, 2));
  client.send(client.request(Command::kEcho, wire::EchoRequest{}));
  const auto echoed = client.receive();
  ASSERT_TRUE(echoed);
  EXPECT_EQ(echoed->header.command, Command::kEcho) << "there is no second interim response";
  EXPECT_EQ(unlock(), NtStatus::kSuccess);
  const auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.message_id.value, waiting);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_TRUE(answer->header.is_async());
  EXPECT_EQ(answer->header.async_id, AsyncId{1});
  EXPECT_EQ(answer->header.credits, 0);
  EXPECT_EQ(lock(client, waits, 5), NtStatus::kLockNotGranted);  // it has it
  // What waits from here on has another id.
  client.send(lock_request(client, waits, 5, 0));
  const auto interim = client.receive();
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->status(), NtStatus::kPending);
  EXPECT_EQ(interim->header.async_id, AsyncId{2});
}

// What its client puts behind it is neither kept nor handed over, and its signature, which was of
// all of it, is verified once.
TEST_F(LiveWaitsTest, LockWithMuchBehindItIsKeptWithoutThat) {
  held = holder.create("file");
  ASSERT_EQ(lock(holder, held, 5), NtStatus::kSuccess);
  waits = client.create("file");
  Bytes message = lock_request(client, waits, 5, 0);
  message.resize(2 * kCreateSizeMax);
  client.sign(message, *client.signing_key);
  const uint64_t waiting = send_pending(client, std::move(message));
  ASSERT_TRUE(suspend());
  const auto connections = before->server().connections();
  ASSERT_EQ(connections.size(), 2u);
  size_t kept = 0;
  for (const auto& each : connections) {
    for (const auto& request : each->requests_aside()) kept += request.message.size();
  }
  EXPECT_EQ(kept, wire::Header::kSize + 48);
  EXPECT_EQ(take(before->server().live_handover().give()), size_t{2});
  serve();
  EXPECT_EQ(unlock(), NtStatus::kSuccess);
  const auto answer = client.answer_to(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_TRUE(RawClient::is_signed_with(*answer, *client.signing_key));
}

// As long as one that waits may be.
TEST_F(LiveWaitsTest, SignedCreateAsLongAsOneMayBeIsAskedAgain) {
  held = created(holder, with_lease(durable(), 2)).file_id;
  Bytes message = client.request(Command::kCreate, RawClient::create_body("file"));
  message.resize(kCreateSizeMax);
  client.sign(message, *client.signing_key);
  const uint64_t waiting = send_pending(client, std::move(message));
  expect_break();
  EXPECT_EQ(hand_over(), all(2, 1));
  expect_break();
  EXPECT_EQ(acknowledge(), NtStatus::kSuccess);
  const auto answer = client.answer_to(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
}

TEST_F(LiveWaitsTest, LockIsCancelledThere) {
  const uint64_t waiting = wait_for_lock();
  ASSERT_TRUE(suspend());
  cancel(AsyncId{1});  // comes before anybody reads
  EXPECT_EQ(take(before->server().live_handover().give()), size_t{2});
  serve();
  const auto answer = client.answer_to(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kCancelled);
  EXPECT_EQ(unlock(), NtStatus::kSuccess);
  EXPECT_EQ(lock(client, waits, 5), NtStatus::kSuccess);
}

TEST_F(LiveWaitsTest, CreateCausesTheNextBreakAndIsAnswered) {
  const uint64_t waiting = wait_for_break();
  EXPECT_EQ(hand_over(), all(2, 1));
  expect_break();
  EXPECT_EQ(acknowledge(), NtStatus::kSuccess);
  const auto answer = client.answer_to(waiting);
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_TRUE(answer->header.is_async());
  const auto made = answer->as<wire::CreateResponse>();
  EXPECT_EQ(made.create_action, wire::CreateAction::kOverwritten);
  EXPECT_EQ(write(client, made.file_id), NtStatus::kSuccess);
}

// Its answer was on the way when the other process stopped to read.
TEST_F(LiveWaitsTest, BreakThatWasAnsweredMeanwhileIsAskedForAgain) {
  const uint64_t waiting = wait_for_break();
  ASSERT_TRUE(suspend());
  wire::LeaseBreakAcknowledgment ack;
  ack.lease_key = LeaseKey{{1}};
  ack.lease_state = wire::LeaseState::kNone;
  const uint64_t answered = holder.next_message_id;
  holder.send(holder.request(Command::kOplockBreak, ack));
  EXPECT_EQ(take(before->server().live_handover().give()), size_t{1});
  serve();
  // It comes before the next break or behind it; only then it is an answer to that.
  bool is_over = false;
  for (int i = 0; i < 2; ++i) {
    const auto told = holder.receive();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->header.command, Command::kOplockBreak);
    is_over = is_over ||
              (told->header.message_id.value == answered && told->status() == NtStatus::kSuccess);
  }
  if (!is_over) EXPECT_EQ(acknowledge(), NtStatus::kSuccess);
  const auto answer = client.answer_to(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
}

TEST_F(LiveWaitsTest, EncryptedOneIsAnsweredSo) {
  RawClient& sealed = log_on(ClientGuid{{6}}, wire::Dialect::kSmb311);
  held = holder.create("file");
  ASSERT_EQ(lock(holder, held, 5), NtStatus::kSuccess);
  const FileId id = sealed.create("file");
  sealed.send(sealed.encrypted(lock_request(sealed, id, 5, 0)));
  auto frame = sealed.receive();
  ASSERT_TRUE(frame);
  EXPECT_EQ(sealed.decrypted(frame->message).value().status(), NtStatus::kPending);
  EXPECT_EQ(hand_over(), all(3, 2));
  EXPECT_EQ(unlock(), NtStatus::kSuccess);
  frame = sealed.receive();
  ASSERT_TRUE(frame);
  const auto answer = sealed.decrypted(frame->message);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->header.command, Command::kLock);
}

// As they have stopped to wait, they ask again.
TEST_F(LiveWaitsTest, WhereNothingComesOfItTheyWaitOn) {
  const uint64_t lock_waits = wait_for_lock();
  RawClient& third = log_on(ClientGuid{{6}});
  const FileId leased = created(holder, with_lease(durable(kGuid, "leased"), 2)).file_id;
  const uint64_t create_waits =
      send_pending(third, third.request(Command::kCreate, RawClient::create_body("leased")));
  expect_break();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(suspend());
    EXPECT_EQ(before->server().connections().size(), 3u);
    (void)before->server().live_handover().give();
    before->server().resume();
  }
  EXPECT_EQ(unlock(), NtStatus::kSuccess);
  const auto locked = client.answer_to(lock_waits);
  ASSERT_TRUE(locked);
  EXPECT_EQ(locked->status(), NtStatus::kSuccess);
  EXPECT_EQ(acknowledge(), NtStatus::kSuccess);
  const auto made = third.answer_to(create_waits);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->status(), NtStatus::kSuccess);
  EXPECT_EQ(holder.close_file(leased), NtStatus::kSuccess);
}

// What nobody may ask again for it: the rest of its frame waits for it. Its client connects anew,
// and has what it was promised.
TEST_F(LiveWaitsTest, PartOfACompoundEndsItsConnectionAndKeepsItsHandles) {
  held = created(holder, with_lease(durable(), 2)).file_id;
  const FileId id = created(client, with_lease(durable(CreateGuid{{9}}, "kept"), 2, 3)).file_id;
  const Bytes create = client.request(Command::kCreate, RawClient::create_body("file"));
  const Bytes close = client.request(Command::kClose, wire::CloseRequest{.file_id = {~0u, ~0u}});
  client.send(RawClient::compound({create, close}));
  const auto interim = client.receive();
  ASSERT_TRUE(interim);
  ASSERT_EQ(interim->status(), NtStatus::kPending);
  expect_break();
  ASSERT_TRUE(suspend());
  EXPECT_TRUE(client.is_dropped());
  auto parts = before->server().opens_handover().give(1, [](const auto&) { return size_t{0}; });
  std::vector<UniqueFd> descriptors;
  descriptors.emplace_back(::fcntl(parts.at(0).descriptors.at(0), F_DUPFD_CLOEXEC, 0));
  EXPECT_EQ(after->server().opens_handover().take(parts[0].state, std::move(descriptors)),
            size_t{1});
  EXPECT_EQ(take(before->server().live_handover().give()), size_t{1});
  serve();
  EXPECT_EQ(write(holder, held), NtStatus::kSuccess);
  auto& again = *clients.emplace_back(std::make_unique<RawClient>(*after, ClientGuid{{8}}));
  ASSERT_TRUE(again.log_on());
  auto body = with_lease(reconnecting(id, CreateGuid{{9}}), 2, 3);
  body.name = "kept";
  EXPECT_EQ(created(again, body).file_id.persistent, id.persistent);
}

}  // namespace
}  // namespace braid::smb2
