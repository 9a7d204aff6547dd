// A CREATE of a file on which somebody has a lease from the kernel: open() says EAGAIN until he has
// given it up.
#include <cerrno>

#include "runtime/virtual_timers.h"
#include "smb2/pending_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/tree_disconnect.h"

namespace braid::smb2 {
namespace {

using namespace std::chrono_literals;
using wire::Command;
using enum NtStatus;

struct LeaseWait : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(client.log_on());
    client.close_file(client.create("f"));
    plan->fail_operation("open", EAGAIN);
    waits = send_pending(client, client.request(Command::kCreate, RawClient::create_body("f")));
  }
  void TearDown() override { client.close(); }
  NtStatus answer() { return client.answer_to(waits)->status(); }

  VirtualClock clock;
  VirtualTimers timers{clock};
  std::shared_ptr<vfs::FaultPlan> plan = vfs::make_fault_plan();
  Engine engine{Engine::lenient(),
                clock,
                1,
                Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(), plan)),
                nullptr,
                std::nullopt,
                &timers};
  RawClient client{engine};
  uint64_t waits = 0;
};

TEST_F(LeaseWait, EndsWhenTheFileCanBeOpened) {
  plan->clear();
  timers.advance(1s);
  EXPECT_EQ(answer(), kSuccess);
}

TEST_F(LeaseWait, IsCancelled) {
  client.send(client.request(Command::kCancel, wire::CancelRequest{},
                             [&](wire::Header& header) { header.message_id = {waits}; }));
  EXPECT_EQ(answer(), kCancelled);
}

TEST_F(LeaseWait, EndsWithTheTreeConnect) {
  ASSERT_EQ(
      client.status_of(client.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{})),
      kSuccess);
  timers.advance(1s);
  EXPECT_EQ(answer(), kNetworkNameDeleted);
}

// Whoever gives nothing up has it from the kernel for so long at most.
TEST_F(LeaseWait, HasAnEnd) {
  timers.advance(60s);
  EXPECT_EQ(answer(), kSharingViolation);
}

}  // namespace
}  // namespace braid::smb2
