// What LOCK is refused for, and which LOCK is carried out once: [MS-SMB2] 3.3.5.14.
#include "wire/smb2/lock.h"

#include "smb2/commands/file_requests_testing.h"
#include "smb2/pending_testing.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/network_resiliency.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::Dialect;
using wire::LockElement;
using enum NtStatus;

struct Locks : FileRequests {
  using Flags = wire::LockFlags;
  static constexpr uint32_t kNow = Flags::kExclusiveLock | Flags::kFailImmediately;

  static Bytes request(RawClient& by, FileId id, std::vector<LockElement> locks, uint32_t index = 0,
                       uint8_t number = 0) {
    return by.request(Command::kLock, wire::LockRequest{.lock_sequence_number = number,
                                                        .lock_sequence_index = index,
                                                        .file_id = id,
                                                        .locks = std::move(locks)});
  }
  NtStatus lock(FileId id, std::vector<LockElement> locks) {
    return client.status_of(request(client, id, std::move(locks)));
  }
  NtStatus lock(FileId id, uint64_t offset, uint64_t length, uint32_t flags) {
    return lock(id, {{offset, length, flags}});
  }
};

TEST_F(Locks, HandlesAndListsThatAreRefused) {
  const auto with = [&](uint32_t access) { return lock(open("f", access), 0, 1, kNow); };
  EXPECT_EQ(with(Access::kFileAppendData | Access::kFileReadAttributes), kAccessDenied);
  EXPECT_EQ(with(Access::kFileReadData), kSuccess);
  EXPECT_EQ(with(Access::kFileWriteData), kLockNotGranted);
  auto body = RawClient::create_body("d");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  EXPECT_EQ(lock(client.create(body), 0, 1, kNow), kInvalidParameter);
  EXPECT_EQ(lock(open("g"), std::vector<LockElement>()), kInvalidParameter);
}

// 3.3.5.14.2: one kind each, and only a lone one waits.
TEST_F(Locks, FlagsAreOfOneKind) {
  const FileId id = open("f");
  for (uint32_t flags = 0; flags < 64; ++flags) {
    const uint32_t kind = flags & ~Flags::kFailImmediately;
    const bool is_known = kind == Flags::kSharedLock || kind == Flags::kExclusiveLock;
    const NtStatus expected = is_known ? kSuccess : kInvalidParameter;
    if (flags == Flags::kUnlock) {
      EXPECT_EQ(lock(id, 0, 1, flags), kRangeNotLocked);
      continue;
    }
    EXPECT_EQ(lock(id, 0, 1, flags), expected) << flags;
    if (is_known) EXPECT_EQ(lock(id, 0, 1, Flags::kUnlock), kSuccess) << flags;
    const bool may_be_of_many = is_known && flags != kind;
    EXPECT_EQ(lock(id, {{0, 1, kNow}, {1, 1, flags}}),
              may_be_of_many ? kSuccess : kInvalidParameter)
        << flags;
    if (may_be_of_many) {
      EXPECT_EQ(lock(id, {{0, 1, Flags::kUnlock}, {1, 1, Flags::kUnlock}}), kSuccess) << flags;
    }
  }
  EXPECT_EQ(lock(id, ~uint64_t{0}, 2, kNow), kInvalidLockRange);
  EXPECT_EQ(lock(id, ~uint64_t{0}, 1, kNow), kSuccess);
}

TEST_F(Locks, SharedOnesStandBesideEachOtherExclusiveOnesAlone) {
  const FileId one = open("f"), two = open("f");
  const uint32_t shared = Flags::kSharedLock | Flags::kFailImmediately;
  EXPECT_EQ(lock(one, 0, 10, shared), kSuccess);
  EXPECT_EQ(lock(two, 0, 10, shared), kSuccess);
  EXPECT_EQ(lock(two, 9, 1, kNow), kLockNotGranted);
  EXPECT_EQ(lock(two, 10, 1, kNow), kSuccess);
  EXPECT_EQ(lock(one, {{20, 1, kNow}, {10, 1, shared}}), kLockNotGranted);
  EXPECT_EQ(lock(two, 20, 1, kNow), kSuccess) << "all or none";
}

// 3.3.5.14.1: what came before what is wrong is unlocked all the same.
TEST_F(Locks, UnlockGoesAsFarAsItCan) {
  const FileId id = open("f"), other = open("f");
  ASSERT_EQ(lock(id, {{0, 1, kNow}, {1, 1, kNow}, {2, 1, kNow}}), kSuccess);
  EXPECT_EQ(lock(id, {{0, 1, Flags::kUnlock}, {1, 1, kNow}, {2, 1, Flags::kUnlock}}),
            kInvalidParameter);
  EXPECT_EQ(lock(other, 0, 1, kNow), kSuccess);
  EXPECT_EQ(lock(other, 2, 1, kNow), kLockNotGranted);
  EXPECT_EQ(lock(id, {{1, 1, Flags::kUnlock}, {7, 1, Flags::kUnlock}, {2, 1, Flags::kUnlock}}),
            kRangeNotLocked);
  EXPECT_EQ(lock(other, 1, 1, kNow), kSuccess);
  EXPECT_EQ(lock(other, 2, 1, kNow), kLockNotGranted);
  EXPECT_EQ(lock(id, 2, 1, Flags::kUnlock), kSuccess);
  EXPECT_EQ(lock(id, 2, 1, Flags::kUnlock), kRangeNotLocked);
}

TEST_F(Locks, LoneOneWaitsUntilItIsFree) {
  const FileId id = open("f"), other = open("f");
  ASSERT_EQ(lock(id, 0, 1, kNow), kSuccess);
  const uint64_t waits =
      send_pending(client, request(client, other, {{0, 1, Flags::kExclusiveLock}}));
  ASSERT_EQ(lock(id, 0, 1, Flags::kUnlock), kSuccess);
  EXPECT_EQ(client.answer_to(waits)->status(), kSuccess);
  EXPECT_EQ(lock(id, 0, 1, kNow), kLockNotGranted);
  const uint64_t never = send_pending(client, request(client, id, {{0, 1, Flags::kExclusiveLock}}));
  client.send(client.request(Command::kClose, wire::CloseRequest{.file_id = id}));
  EXPECT_EQ(client.answer_to(never)->status(), kRangeNotLocked);
}

// 3.3.5.2.9, and what Windows makes of it: locks may be given up, and none is taken.
TEST_F(Locks, ExpiredSessionGivesLocksUpAndTakesNone) {
  VirtualClock clock;
  Engine timed(Engine::lenient(), clock);
  RawClient raw(timed);
  ASSERT_TRUE(raw.log_on());
  const FileId id = raw.create("f");
  ASSERT_EQ(raw.status_of(request(raw, id, {{0, 1, kNow}})), kSuccess);
  const auto session = timed.server().logons.session_table.find(raw.session_id);
  ASSERT_TRUE(session->reauthenticate(session->principal(),
                                      FileTime{clock.now().ticks + kTicksPerSecond}, clock.now()));
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(raw.status_of(request(raw, id, {{5, 1, kNow}})), kNetworkSessionExpired);
  EXPECT_EQ(raw.status_of(request(raw, id, {{0, 1, Flags::kUnlock}})), kSuccess);
}

// LockSequence: a LOCK with the number that its index had is answered, and not carried out.
struct LockSequences : Locks {
  // How often the second of two that are the same is carried out: an own exclusive lock stands in
  // the way of another.
  static bool is_checked(RawClient& by, FileId id, uint32_t index) {
    static uint64_t place = 0;
    ++place;
    EXPECT_EQ(by.status_of(request(by, id, {{place, 1, kNow}}, index, 3)), kSuccess);
    const NtStatus again = by.status_of(request(by, id, {{place, 1, kNow}}, index, 3));
    EXPECT_TRUE(again == kSuccess || again == kLockNotGranted);
    EXPECT_EQ(by.status_of(request(by, id, {{place, 1, kNow}}, index, 4)), kLockNotGranted);
    return again == kSuccess;
  }
  static FileId durable(RawClient& by, std::string_view name) {
    auto body = RawClient::create_body(name);
    body.requested_oplock_level = wire::OplockLevel::kBatch;
    body.contexts.durable_handle_request = true;
    const auto answer = by.exchange(by.request(Command::kCreate, body));
    EXPECT_TRUE(answer->as<wire::CreateResponse>().contexts.durable_handle_response);
    return answer->as<wire::CreateResponse>().file_id;
  }
  static void make_resilient(RawClient& by, FileId id) {
    Bytes input;
    wire::Writer writer(input);
    wire::NetworkResiliencyRequest{.timeout_ms = 1000}.encode(writer);
    const wire::IoctlRequest body{.ctl_code = wire::Fsctl::kLmrRequestResiliency,
                                  .file_id = id,
                                  .input = input,
                                  .flags = wire::IoctlRequest::kFlagIsFsctl};
    EXPECT_EQ(by.status_of(by.request(Command::kIoctl, body)), kSuccess);
  }
};

TEST_F(LockSequences, AreNumberedFromOneTo64) {
  const FileId id = open("f");
  EXPECT_FALSE(is_checked(client, id, 0));
  EXPECT_TRUE(is_checked(client, id, 1));
  EXPECT_TRUE(is_checked(client, id, 64));
  EXPECT_FALSE(is_checked(client, id, 65));
  // An unlock that comes twice, too.
  ASSERT_EQ(client.status_of(request(client, id, {{500, 1, kNow}})), kSuccess);
  EXPECT_EQ(client.status_of(request(client, id, {{500, 1, Flags::kUnlock}}, 5, 1)), kSuccess);
  EXPECT_EQ(client.status_of(request(client, id, {{500, 1, Flags::kUnlock}}, 5, 1)), kSuccess);
  EXPECT_EQ(client.status_of(request(client, id, {{500, 1, Flags::kUnlock}}, 5, 2)),
            kRangeNotLocked);
}

TEST_F(LockSequences, AreOfHandlesThatSurviveTheirConnection) {
  RawClient oldest{engine, ClientGuid{{8}}};
  ASSERT_TRUE(oldest.log_on(Dialect::kSmb202));
  EXPECT_FALSE(is_checked(oldest, oldest.create("a"), 1));
  EXPECT_FALSE(is_checked(oldest, durable(oldest, "b"), 1));
  RawClient old{engine, ClientGuid{{9}}};
  ASSERT_TRUE(old.log_on(Dialect::kSmb210));
  const FileId plain = old.create("c");
  EXPECT_FALSE(is_checked(old, plain, 1));
  EXPECT_TRUE(is_checked(old, durable(old, "d"), 1));
  make_resilient(old, plain);
  EXPECT_TRUE(is_checked(old, plain, 1));
  // With channels that of any handle; as Windows does it that of none but those of more promise.
  EXPECT_TRUE(is_checked(client, open("e"), 1));
  share().compat = config::Compat::kWindows;
  EXPECT_FALSE(is_checked(client, open("e2"), 1));
  EXPECT_FALSE(is_checked(client, durable(client, "f"), 1));
  EXPECT_FALSE(is_checked(old, durable(old, "g"), 1));
  const FileId resilient = open("h");
  make_resilient(client, resilient);
  EXPECT_TRUE(is_checked(client, resilient, 1));
}

}  // namespace
}  // namespace braid::smb2
