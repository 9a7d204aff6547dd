// Breaks that look for a channel which lives: [MS-SMB2] 3.3.4.6, 3.3.4.7.
#include <gtest/gtest.h>

#include <set>

#include "smb2/common/limits.h"
#include "smb2/raw_client_testing.h"
#include "transport/acknowledgement_watch.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::OplockLevel;

constexpr ClientGuid kHolder{{7}};
constexpr ClientGuid kOpener{{8}};

// Carries everything, and never hears that it arrived.
class Unacknowledged final : public transport::Transport,
                             public transport::AcknowledgementWatch::Stream {
 public:
  explicit Unacknowledged(transport::TransportPtr inner) : inner_(std::move(inner)) {}

  Task<Result<CountedBuffer>> receive() override { return inner_->receive(); }
  void set_account(std::shared_ptr<MemoryAccount> account) override {
    inner_->set_account(std::move(account));
  }
  void set_receive_limit(size_t size) override { inner_->set_receive_limit(size); }
  uint64_t send(transport::OutFrame frame) override { return inner_->send(std::move(frame)); }
  Task<void> writable() override { return inner_->writable(); }
  Task<void> drained() override { return inner_->drained(); }
  uint64_t bytes_queued() const override { return inner_->bytes_queued(); }
  uint64_t bytes_sent() const override { return inner_->bytes_sent(); }
  uint64_t bytes_acknowledged() const override { return 0; }
  void watch_acknowledgements(transport::AcknowledgementLook look) override {
    watch_.set(std::move(look));
  }
  bool is_suspect() const override { return watch_.is_suspect(); }
  std::chrono::microseconds retransmission_timeout() const override { return {}; }
  std::chrono::microseconds silence() const override { return {}; }
  void close() override { inner_->close(); }
  void abort() override { close(); }
  bool is_closed() const override { return inner_->is_closed(); }
  transport::SocketAddress peer() const override { return inner_->peer(); }
  transport::SocketAddress local() const override { return inner_->local(); }
  Reactor& reactor() const override { return inner_->reactor(); }

 private:
  const transport::TransportPtr inner_;
  transport::AcknowledgementWatch watch_{inner_->reactor(), *this};
};

// A session with channels in this order; the first ones are never acknowledged.
struct Channels {
  Channels(Engine& engine, size_t unacknowledged, size_t good) {
    for (size_t i = 0; i < unacknowledged + good; ++i) {
      auto& channel = all.emplace_back(std::make_unique<RawClient>(engine, kHolder));
      if (i < unacknowledged) {
        channel->wrap([](transport::TransportPtr inner) {
          return std::make_shared<Unacknowledged>(std::move(inner));
        });
      }
      EXPECT_EQ(channel->negotiate(), NtStatus::kSuccess);
      if (i > 0) {
        EXPECT_EQ(channel->bind(*all[0]), NtStatus::kSuccess);
        continue;
      }
      EXPECT_EQ(channel->session_setup(), NtStatus::kSuccess);
      EXPECT_EQ(channel->tree_connect(), NtStatus::kSuccess);
    }
  }
  RawClient& operator[](size_t i) { return *all[i]; }

  std::vector<std::unique_ptr<RawClient>> all;
};

struct BreakDelivery : testing::Test {
  explicit BreakDelivery(config::BreakRetry retry = config::BreakRetry::kSpec)
      : engine(settings(retry)) {}
  void SetUp() override { ASSERT_TRUE(opener.log_on()); }

  static config::Server settings(config::BreakRetry retry) {
    auto settings = Engine::lenient();
    settings.break_retry = retry;
    return settings;
  }
  static FileId hold_oplock(RawClient& holder, const char* name = "file") {
    auto body = RawClient::create_body(name);
    body.requested_oplock_level = OplockLevel::kBatch;
    return holder.create(body);
  }
  static FileId hold_lease(RawClient& holder) {
    auto body = RawClient::create_body("file");
    body.requested_oplock_level = OplockLevel::kLease;
    wire::LeaseContext lease;
    lease.version = 2;
    lease.lease_key = LeaseKey{{1}};
    lease.epoch = 4;
    lease.lease_state = wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching |
                        wire::LeaseState::kWriteCaching;
    body.contexts.request_lease = lease;
    return holder.create(body);
  }
  // A CREATE that causes a break, and has to wait; its MessageId.
  uint64_t open_waiting() {
    const uint64_t id = opener.next_message_id;
    opener.send(opener.request(Command::kCreate, RawClient::create_body("file")));
    const auto interim = opener.receive();
    EXPECT_TRUE(interim && interim->status() == NtStatus::kPending);
    return id;
  }
  static bool is_break(const std::optional<Answer>& answer) {
    return answer && answer->header.command == Command::kOplockBreak &&
           answer->header.message_id.value == ~uint64_t{0};
  }
  static NtStatus acknowledge(RawClient& channel, FileId id) {
    wire::OplockBreakAcknowledgment ack;
    ack.oplock_level = OplockLevel::kLevelIi;
    ack.file_id = id;
    return channel.status_of(channel.signed_request(Command::kOplockBreak, ack));
  }
  static NtStatus acknowledge_lease(RawClient& channel) {
    wire::LeaseBreakAcknowledgment ack;
    ack.lease_key = LeaseKey{{1}};
    ack.lease_state = wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching;
    return channel.status_of(channel.signed_request(Command::kOplockBreak, ack));
  }
  // Those with a session of who holds something.
  std::vector<std::shared_ptr<Connection>> connections() {
    for (const auto& session : engine.server().logons.session_table.all()) {
      if (session->client_guid != kHolder) continue;
      return engine.server().logons.client_table.connections(kHolder, session->user_id());
    }
    return {};
  }
  bool suspects_one() {
    return std::ranges::any_of(connections(),
                               [](const auto& each) { return each->transport().is_suspect(); });
  }
  // The first channel ends with a break unanswered; the second one gets it and answers.
  void expect_handed_on(Channels& holder) {
    const FileId id = hold_oplock(holder[1]);
    const uint64_t waiting = open_waiting();
    ASSERT_TRUE(is_break(holder[0].receive()));
    holder[0].close();
    EXPECT_TRUE(is_break(holder[1].receive()));
    EXPECT_EQ(acknowledge(holder[1], id), NtStatus::kSuccess);
    EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
  }
  // Everything the server has to do is done, and `channel` heard of none of it.
  void expect_no_break(RawClient& channel, size_t connections) {
    while (engine.server().logons.client_table.count(kHolder) > connections) {
      std::this_thread::yield();
    }
    channel.send(channel.signed_request(Command::kEcho, wire::EchoRequest{}));
    const auto answer = channel.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.command, Command::kEcho);
  }

  Engine engine;
  RawClient opener{engine, kOpener};
};

TEST_F(BreakDelivery, OplockBreakNobodyAcknowledgedGoesToTheNextChannel) {
  Channels holder(engine, 2, 1);
  const FileId id = hold_oplock(holder[2]);
  ASSERT_NE(id, FileId{});
  const uint64_t waiting = open_waiting();
  for (size_t i = 0; i < 3; ++i) {
    const auto notification = holder[i].receive();
    ASSERT_TRUE(is_break(notification)) << i;
    EXPECT_EQ(notification->as<wire::OplockBreakNotification>().file_id, id);
    EXPECT_EQ(notification->header.session_id, holder[0].session_id);
    if (i < 2) EXPECT_TRUE(holder[i].is_dropped());
  }
  EXPECT_EQ(acknowledge(holder[2], id), NtStatus::kSuccess);
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
}

TEST_F(BreakDelivery, LeaseBreakKeepsItsEpochOnEveryChannel) {
  Channels holder(engine, 2, 1);
  ASSERT_NE(hold_lease(holder[0]), FileId{});
  open_waiting();
  for (size_t i = 0; i < 3; ++i) {
    const auto notification = holder[i].receive();
    ASSERT_TRUE(is_break(notification)) << i;
    const auto body = notification->as<wire::LeaseBreakNotification>();
    EXPECT_EQ(body.new_epoch, 6);  // 5 with the grant
    EXPECT_EQ(body.new_lease_state,
              wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching);
    EXPECT_EQ(notification->header.session_id, SessionId{});
  }
}

TEST_F(BreakDelivery, ChannelSilentForLongIsTheLastChoice) {
  Channels holder(engine, 2, 2);
  ASSERT_NE(hold_lease(holder[3]), FileId{});
  const auto connections = this->connections();
  for (size_t i : {0, 1, 3}) {
    connections.at(i)->counters.last_frame =
        std::chrono::steady_clock::now() - kChannelSilenceMax * 2;
  }
  const uint64_t waiting = open_waiting();
  EXPECT_TRUE(is_break(holder[2].receive()));
  EXPECT_EQ(acknowledge_lease(holder[2]), NtStatus::kSuccess);
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
  expect_no_break(holder[0], 4);
}

// A ClientGuid is no secret: a stranger's connections are neither told of the lease nor asked for
// it, though they were there first, and what he says of it is said of a lease that he has not.
TEST_F(BreakDelivery, LeaseBreakGoesToItsUserOnly) {
  RawClient stranger(engine, kHolder);
  ASSERT_TRUE(stranger.log_on(wire::Dialect::kSmb302, "files", "other"));
  RawClient holder(engine, kHolder);
  ASSERT_TRUE(holder.log_on());
  ASSERT_NE(hold_lease(holder), FileId{});
  const uint64_t waiting = open_waiting();
  ASSERT_TRUE(is_break(holder.receive()));
  EXPECT_EQ(acknowledge_lease(stranger), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(acknowledge_lease(holder), NtStatus::kSuccess);
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
  expect_no_break(stranger, 2);
}

// With the key, too, he gets a lease of his own, and takes nothing from the other.
TEST_F(BreakDelivery, LeaseKeyOfAnotherUserIsAnotherLease) {
  RawClient holder(engine, kHolder), stranger(engine, kHolder);
  ASSERT_TRUE(holder.log_on());
  ASSERT_TRUE(stranger.log_on(wire::Dialect::kSmb302, "files", "other"));
  ASSERT_NE(hold_lease(holder), FileId{});
  auto body = RawClient::create_body("file");
  body.requested_oplock_level = OplockLevel::kLease;
  body.contexts.request_lease = wire::LeaseContext{};
  body.contexts.request_lease->version = 2;
  body.contexts.request_lease->lease_key = LeaseKey{{1}};
  body.contexts.request_lease->lease_state =
      wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching;
  const uint64_t waiting = stranger.next_message_id;
  stranger.send(stranger.request(Command::kCreate, body));
  ASSERT_TRUE(is_break(holder.receive())) << "as for any other lease";
  EXPECT_EQ(acknowledge_lease(holder), NtStatus::kSuccess);
  EXPECT_EQ(stranger.answer_to(waiting)->status(), NtStatus::kSuccess);
  expect_no_break(holder, 2);
}

// Whoever comes second need not find out again what the first one is waiting for.
TEST_F(BreakDelivery, ChannelThatKeepsABreakWaitingIsTheLastChoice) {
  Channels holder(engine, 1, 1);
  ASSERT_NE(hold_lease(holder[0]), FileId{});
  const FileId other = hold_oplock(holder[0], "other");
  open_waiting();
  ASSERT_TRUE(is_break(holder[0].receive()));
  while (!suspects_one()) std::this_thread::yield();
  opener.send(opener.request(Command::kCreate, RawClient::create_body("other")));
  const auto notification = holder[1].receive();
  ASSERT_TRUE(is_break(notification));
  EXPECT_EQ(notification->as<wire::OplockBreakNotification>().file_id, other);
}

TEST_F(BreakDelivery, LostConnectionHandsItsBreaksOnAtOnce) {
  Channels holder(engine, 1, 1);
  expect_handed_on(holder);
}

// It had arrived as far as the transport knows. A client whose connection is reset at that moment
// sees nothing of it.
TEST_F(BreakDelivery, ConnectionThatEndsWithoutAnAnswerHandsItsBreaksOn) {
  Channels holder(engine, 0, 2);
  expect_handed_on(holder);
}

TEST_F(BreakDelivery, BreakThatWasAnsweredElsewhereIsNotSentAgain) {
  Channels holder(engine, 1, 1);
  const FileId id = hold_oplock(holder[1]);
  const uint64_t waiting = open_waiting();
  ASSERT_TRUE(is_break(holder[0].receive()));
  ASSERT_EQ(acknowledge(holder[1], id), NtStatus::kSuccess);
  ASSERT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
  holder[0].close();
  expect_no_break(holder[1], 1);
}

TEST_F(BreakDelivery, WithoutAChannelWhoeverWaitsGoesOn) {
  Channels holder(engine, 2, 0);
  ASSERT_NE(hold_oplock(holder[0]), FileId{});
  const uint64_t waiting = open_waiting();
  EXPECT_EQ(opener.answer_to(waiting)->status(), NtStatus::kSuccess);
  EXPECT_TRUE(holder[0].is_dropped());
  EXPECT_TRUE(holder[1].is_dropped());
}

TEST_F(BreakDelivery, ConnectionWithoutALogonHearsOfNoLease) {
  RawClient stranger(engine, kHolder);
  ASSERT_EQ(stranger.negotiate(), NtStatus::kSuccess);
  Channels holder(engine, 0, 1);
  ASSERT_NE(hold_lease(holder[0]), FileId{});
  open_waiting();
  EXPECT_TRUE(is_break(holder[0].receive()));
}

struct WindowsBreakDelivery : BreakDelivery {
  WindowsBreakDelivery() : BreakDelivery(config::BreakRetry::kWindows) {}
};

TEST_F(WindowsBreakDelivery, OplockBreakIsSentOnceOnTheLastChannel) {
  Channels holder(engine, 2, 0);
  hold_oplock(holder[0]);
  open_waiting();
  ASSERT_TRUE(is_break(holder[1].receive()));
  holder[1].close();
  expect_no_break(holder[0], 1);
}

TEST_F(WindowsBreakDelivery, LeaseBreakGoesToTheNextChannel) {
  Channels holder(engine, 1, 1);
  hold_lease(holder[1]);
  open_waiting();
  ASSERT_TRUE(is_break(holder[0].receive()));
  EXPECT_TRUE(is_break(holder[1].receive()));
}

// Whoever made the event sends the first of them himself, and does not wait for the others.
TEST_F(BreakDelivery, EventThatBreaksManyReachesAll) {
  constexpr size_t kMany = 3 * Breaks::kBreaksAtOnce + 5;
  RawClient holder(engine, kHolder);
  ASSERT_TRUE(holder.log_on());
  auto body = RawClient::create_body("file");
  body.requested_oplock_level = OplockLevel::kLevelIi;
  std::set<uint64_t> holds;
  for (size_t i = 0; i < kMany; ++i) holds.insert(holder.create(body).volatile_id);
  ASSERT_EQ(holds.size(), kMany);
  const FileId file = opener.create("file");
  const Bytes data(1);
  wire::WriteRequest write;
  write.file_id = file;
  write.data = data;
  EXPECT_EQ(opener.status_of(opener.request(Command::kWrite, write)), NtStatus::kSuccess);
  std::set<uint64_t> told;
  for (size_t i = 0; i < kMany; ++i) {
    const auto notification = holder.receive();
    ASSERT_TRUE(is_break(notification));
    const auto told_of = notification->as<wire::OplockBreakNotification>();
    EXPECT_EQ(told_of.oplock_level, OplockLevel::kNone);
    told.insert(told_of.file_id.volatile_id);
  }
  EXPECT_EQ(told, holds);
}

}  // namespace
}  // namespace braid::smb2
