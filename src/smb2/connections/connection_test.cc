#include "smb2/connections/connection.h"

#include <gtest/gtest.h>

#include "runtime/virtual_timers.h"
#include "smb2/common/limits.h"
#include "smb2/connections/protection_seat.h"
#include "smb2/raw_client_testing.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/transform_header.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Header;

struct ConnectionTest : testing::Test {
  Bytes echo(const std::function<void(Header&)>& change = {}) {
    return client.request(Command::kEcho, wire::EchoRequest{}, change);
  }
  Engine engine;
  RawClient client{engine};
};

TEST_F(ConnectionTest, UnknownProtocolIdDrops) {
  Bytes frame = client.negotiate_request(wire::Dialect::kSmb302);
  frame[0] = 0xFB;
  client.send(std::move(frame));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(ConnectionTest, CompressedFrameNobodyNegotiatedDrops) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  Bytes frame = echo();
  frame[0] = 0xFC;
  client.send(std::move(frame));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(ConnectionTest, FrameShorterThanAHeaderDrops) {
  client.send({0xFE, 'S', 'M', 'B', 64, 0});
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(ConnectionTest, AnythingBeforeNegotiateDrops) {
  client.send(echo());
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(ConnectionTest, SecondNegotiateDrops) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  client.send(client.negotiate_request(wire::Dialect::kSmb311));
  EXPECT_TRUE(client.is_dropped());
  EXPECT_FALSE(client.receive());
}

TEST_F(ConnectionTest, NegotiateInACompoundDrops) {
  client.send(
      RawClient::compound({client.negotiate_request(wire::Dialect::kSmb302), echo()}, false));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(ConnectionTest, ResponseFromAClientDrops) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  client.send(echo([](Header& header) { header.flags = wire::HeaderFlags::kServerToRedir; }));
  EXPECT_TRUE(client.is_dropped());
}

// Neither ECHO nor an error makes the window wider, whatever is asked for.
TEST_F(ConnectionTest, OneCreditBeforeALogon) {
  const auto ask = [](Header& header) { header.credits = 8192; };
  // Multi-credit requests are what NEGOTIATE is about: it cost one credit.
  Bytes negotiate = client.negotiate_request(wire::Dialect::kSmb302);
  const uint16_t charge = 4000;
  std::memcpy(negotiate.data() + 6, &charge, sizeof charge);
  const auto negotiated = client.exchange(std::move(negotiate));
  ASSERT_TRUE(negotiated);
  EXPECT_EQ(negotiated->header.credits, 1u);
  for (int i = 0; i < 5; ++i) {
    const auto answer = client.exchange(echo(ask));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.credits, 1u);
  }
  const auto refused = client.exchange(client.tree_request());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status(), NtStatus::kUserSessionDeleted);
  EXPECT_EQ(refused->header.credits, 1u);
  client.send(RawClient::compound({echo(ask), echo(ask)}, false));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(ConnectionTest, LogonBringsCredits) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  const auto answer = client.exchange(client.setup_request("user"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->header.credits, 64u);
}

TEST_F(ConnectionTest, MessageIdOutsideTheWindowDrops) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  client.send(echo([](Header& header) { header.message_id = {5000}; }));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(ConnectionTest, MessageIdUsedTwiceDrops) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  ASSERT_EQ(client.status_of(echo()), NtStatus::kSuccess);
  client.send(echo([](Header& header) { header.message_id = {1}; }));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(ConnectionTest, CreditChargeBeyondTheWindowDrops) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  client.send(echo([](Header& header) { header.credit_charge = 2; }));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(ConnectionTest, CreditsAskedForAreGrantedAndWidenTheWindow) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  const auto logon =
      client.exchange(client.setup_request("user", 0, [](Header& header) { header.credits = 1; }));
  ASSERT_TRUE(logon);
  client.session_id = logon->header.session_id;
  auto answer = client.exchange(echo([](Header& header) { header.credits = 10; }));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.credits, 10);
  // Out of order, to the last that was granted.
  const uint64_t last = client.next_message_id + 9;
  EXPECT_EQ(client.status_of(echo([last](Header& header) { header.message_id = {last}; })),
            NtStatus::kSuccess);
}

TEST_F(ConnectionTest, CreditsNeverExceedTheWindow) {
  ASSERT_TRUE(client.log_on());
  uint64_t held = 1;
  for (int i = 0; i < 3; ++i) {
    auto answer = client.exchange(echo([](Header& header) { header.credits = 0xFFFF; }));
    ASSERT_TRUE(answer);
    held += answer->header.credits - 1u;
  }
  EXPECT_LE(held, kCreditsMax);
}

TEST_F(ConnectionTest, MisalignedNextCommandDrops) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  Bytes frame = echo();
  frame.resize(68 + 68);
  Header::patch_next_command(frame, 68);
  client.send(std::move(frame));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(ConnectionTest, NextCommandBeyondTheFrameDrops) {
  for (const uint32_t next : {72u, 136u, 0xFFFF'FFF8u, 0x8000'0000u}) {
    RawClient other(engine);
    ASSERT_EQ(other.negotiate(), NtStatus::kSuccess);
    Bytes frame = other.request(Command::kEcho, wire::EchoRequest{});
    Header::patch_next_command(frame, next);
    other.send(std::move(frame));
    EXPECT_TRUE(other.is_dropped()) << next;
  }
}

TEST_F(ConnectionTest, NextCommandInsideItsOwnHeaderDrops) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  Bytes frame = RawClient::compound({echo(), echo()}, false);
  Header::patch_next_command(frame, 8);
  client.send(std::move(frame));
  EXPECT_TRUE(client.is_dropped());
}

// 3.3.5.5.3, Client.Dialect.
TEST(ClientDialect, ClientThatComesBackInAnotherDialectHasItsNewSessionClosed) {
  Engine engine;
  RawClient first(engine);
  ASSERT_TRUE(first.log_on(wire::Dialect::kSmb302));
  RawClient second(engine);
  ASSERT_EQ(second.negotiate(wire::Dialect::kSmb311), NtStatus::kSuccess);
  EXPECT_EQ(second.session_setup(), NtStatus::kUserSessionDeleted);
  EXPECT_EQ(engine.server().logons.session_table.size(), 1u);
  // 2.0.2 has no ClientGuid, and another client another one.
  RawClient oldest(engine);
  EXPECT_TRUE(oldest.log_on(wire::Dialect::kSmb202));
  RawClient other(engine, ClientGuid{{8}});
  EXPECT_TRUE(other.log_on(wire::Dialect::kSmb311));
  RawClient same(engine);
  EXPECT_TRUE(same.log_on(wire::Dialect::kSmb302));
  // With the last of its connections what the client spoke is forgotten.
  first.close();
  same.close();
  NtStatus status = NtStatus::kUserSessionDeleted;
  while (status == NtStatus::kUserSessionDeleted) {
    RawClient again(engine);
    ASSERT_EQ(again.negotiate(wire::Dialect::kSmb311), NtStatus::kSuccess);
    status = again.session_setup();
  }
  EXPECT_EQ(status, NtStatus::kSuccess);
}

// A ClientGuid is no secret.
TEST(ClientDialect, AnotherUserWithTheSameClientGuidKeepsNobodyOut) {
  Engine engine;
  RawClient stranger(engine), owner(engine), again(engine);
  ASSERT_TRUE(stranger.log_on(wire::Dialect::kSmb302, "files", "other"));
  EXPECT_TRUE(owner.log_on(wire::Dialect::kSmb311));
  // Nor does he hide what the owner's own connections speak.
  ASSERT_EQ(again.negotiate(wire::Dialect::kSmb302), NtStatus::kSuccess);
  EXPECT_EQ(again.session_setup(), NtStatus::kUserSessionDeleted);
}

TEST(UnauthenticatedTimer, EndsWhoeverHasNotLoggedOnByThen) {
  VirtualClock clock;
  VirtualTimers timers(clock);
  Engine engine(Engine::lenient(), clock, 1, Engine::shares_on(vfs::make_memory_volume()), nullptr,
                std::nullopt, &timers);
  RawClient known(engine);
  ASSERT_TRUE(known.log_on());
  timers.advance(kUnauthenticatedTimeout);
  RawClient unknown(engine);
  ASSERT_EQ(unknown.negotiate(), NtStatus::kSuccess);
  timers.advance(kUnauthenticatedTimeout - std::chrono::nanoseconds(1));
  engine.settle();
  EXPECT_EQ(unknown.status_of(unknown.request(Command::kEcho, wire::EchoRequest{})),
            NtStatus::kSuccess);
  timers.advance(std::chrono::nanoseconds(1));
  EXPECT_TRUE(unknown.is_dropped());
  EXPECT_EQ(known.status_of(known.request(Command::kEcho, wire::EchoRequest{})),
            NtStatus::kSuccess);
}

TEST_F(ConnectionTest, EndOfAConnectionLeavesNothing) {
  ASSERT_TRUE(client.log_on());
  ASSERT_NE(client.create("left open"), FileId{});
  std::weak_ptr<Session> session = engine.server().logons.session_table.all().front();
  client.close();
  engine.stop();
  EXPECT_EQ(engine.server().logons.session_table.size(), 0u);
  EXPECT_EQ(engine.server().logons.client_table.count(ClientGuid{{7}}), 0u);
  EXPECT_TRUE(session.expired());
}

TEST_F(ConnectionTest, LogoffLeavesNothingOfTheSession) {
  ASSERT_TRUE(client.log_on());
  std::weak_ptr<Session> session = engine.server().logons.session_table.all().front();
  ASSERT_EQ(client.status_of(client.request(Command::kLogoff, wire::LogoffRequest{})),
            NtStatus::kSuccess);
  client.close();
  engine.stop();
  EXPECT_TRUE(session.expired());
}

TEST_F(ConnectionTest, CancelOfNothingIsNotAnswered) {
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  client.send(client.request(Command::kCancel, wire::EchoRequest{}));
  EXPECT_EQ(client.status_of(echo()), NtStatus::kSuccess);
}

// The first of a handle has its directory looked up on the pool before it is told to wait.
TEST_F(ConnectionTest, CancelRightBehindAChangeNotifyEndsIt) {
  ASSERT_TRUE(client.log_on());
  auto body = RawClient::create_body("folder");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  wire::ChangeNotifyRequest notify;
  notify.file_id = client.create(body);
  notify.completion_filter = 1;
  notify.output_buffer_length = 1000;
  const uint64_t id = client.next_message_id;
  client.send(client.request(Command::kChangeNotify, notify));
  client.send(client.request(Command::kCancel, wire::EchoRequest{},
                             [id](Header& header) { header.message_id = {id}; }));
  const auto answer = client.answer_to(id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kCancelled);
}

// The envelope of encrypted messages.
struct TransformTest : ConnectionTest {
  void SetUp() override { ASSERT_TRUE(client.log_on()); }

  Bytes sealed(Bytes message, const std::function<void(wire::TransformHeader&)>& change = {}) {
    wire::TransformHeader transform;
    transform.nonce = client.encryption_key->next_nonce();
    transform.original_message_size = static_cast<uint32_t>(message.size());
    transform.flags = wire::TransformHeader::kFlagEncrypted;
    transform.session_id = client.session_id;
    if (change) change(transform);
    Bytes frame;
    wire::Writer writer(frame);
    transform.encode(writer);
    const auto authenticated = ByteView(frame).subspan(wire::TransformHeader::kAuthenticatedOffset);
    const MutableByteView pieces[] = {message};
    const auto tag = client.encryption_key->seal(transform.nonce, authenticated, pieces);
    std::memcpy(frame.data() + wire::TransformHeader::kSignatureOffset, tag.data(), tag.size());
    frame.insert(frame.end(), message.begin(), message.end());
    return frame;
  }
};

TEST_F(TransformTest, EncryptedRequestIsAnsweredEncrypted) {
  client.send(sealed(echo()));
  const auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(wire::protocol_id_of(answer->message), wire::ProtocolId::kTransform);
}

TEST_F(TransformTest, UnknownSessionDrops) {
  client.send(sealed(echo(), [](auto& transform) { transform.session_id.value ^= 1; }));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(TransformTest, WrongSizeDrops) {
  client.send(sealed(echo(), [](auto& transform) { ++transform.original_message_size; }));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(TransformTest, UnknownFlagsDrop) {
  client.send(sealed(echo(), [](auto& transform) { transform.flags = 2; }));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(TransformTest, DamagedCiphertextDrops) {
  Bytes frame = sealed(echo());
  frame.back() ^= 1;
  client.send(std::move(frame));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(TransformTest, TransformInsideATransformDrops) {
  client.send(sealed(sealed(echo())));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(TransformTest, ShortTransformDrops) {
  Bytes frame = sealed(echo());
  frame.resize(wire::TransformHeader::kSize - 1);
  client.send(std::move(frame));
  EXPECT_TRUE(client.is_dropped());
}

// [MS-SMB2] 3.3.5.2.1.1: whoever encrypted it may not speak for another session.
TEST_F(TransformTest, MessageOfAnotherSessionInsideDrops) {
  client.send(sealed(echo([](Header& header) { ++header.session_id.value; })));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(TransformTest, RelatedSessionSetupOfAnotherSessionInsideDrops) {
  client.send(sealed(RawClient::compound(
      {echo(), client.setup_request("user", 0, [](Header& h) { ++h.session_id.value; })})));
  EXPECT_TRUE(client.is_dropped());
}

struct LongFrameTest : TransformTest {
  void SetUp() override {
    ASSERT_TRUE(client.log_on(dialect));
    // A list of locks of nothing: one message that is long.
    locks.file_id = client.create("file");
    constexpr uint32_t kFlags = wire::LockFlags::kSharedLock | wire::LockFlags::kFailImmediately;
    locks.locks.resize(16000, {.offset = 0, .length = 0, .flags = kFlags});
    turns_before = turns();
  }
  size_t turns() { return engine.server().files.pool.load().turns_taken; }

  wire::Dialect dialect = wire::Dialect::kSmb302;
  wire::LockRequest locks;
  size_t turns_before = 0;
};

// Pool threads do the work; what the signature means is decided as for any other.
TEST_F(LongFrameTest, SignedOneIsVerifiedOnThePool) {
  Bytes message = client.signed_request(Command::kLock, locks);
  ASSERT_GT(message.size(), kProtectedInlineMax);
  const auto answer = client.exchange(message);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_TRUE(RawClient::is_signed_with(*answer, *client.signing_key));
  EXPECT_EQ(turns(), turns_before + 1);

  message = client.signed_request(Command::kLock, locks);
  message.back() ^= 1;
  EXPECT_EQ(client.status_of(message), NtStatus::kAccessDenied);
  EXPECT_EQ(turns(), turns_before + 2);
}

TEST_F(LongFrameTest, EveryMessageOfACompoundIsVerifiedOnThePool) {
  const auto frame = [&](uint8_t spoil) {
    Bytes first = client.request(Command::kLock, locks);
    first.resize((first.size() + 7) / 8 * 8);
    wire::Header::patch_next_command(first, static_cast<uint32_t>(first.size()));
    client.sign(first, *client.signing_key);
    Bytes second = client.signed_request(Command::kEcho, wire::EchoRequest{});
    second.back() ^= spoil;
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  for (const uint8_t spoil : {0, 1}) {
    client.send(frame(spoil));
    EXPECT_EQ(client.receive().value().status(), NtStatus::kSuccess);
    EXPECT_EQ(client.receive().value().status(),
              spoil ? NtStatus::kAccessDenied : NtStatus::kSuccess);
    EXPECT_EQ(turns(), ++turns_before);
    for (auto& each : locks.locks) each.flags = wire::LockFlags::kUnlock;
  }
}

TEST_F(LongFrameTest, NoLogonIsThatLong) {
  Bytes message = client.request(Command::kSessionSetup, wire::SessionSetupRequest{});
  message.resize(kProtectedInlineMax + 8);
  client.sign(message, *client.signing_key);
  EXPECT_EQ(client.status_of(message), NtStatus::kInvalidParameter);
}

TEST_F(LongFrameTest, EncryptedOneIsDecryptedOnThePool) {
  client.send(sealed(client.request(Command::kLock, locks)));
  const auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(wire::protocol_id_of(answer->message), wire::ProtocolId::kTransform);
  EXPECT_EQ(turns(), turns_before + 1);
  Bytes damaged = sealed(client.request(Command::kLock, locks));
  damaged.back() ^= 1;
  client.send(std::move(damaged));
  EXPECT_TRUE(client.is_dropped());
}

struct LongGcmFrameTest : LongFrameTest {
  void SetUp() override {
    dialect = wire::Dialect::kSmb311;
    client.cipher = crypto::Cipher::kAes128Gcm;
    client.signing_algorithm = crypto::SigningAlgorithm::kAesGmac;
    LongFrameTest::SetUp();
  }
};

// Where that takes less than the way to the pool and back, nobody goes there; what the signature
// and the seal mean is the same.
TEST_F(LongGcmFrameTest, QuickOnesStayOnTheReactor) {
  Bytes message = client.signed_request(Command::kLock, locks);
  const Negotiated negotiated{.cipher = client.cipher,
                              .signing_algorithm = client.signing_algorithm};
  ASSERT_EQ(protected_inline_max(negotiated, true), protected_inline_max(negotiated, false));
  const size_t turns_each = message.size() > protected_inline_max(negotiated, true) ? 1 : 0;
  const auto answer = client.exchange(message);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_TRUE(RawClient::is_signed_with(*answer, *client.signing_key));
  EXPECT_EQ(turns(), turns_before + turns_each);
  message = client.signed_request(Command::kLock, locks);
  message.back() ^= 1;
  EXPECT_EQ(client.status_of(message), NtStatus::kAccessDenied);
  EXPECT_EQ(turns(), turns_before + 2 * turns_each);

  client.send(sealed(client.request(Command::kLock, locks)));
  const auto sealed_answer = client.receive();
  ASSERT_TRUE(sealed_answer);
  EXPECT_EQ(wire::protocol_id_of(sealed_answer->message), wire::ProtocolId::kTransform);
  EXPECT_EQ(turns(), turns_before + 3 * turns_each);
  Bytes damaged = sealed(client.request(Command::kLock, locks));
  damaged.back() ^= 1;
  client.send(std::move(damaged));
  EXPECT_TRUE(client.is_dropped());
}

// However fast: what takes a millisecond would make everybody else wait.
TEST(ProtectedInline, IsAMiBAtMostAndAQuarterOfThatForSlowAlgorithms) {
  using crypto::Cipher;
  using crypto::SigningAlgorithm;
  for (const Cipher cipher : {Cipher::kAes128Gcm, Cipher::kAes256Gcm}) {
    const size_t most = protected_inline_max({.cipher = cipher}, true);
    EXPECT_GE(most, kProtectedInlineMax);
    EXPECT_LE(most, (1u << 20) + (4u << 10));
    EXPECT_EQ(protected_inline_max({.cipher = cipher}, false), kProtectedInlineMax);
  }
  for (const Cipher cipher : {Cipher::kNone, Cipher::kAes128Ccm, Cipher::kAes256Ccm}) {
    EXPECT_EQ(protected_inline_max({.cipher = cipher}, true), kProtectedInlineMax);
  }
  for (const auto signing : {SigningAlgorithm::kHmacSha256, SigningAlgorithm::kAesCmac}) {
    EXPECT_EQ(protected_inline_max({.signing_algorithm = signing}, false), kProtectedInlineMax);
  }
}

}  // namespace
}  // namespace braid::smb2
