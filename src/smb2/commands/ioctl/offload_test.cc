// FSCTL_OFFLOAD_WRITE while others write what it copies.
#include "wire/smb2/offload.h"

#include <gtest/gtest.h>

#include "smb2/common/limits.h"
#include "smb2/raw_client_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;

constexpr uint64_t kPiece = kBytesPerTurn;

// A source of so many pieces and a target; the disk can be made to hang before it copies one.
struct OffloadTest : testing::Test {
  explicit OffloadTest(const Clock& its_clock = system_clock()) : clock(its_clock) {}

  const Clock& clock;
  std::shared_ptr<vfs::FaultPlan> plan = vfs::make_fault_plan();
  Engine engine{Engine::lenient(),
                clock,
                1,
                Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(clock), plan)),
                nullptr,
                WorkerPoolLimits{.threads = 2, .per_user = 2, .per_share = 2}};
  RawClient client{engine};
  FileId source;
  FileId target;
  wire::StorageOffloadToken token;

  void begin(uint64_t size) {
    ASSERT_TRUE(client.log_on(wire::Dialect::kSmb302, "files", "user"));
    source = client.create("source");
    target = client.create("target");
    ASSERT_EQ(write(source, size - 1), NtStatus::kSuccess);
    ASSERT_EQ(write(target, size - 1), NtStatus::kSuccess);
    const auto answer = client.exchange(
        ioctl(wire::Fsctl::kOffloadRead, source, wire::OffloadReadInput{.copy_length = size}));
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->status(), NtStatus::kSuccess);
    const auto response = answer->as<wire::IoctlResponse>();
    wire::Reader reader(response.output);
    token = wire::OffloadReadOutput::decode(reader).value().token;
  }
  void TearDown() override {
    plan->let_go();
    client.close();
  }

  template <class Input>
  Bytes ioctl(wire::Fsctl code, FileId file, const Input& input) {
    Bytes bytes;
    wire::Writer writer(bytes);
    input.encode(writer);
    return client.request(Command::kIoctl,
                          wire::IoctlRequest{.ctl_code = code,
                                             .file_id = file,
                                             .input = bytes,
                                             .max_output_response = 1024,
                                             .flags = wire::IoctlRequest::kFlagIsFsctl});
  }
  NtStatus write(FileId file, uint64_t offset) {
    const Bytes data(1, 'x');
    return client.status_of(client.request(
        Command::kWrite, wire::WriteRequest{.offset = offset, .file_id = file, .data = data}));
  }
  // The status of a copy of the whole, while one of whose pieces, counted from 1, `offset` of the
  // source is written.
  NtStatus copy(uint64_t size, uint64_t piece, uint64_t offset) {
    plan->hold_operation("copy_range");
    const uint64_t asked = client.next_message_id;
    client.send(ioctl(wire::Fsctl::kOffloadWrite, target,
                      wire::OffloadWriteInput{.copy_length = size, .token = token}));
    for (uint64_t passed = 0; passed + 1 < piece; ++passed) {
      plan->await_held(1);
      plan->let_pass(1);
    }
    plan->await_held(1);
    const uint64_t written = client.next_message_id;
    const Bytes data(1, 'y');
    client.send(client.request(
        Command::kWrite, wire::WriteRequest{.offset = offset, .file_id = source, .data = data}));
    const auto answer = client.answer_to(written);
    EXPECT_TRUE(answer);
    if (answer) EXPECT_EQ(answer->status(), NtStatus::kSuccess);
    plan->let_go();
    const auto copied = client.answer_to(asked);
    return copied ? copied->status() : NtStatus::kConnectionDisconnected;
  }
};

TEST_F(OffloadTest, SourceThatChangesDuringTheLastPieceEndsItsToken) {
  ASSERT_NO_FATAL_FAILURE(begin(4096));
  EXPECT_EQ(copy(4096, 1, 0), NtStatus::kInvalidToken);
}

TEST_F(OffloadTest, SourceThatChangesBetweenPiecesEndsItsToken) {
  ASSERT_NO_FATAL_FAILURE(begin(2 * kPiece));
  EXPECT_EQ(copy(2 * kPiece, 1, kPiece), NtStatus::kInvalidToken);
  // Nothing more was copied.
  EXPECT_EQ(plan->calls_of("copy_range"), 1u);
}

TEST_F(OffloadTest, SourceThatStaysIsCopied) {
  ASSERT_NO_FATAL_FAILURE(begin(4096));
  EXPECT_EQ(client.status_of(ioctl(wire::Fsctl::kOffloadWrite, target,
                                   wire::OffloadWriteInput{.copy_length = 4096, .token = token})),
            NtStatus::kSuccess);
}

struct FrozenTime {
  VirtualClock clock;
};
struct OffloadClockTest : FrozenTime, OffloadTest {
  OffloadClockTest() : OffloadTest(FrozenTime::clock) {}
};

// While the time stands a further change would not show.
TEST_F(OffloadClockTest, TokenIsMadeOnceFurtherChangesShow) {
  ASSERT_TRUE(client.log_on(wire::Dialect::kSmb302, "files", "user"));
  source = client.create("source");
  ASSERT_EQ(write(source, 4095), NtStatus::kSuccess);
  const auto ask = [&] {
    return client.status_of(
        ioctl(wire::Fsctl::kOffloadRead, source, wire::OffloadReadInput{.copy_length = 4096}));
  };
  EXPECT_EQ(ask(), NtStatus::kOffloadReadFileNotSupported);
  FrozenTime::clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(ask(), NtStatus::kSuccess);
}

// The kernel's ticks are 10 ms at most, and what is waited for is the next but one.
TEST_F(OffloadClockTest, TokenIsMadeBehindTheTickThatFollows) {
  using namespace std::chrono_literals;
  ASSERT_TRUE(client.log_on(wire::Dialect::kSmb302, "files", "user"));
  source = client.create("source");
  ASSERT_EQ(write(source, 4095), NtStatus::kSuccess);
  const auto ask = [&] {
    return client.status_of(
        ioctl(wire::Fsctl::kOffloadRead, source, wire::OffloadReadInput{.copy_length = 4096}));
  };
  FrozenTime::clock.advance(20ms);
  EXPECT_EQ(ask(), NtStatus::kOffloadReadFileNotSupported);
  FrozenTime::clock.advance(1us);
  EXPECT_EQ(ask(), NtStatus::kSuccess);
}

}  // namespace
}  // namespace braid::smb2
