// Acknowledgements, and to what they apply: [MS-SMB2] 3.3.5.22.
#include "wire/smb2/oplock_break.h"

#include "smb2/commands/file_requests_testing.h"
#include "smb2/pending_testing.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::LeaseState;
using wire::OplockLevel;
using enum NtStatus;

struct Acknowledgements : FileRequests {
  void SetUp() override {
    FileRequests::SetUp();
    ASSERT_TRUE(other.log_on());
  }
  // The other's CREATE waits for a break of what the client holds.
  uint64_t break_by_other() {
    const uint64_t waits =
        send_pending(other, other.request(Command::kCreate, RawClient::create_body("f")));
    const auto told = client.receive();
    EXPECT_TRUE(told && told->header.command == Command::kOplockBreak);
    return waits;
  }
  std::optional<Answer> acknowledge(FileId id, OplockLevel level) {
    wire::OplockBreakAcknowledgment body;
    body.file_id = id;
    body.oplock_level = level;
    return client.exchange(client.request(Command::kOplockBreak, body));
  }
  std::optional<Answer> acknowledge(const LeaseKey& key, uint32_t state) {
    wire::LeaseBreakAcknowledgment body;
    body.lease_key = key;
    body.lease_state = state;
    return client.exchange(client.request(Command::kOplockBreak, body));
  }
  RawClient other{engine, ClientGuid{{9}}};
};

TEST_F(Acknowledgements, OplockIsWhatWasAcknowledged) {
  for (const auto level : {OplockLevel::kLevelIi, OplockLevel::kNone}) {
    auto body = RawClient::create_body("f");
    body.requested_oplock_level = OplockLevel::kBatch;
    const FileId id = client.create(body);
    EXPECT_EQ(acknowledge({7777, 7777}, level)->status(), kFileClosed);
    const uint64_t waits = break_by_other();
    const auto answer = acknowledge(id, level);
    ASSERT_EQ(answer->status(), kSuccess);
    const auto told = answer->as<wire::OplockBreakResponse>();
    EXPECT_EQ(told.oplock_level, level);
    EXPECT_EQ(told.file_id, id);
    const auto opened = other.answer_to(waits);
    ASSERT_EQ(opened->status(), kSuccess);
    EXPECT_TRUE(is_error(acknowledge(id, level)->status())) << "nothing is asked any more";
    client.close_file(id);
    other.close_file(opened->as<wire::CreateResponse>().file_id);
  }
}

TEST_F(Acknowledgements, OfAPipeIsFileClosed) {
  ASSERT_EQ(client.tree_connect("IPC$"), kSuccess);
  EXPECT_EQ(acknowledge(client.create("srvsvc"), OplockLevel::kNone)->status(), kFileClosed);
}

TEST_F(Acknowledgements, LeaseIsWhatWasAcknowledged) {
  const LeaseKey key{{1}};
  auto body = RawClient::create_body("f");
  body.requested_oplock_level = OplockLevel::kLease;
  body.contexts.request_lease = {.lease_key = key, .lease_state = LeaseState::kAll};
  ASSERT_NE(client.create(body), FileId{});
  EXPECT_TRUE(is_error(acknowledge(LeaseKey{{2}}, 0)->status()));
  const uint64_t waits = break_by_other();
  EXPECT_EQ(acknowledge(key, LeaseState::kAll)->status(), kRequestNotAccepted);
  const uint32_t left = LeaseState::kReadCaching | LeaseState::kHandleCaching;
  const auto answer = acknowledge(key, left | 8);
  ASSERT_EQ(answer->status(), kSuccess);
  const auto told = answer->as<wire::LeaseBreakResponse>();
  EXPECT_EQ(told.lease_key, key);
  EXPECT_EQ(told.lease_state, left);
  EXPECT_EQ(told.flags, 0u);
  EXPECT_EQ(other.answer_to(waits)->status(), kSuccess);
  EXPECT_EQ(acknowledge(key, left)->status(), kUnsuccessful);
}

}  // namespace
}  // namespace braid::smb2
