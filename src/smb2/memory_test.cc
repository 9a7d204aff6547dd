// What clients make the server hold, and that others still find room.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "smb2/raw_client_testing.h"
#include "transport/fault_transport.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/read.h"
#include "wire/smb2/tree_disconnect.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using namespace std::chrono_literals;
using wire::Command;
using wire::Header;

constexpr uint64_t kMiB = 1u << 20;
constexpr uint64_t kLimit = 240 * kMiB;
// What one user may have of it: 2 - sqrt(3) times.
constexpr uint64_t kShare = 64 * kMiB;

struct MemoryTest : testing::Test {
  static config::Server settings() {
    config::Server settings = Engine::lenient();
    settings.memory_limit_mib = kLimit / kMiB;
    return settings;
  }
  MemoryBudget& budget() { return *engine.server().memory; }
  // Until it is so, or nobody has the patience.
  static bool comes_true(const std::function<bool()>& condition) {
    for (const auto end = std::chrono::steady_clock::now() + RawClient::kPatience;
         std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(1ms)) {
      if (condition()) return true;
    }
    return condition();
  }
  static FileId make_large_file(RawClient& client) {
    const FileId file = client.create("large");
    wire::WriteRequest write;
    write.file_id = file;
    write.offset = kMaxTransferSize - 1;
    write.data = as_bytes("x");
    EXPECT_EQ(client.status_of(client.request(Command::kWrite, write)), NtStatus::kSuccess);
    const auto ask = [](Header& header) { header.credits = 8192; };
    EXPECT_EQ(client.status_of(client.request(Command::kEcho, wire::EchoRequest{}, ask)),
              NtStatus::kSuccess);
    return file;
  }
  static Bytes largest_read(RawClient& client, FileId file) {
    constexpr uint16_t kCharge = kMaxTransferSize / kBytesPerCredit;
    wire::ReadRequest read;
    read.file_id = file;
    read.length = kMaxTransferSize;
    Bytes message = client.request(Command::kRead, read,
                                   [](Header& header) { header.credit_charge = kCharge; });
    client.next_message_id += kCharge - 1;
    return message;
  }
  // Somebody else logs on and reads as much as one request can.
  void expect_room_for_another(std::string_view token = "other") {
    RawClient another(engine, ClientGuid{{9}});
    ASSERT_TRUE(another.log_on(wire::Dialect::kSmb302, "files", token));
    const FileId file = make_large_file(another);
    EXPECT_EQ(another.status_of(largest_read(another, file)), NtStatus::kSuccess);
  }
  uint64_t used_by_first_connection() {
    engine.settle();  // what has been answered is over
    return engine.server().connections().front()->memory->used();
  }

  Engine engine{settings()};
};

// Its transport keeps what is sent, as that of a peer that reads nothing.
struct DeafClient {
  DeafClient(Engine& engine, uint8_t guid) : client(engine, ClientGuid{{guid}}) {
    // The server may still send when this has gone.
    client.wrap([deaf = is_deaf_](transport::TransportPtr inner) {
      return transport::make_fault_transport(
          std::move(inner), [deaf](const transport::FramePlace& place) {
            transport::FaultAction action;
            if (*deaf && place.direction == transport::Direction::kSend) {
              action.kind = transport::FaultAction::Kind::kDelay;
              action.delay = 1h;
            }
            return action;
          });
    });
  }
  void turn_deaf() { *is_deaf_ = true; }

  RawClient client;

 private:
  const std::shared_ptr<std::atomic<bool>> is_deaf_ = std::make_shared<std::atomic<bool>>(false);
};

TEST_F(MemoryTest, UnreadAnswersOfOneUserAreBoundedAndOthersFindRoom) {
  std::vector<std::unique_ptr<DeafClient>> clients;
  for (uint8_t i = 1; i <= 3; ++i) {
    clients.push_back(std::make_unique<DeafClient>(engine, i));
    RawClient& client = clients.back()->client;
    ASSERT_TRUE(client.log_on());
    const FileId file = make_large_file(client);
    clients.back()->turn_deaf();
    for (int read = 0; read < 30; ++read) client.send(largest_read(client, file));
  }
  EXPECT_TRUE(comes_true([this] { return budget().used() >= kShare - 10 * kMiB; }));
  expect_room_for_another();
  // What is not counted before it is there: a few headers.
  EXPECT_LE(budget().used(), kShare + kMiB);
}

TEST_F(MemoryTest, UnreadAnswersOfACompoundAreBounded) {
  DeafClient deaf(engine, 1);
  RawClient& client = deaf.client;
  ASSERT_TRUE(client.log_on());
  const FileId file = make_large_file(client);
  deaf.turn_deaf();
  std::vector<Bytes> reads;
  for (int read = 0; read < 40; ++read) reads.push_back(largest_read(client, file));
  client.send(RawClient::compound(std::move(reads), false));
  EXPECT_TRUE(comes_true([this] { return budget().used() >= kShare - 10 * kMiB; }));
  expect_room_for_another();
  EXPECT_LE(budget().used(), kShare + kMiB);
}

// Its answers go out as they are made, or they would keep the room that the next ones wait for.
TEST_F(MemoryTest, CompoundThatNeedsMoreThanItsShareIsAnswered) {
  constexpr size_t kReads = 2 * kShare / kMaxTransferSize;
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const FileId file = make_large_file(client);
  std::vector<Bytes> reads;
  for (size_t read = 0; read < kReads; ++read) reads.push_back(largest_read(client, file));
  client.send(RawClient::compound(std::move(reads), false));
  for (size_t read = 0; read < kReads; ++read) {
    const auto answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  }
}

// What is read makes room for what comes behind: nothing is refused.
TEST_F(MemoryTest, ClientThatReadsGetsMoreThanItsShare) {
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const FileId file = make_large_file(client);
  for (int read = 0; read < 40; ++read) client.send(largest_read(client, file));
  for (int read = 0; read < 40; ++read) {
    const auto answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  }
  EXPECT_EQ(budget().refused(), 0u);
}

// The last of them had to wait until another was answered: what it may answer counts all the same.
TEST(MemoryOfWaiting, RoomThatCameLateIsKept) {
  const auto disk = vfs::make_fault_plan();
  Engine engine(MemoryTest::settings(), system_clock(), 1,
                Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(), disk)));
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const FileId file = MemoryTest::make_large_file(client);
  const auto used = [&] {
    for (int i = 0; i < 20; ++i) engine.settle();
    return engine.server().connections().front()->memory->used();
  };
  disk->hold_operation("read");
  size_t at_work = 0;
  for (uint64_t before = used(), now;; before = now, ++at_work) {
    client.send(MemoryTest::largest_read(client, file));
    now = used();
    if (now < before + kMaxTransferSize) break;
    ASSERT_LE(now, kLimit);
  }
  ASSERT_GE(at_work, 2u);
  disk->await_held(1);
  disk->let_pass(1);
  ASSERT_EQ(client.receive()->status(), NtStatus::kSuccess);
  EXPECT_TRUE(MemoryTest::comes_true([&] { return used() >= at_work * kMaxTransferSize; }));
  disk->let_go();
  for (size_t i = 0; i < at_work; ++i) EXPECT_EQ(client.receive()->status(), NtStatus::kSuccess);
}

TEST_F(MemoryTest, NothingStaysOfWhoIsGone) {
  {
    RawClient client(engine);
    ASSERT_TRUE(client.log_on());
    const FileId file = make_large_file(client);
    client.send(largest_read(client, file));
  }
  EXPECT_TRUE(comes_true([this] { return budget().used() == 0; })) << budget().used();
}

// A request of a pipe begins, with `size` bytes that are not all.
Bytes half_a_request(size_t size) {
  Bytes bytes;
  wire::Writer w(bytes);
  while (bytes.size() < size) {
    const size_t start = bytes.size();
    constexpr uint16_t kFragment = 4280;
    w.u8(5), w.u8(0), w.u8(0);      // version 5.0, request
    w.u8(start == 0 ? 1 : 0);       // the first fragment
    w.u32(0x10);                    // little endian
    w.u16(kFragment), w.u16(0);     // lengths
    w.u32(1);                       // call
    w.u32(0), w.u16(0), w.u16(15);  // hint, context, operation
    bytes.resize(start + kFragment);
  }
  return bytes;
}

Bytes bind_of_srvsvc() {
  // [C706] 12.6.4.3 "The bind PDU": srvsvc 3.0 in NDR.
  const uint8_t interface[] = {0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01,
                               0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88};
  const uint8_t ndr[] = {0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11,
                         0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60};
  Bytes bytes;
  wire::Writer w(bytes);
  w.u8(5), w.u8(0), w.u8(11), w.u8(3);
  w.u32(0x10);
  w.u16(72), w.u16(0);
  w.u32(1);
  w.u16(4280), w.u16(4280), w.u32(0);
  w.u32(1), w.u16(0), w.u16(1);
  w.bytes(interface), w.u32(3);
  w.bytes(ndr), w.u32(2);
  return bytes;
}

TEST_F(MemoryTest, PipesWithHalfARequestAreBounded) {
  RawClient client(engine);
  ASSERT_TRUE(client.log_on(wire::Dialect::kSmb302, "IPC$"));
  const auto ask = [](Header& header) { header.credits = 8192; };
  ASSERT_EQ(client.status_of(client.request(Command::kEcho, wire::EchoRequest{}, ask)),
            NtStatus::kSuccess);
  const Bytes bind = bind_of_srvsvc();
  const Bytes half = half_a_request(900 << 10);
  NtStatus status = NtStatus::kSuccess;
  int pipes = 0;
  for (; status == NtStatus::kSuccess && pipes < 300; ++pipes) {
    wire::WriteRequest write;
    write.file_id = client.create("srvsvc");
    write.data = bind;
    status = client.status_of(client.request(Command::kWrite, write));
    if (write.file_id == FileId{} || status != NtStatus::kSuccess) {
      // The last one took the rest.
      status = NtStatus::kInsufficientResources;
      break;
    }
    write.data = half;
    constexpr uint16_t kCharge = 15;
    Bytes message = client.request(Command::kWrite, write,
                                   [](Header& header) { header.credit_charge = kCharge; });
    client.next_message_id += kCharge - 1;
    status = client.status_of(std::move(message));
  }
  EXPECT_EQ(status, NtStatus::kInsufficientResources);
  EXPECT_GT(pipes, 10);
  // Half of its share as it is then, and what the last of them took.
  EXPECT_LE(budget().used(), 48 * kMiB);
  EXPECT_GE(budget().refused(), 1u);
  expect_room_for_another();
}

TEST_F(MemoryTest, WaitingLockGivesItsFrameBack) {
  RawClient holder(engine, ClientGuid{{1}});
  RawClient client(engine, ClientGuid{{2}});
  ASSERT_TRUE(holder.log_on());
  ASSERT_TRUE(client.log_on());
  wire::LockRequest lock;
  lock.locks = {{.offset = 0, .length = 1, .flags = wire::LockFlags::kExclusiveLock}};
  lock.file_id = holder.create("locked");
  ASSERT_EQ(holder.status_of(holder.request(Command::kLock, lock)), NtStatus::kSuccess);
  lock.file_id = client.create("locked");
  constexpr int kWaiting = 20;
  for (int i = 0; i < kWaiting; ++i) {
    Bytes message = client.request(Command::kLock, lock);
    message.resize(kMaxTransferSize);
    client.send(std::move(message));
    const auto interim = client.receive();
    ASSERT_TRUE(interim);
    ASSERT_EQ(interim->status(), NtStatus::kPending);
  }
  EXPECT_LE(budget().used(), kMiB);
}

TEST_F(MemoryTest, WaitingChangeNotifyGivesItsFrameBack) {
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  auto body = RawClient::create_body("folder");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  wire::ChangeNotifyRequest notify;
  notify.file_id = client.create(body);
  notify.output_buffer_length = 1000;
  notify.completion_filter = wire::CompletionFilter::kFileName;
  for (int i = 0; i < 20; ++i) {
    Bytes message = client.request(Command::kChangeNotify, notify);
    message.resize(kMaxTransferSize);
    client.send(std::move(message));
    const auto interim = client.receive();
    ASSERT_TRUE(interim);
    ASSERT_EQ(interim->status(), NtStatus::kPending);
  }
  EXPECT_LE(budget().used(), kMiB);
}

// Where a watch is, is kept with it, however small the room for its changes is.
TEST_F(MemoryTest, PathOfAWatchCounts) {
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  auto body = RawClient::create_body("");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  std::string path;
  for (int level = 0; level < 100; ++level) {
    path += (level == 0 ? "" : "\\") + std::string(200, 'n');
    body.name = path;
    ASSERT_EQ(client.close_file(client.create(body)), NtStatus::kSuccess) << level;
  }
  constexpr size_t kWatches = 10;
  std::vector<FileId> handles;
  for (size_t i = 0; i < kWatches; ++i) handles.push_back(client.create(body));
  const uint64_t before = budget().used();
  for (const FileId& handle : handles) {
    wire::ChangeNotifyRequest notify;
    notify.file_id = handle;
    notify.output_buffer_length = 64;
    notify.completion_filter = wire::CompletionFilter::kFileName;
    client.send(client.request(Command::kChangeNotify, notify));
    const auto interim = client.receive();
    ASSERT_TRUE(interim);
    ASSERT_EQ(interim->status(), NtStatus::kPending);
  }
  EXPECT_GE(budget().used() - before, kWatches * path.size());
  for (const FileId& handle : handles) EXPECT_EQ(client.close_file(handle), NtStatus::kSuccess);
  EXPECT_LE(budget().used(), before);
}

TEST_F(MemoryTest, CreateLongerThanItsPartsCanBeIsAnInvalidParameter) {
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  Bytes message = client.request(Command::kCreate, RawClient::create_body("file"));
  message.resize(kCreateSizeMax + 1);
  EXPECT_EQ(client.status_of(std::move(message)), NtStatus::kInvalidParameter);
}

TEST_F(MemoryTest, HalfLogonsAreBoundedInAll) {
  std::vector<std::unique_ptr<RawClient>> clients;
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    clients.push_back(std::make_unique<RawClient>(engine));
    RawClient& client = *clients.back();
    if (client.negotiate() != NtStatus::kSuccess) break;
    for (int half = 0; half < 2; ++half) {
      if (client.status_of(client.setup_request("more")) == NtStatus::kInsufficientResources) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_GE(budget().refused(), static_cast<uint64_t>(refused));
  EXPECT_LE(budget().used_before_logon(), 32 * kMiB);
  clients.clear();
  EXPECT_TRUE(comes_true([this] { return budget().used() == 0; })) << budget().used();
}

// What a SESSION_SETUP may need goes when it is done; the session's own, and each tree's, with
// them.
TEST_F(MemoryTest, SessionsAndTreesCountUntilTheyEnd) {
  RawClient client(engine);
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  const uint64_t before = used_by_first_connection();
  ASSERT_EQ(client.session_setup(), NtStatus::kSuccess);
  const uint64_t with_session = used_by_first_connection();
  EXPECT_GE(with_session, before + kSessionSize);
  EXPECT_LT(with_session, before + 2 * kSessionSize);
  std::vector<TreeId> trees;
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(client.tree_connect(), NtStatus::kSuccess);
    trees.push_back(client.tree_id);
  }
  EXPECT_GE(used_by_first_connection(), with_session + 10 * kTreeSize);
  for (const TreeId tree : trees) {
    client.tree_id = tree;
    EXPECT_EQ(
        client.status_of(client.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{})),
        NtStatus::kSuccess);
  }
  EXPECT_EQ(used_by_first_connection(), with_session);
  client.tree_id = {};
  EXPECT_EQ(client.status_of(client.request(Command::kLogoff, wire::LogoffRequest{})),
            NtStatus::kSuccess);
  EXPECT_LE(used_by_first_connection(), before);
}

TEST_F(MemoryTest, OpensCountUntilTheyAreClosed) {
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const uint64_t before = used_by_first_connection();
  std::vector<FileId> opens;
  for (int i = 0; i < 10; ++i) opens.push_back(client.create("file"));
  EXPECT_GE(used_by_first_connection(), before + 10 * kOpenSize);
  EXPECT_LE(used_by_first_connection(), before + 12 * kOpenSize);
  for (const FileId id : opens) EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_TRUE(comes_true([&] { return used_by_first_connection() == before; }));
}

// As many as they hold, and not the most that they may need.
TEST_F(MemoryTest, DescriptorsOfOpensCountUntilTheyAreClosed) {
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const auto session = engine.server().logons.session_table.find(client.session_id);
  const auto room = [&] {
    std::vector<FdBudget::Files> all;
    while (auto taken = engine.server().files.fds.take_files(*session->security()->user)) {
      all.push_back(std::move(*taken));
    }
    return all.size();
  };
  const size_t before = room();
  std::vector<FileId> opens;
  for (int i = 0; i < 10; ++i) opens.push_back(client.create("file"));
  EXPECT_EQ(room(), before - 10 / FdBudget::kFilesPerOpenMax);
  for (const FileId id : opens) EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(room(), before);
}

TEST_F(MemoryTest, LongNamesCountMore) {
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  const uint64_t before = used_by_first_connection();
  ASSERT_NE(client.create(std::string(250, 'n')), FileId{});
  EXPECT_GE(used_by_first_connection(), before + kOpenSize + 1000);
}

// LOCKs of many ranges, however often the UNLOCK of one of them is repeated.
TEST_F(MemoryTest, HeldLocksCount) {
  RawClient client(engine);
  ASSERT_TRUE(client.log_on());
  wire::LockRequest lock;
  lock.file_id = client.create("locked");
  const uint64_t before = used_by_first_connection();
  constexpr size_t kLocks = 4000;
  for (size_t taken = 0; taken < kLocks; taken += 100) {
    lock.locks.clear();
    for (size_t i = 0; i < 100; ++i) {
      lock.locks.push_back(
          {.offset = taken + i,
           .length = 1,
           .flags = wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately});
    }
    ASSERT_EQ(client.status_of(client.request(Command::kLock, lock)), NtStatus::kSuccess);
  }
  EXPECT_GE(used_by_first_connection(), before + kLocks * kLockSize - kOpenSize);
  // Locks that come and go are not more than one.
  for (int i = 0; i < 9000; ++i) {
    lock.locks = {{.offset = 1u << 20, .length = 1, .flags = wire::LockFlags::kExclusiveLock}};
    client.send(client.request(Command::kLock, lock));
    ASSERT_EQ(client.receive()->status(), NtStatus::kSuccess);
    lock.locks[0].flags = wire::LockFlags::kUnlock;
    client.send(client.request(Command::kLock, lock));
    ASSERT_EQ(client.receive()->status(), NtStatus::kSuccess);
  }
  EXPECT_LE(used_by_first_connection(), before + 2 * (kLocks + 1) * kLockSize);
  EXPECT_EQ(client.close_file(lock.file_id), NtStatus::kSuccess);
  EXPECT_TRUE(comes_true([&] { return used_by_first_connection() <= before; }));
}

}  // namespace
}  // namespace braid::smb2
