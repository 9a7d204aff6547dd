// Opens that are promised, and who may have them back: [MS-SMB2] 3.3.5.9.6, 3.3.5.9.7, 3.3.5.9.10
// and 3.3.5.9.12.
#include "smb2/files/durable_testing.h"
#include "smb2/pending_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/tree_disconnect.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using enum NtStatus;

struct Promises : DurableTest {
  Share& share() { return const_cast<Share&>(*engine.server().settings.shares()->find("files")); }
  NtStatus closed(RawClient& by, const wire::CreateResponse& opened) {
    return by.close_file(opened.file_id);
  }
};

// Which CREATE is promised what.
TEST_F(Promises, BatchAndHandleCachingAreKept) {
  struct {
    OplockLevel level;
    uint32_t lease;
    bool is_kept;
  } constexpr kCases[] = {
      {OplockLevel::kNone, 0, false},
      {OplockLevel::kLevelIi, 0, false},
      {OplockLevel::kExclusive, 0, false},
      {OplockLevel::kBatch, 0, true},
      {OplockLevel::kLease, wire::LeaseState::kReadCaching, false},
      {OplockLevel::kLease, wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching,
       true},
  };
  uint8_t number = 20;
  for (const auto& each : kCases) {
    for (const bool v2 : {false, true}) {
      auto body = RawClient::create_body("f" + std::to_string(number));
      body.requested_oplock_level = each.level;
      if (each.lease) {
        body.contexts.request_lease = {.lease_key = LeaseKey{{number}}, .lease_state = each.lease};
      }
      if (v2) {
        body.contexts.durable_handle_request_v2 = {.timeout_ms = 1234,
                                                   .create_guid = CreateGuid{{number}}};
      } else {
        body.contexts.durable_handle_request = true;
      }
      ++number;
      const auto told = created(*client, body);
      EXPECT_EQ(told.contexts.durable_handle_response, each.is_kept && !v2);
      ASSERT_EQ(told.contexts.durable_handle_response_v2.has_value(), each.is_kept && v2);
      if (told.contexts.durable_handle_response_v2) {
        EXPECT_EQ(told.contexts.durable_handle_response_v2->timeout_ms, 1234u);
        EXPECT_EQ(told.contexts.durable_handle_response_v2->flags, 0u);
      }
      EXPECT_EQ(closed(*client, told), kSuccess);
    }
  }
}

// [MS-SMB2] 3.3.5.9.10: an open that neither reads nor writes is not found again by its CreateGuid.
TEST_F(Promises, ReplayIsOfOpensThatReadOrWrite) {
  struct {
    uint32_t access;
    bool is_replayed;
  } constexpr kCases[] = {
      {Access::kFileReadData, true},
      {Access::kFileAppendData, true},
      {Access::kDelete, true},
      {Access::kFileReadAttributes, false},
      {Access::kReadControl | Access::kFileReadEa, false},
  };
  uint8_t number = 60;
  for (const auto& each : kCases) {
    ++number;
    auto body = durable(CreateGuid{{number}}, "r" + std::to_string(number));
    body.desired_access = each.access;
    body.requested_oplock_level = OplockLevel::kNone;
    const FileId id = created(*client, body).file_id;
    const auto again = client->exchange(client->request(
        Command::kCreate, body, [](wire::Header& header) { header.flags |= kReplay; }));
    EXPECT_EQ(again->status() == kSuccess && again->as<wire::CreateResponse>().file_id == id,
              each.is_replayed)
        << each.access;
  }
}

// 3.3.5.9, 3.3.5.9.8 and 3.3.5.9.11: what has been read, or nothing; and so no durable handle.
TEST_F(Promises, OfAScaleOutShareOnlyWhatWasReadIsCached) {
  share().scale_out = true;
  client = log_on();
  constexpr uint32_t kR = wire::LeaseState::kReadCaching;
  constexpr uint32_t kH = wire::LeaseState::kHandleCaching;
  constexpr uint32_t kW = wire::LeaseState::kWriteCaching;
  struct {
    OplockLevel level;
    uint32_t lease;
    OplockLevel granted;
    uint32_t state;
  } constexpr kCases[] = {
      {OplockLevel::kNone, 0, OplockLevel::kNone, 0},
      {OplockLevel::kLevelIi, 0, OplockLevel::kLevelIi, 0},
      {OplockLevel::kExclusive, 0, OplockLevel::kLevelIi, 0},
      {OplockLevel::kBatch, 0, OplockLevel::kLevelIi, 0},
      {OplockLevel::kLease, kR, OplockLevel::kLease, kR},
      {OplockLevel::kLease, kR | kH, OplockLevel::kLease, kR},
      {OplockLevel::kLease, kR | kW | kH, OplockLevel::kLease, kR},
      {OplockLevel::kLease, kW | kH, OplockLevel::kLease, 0},
  };
  uint8_t number = 20;
  for (const auto& each : kCases) {
    for (const uint8_t version : {1, 2}) {
      ++number;
      auto body = durable(CreateGuid{{number}}, "s" + std::to_string(number));
      body.requested_oplock_level = each.level;
      if (each.level == OplockLevel::kLease) {
        body = with_lease(body, version, number);
        body.contexts.request_lease->lease_state = each.lease;
      }
      const auto told = created(*client, body);
      EXPECT_EQ(told.oplock_level, each.granted) << int{number};
      EXPECT_FALSE(told.contexts.durable_handle_response_v2);
      ASSERT_EQ(told.contexts.response_lease.has_value(), each.level == OplockLevel::kLease);
      if (told.contexts.response_lease) {
        EXPECT_EQ(told.contexts.response_lease->lease_state, each.state) << int{number};
      }
      EXPECT_EQ(closed(*client, told), kSuccess);
    }
  }
  RawClient old(engine, ClientGuid{{9}});
  ASSERT_TRUE(old.log_on(wire::Dialect::kSmb210));
  auto body = with_lease(RawClient::create_body("old"), 1);
  EXPECT_EQ(created(old, body).contexts.response_lease->lease_state, kR | kW | kH);
  old.close();
}

TEST_F(Promises, DirectoriesAreNotKept) {
  auto body = with_lease(durable(kGuid, "d"), 2);
  body.create_options = wire::CreateOptions::kDirectoryFile;
  EXPECT_FALSE(created(*client, body).contexts.durable_handle_response_v2);
}

// A client of 2.1 knows the first version only, whatever it says.
TEST_F(Promises, SecondVersionIsOfSmb3) {
  RawClient old(engine, ClientGuid{{9}});
  ASSERT_TRUE(old.log_on(wire::Dialect::kSmb210));
  EXPECT_FALSE(created(old, durable(kGuid, "old")).contexts.durable_handle_response_v2);
  auto back = reconnecting({5, 5});
  back.name = "made";
  EXPECT_EQ(created(old, back).create_action, wire::CreateAction::kCreated);
}

// 3.3.5.9.7: what a share refuses is not had through another, nor with fewer rights.
TEST_F(Promises, ShareThatBecameReadOnlyGivesNoneBackForWriting) {
  const FileId id = created(*client, durable()).file_id;
  lose_connection();
  share().read_only = true;
  client = log_on();
  EXPECT_EQ(create_status(*client, reconnecting(id)), kAccessDenied);
  EXPECT_EQ(create_status(*client, durable(), kReplay), kAccessDenied);
  share().read_only = false;
  client = log_on();
  EXPECT_EQ(created(*client, reconnecting(id)).file_id, id);
}

TEST_F(Promises, OpenIsFoundByItsWholeNameOnly) {
  const FileId id = created(*client, durable()).file_id;
  lose_connection();
  client = log_on();
  EXPECT_EQ(create_status(*client, reconnecting({id.persistent + 1, id.volatile_id})),
            kObjectNameNotFound);
  EXPECT_EQ(create_status(*client, reconnecting(id, CreateGuid{{9}})), kObjectNameNotFound);
  auto persistent = reconnecting(id);
  persistent.contexts.durable_handle_reconnect_v2->flags = wire::DurableHandleFlags::kPersistent;
  EXPECT_EQ(create_status(*client, persistent), kInvalidParameter);
  EXPECT_EQ(created(*client, reconnecting(id)).file_id, id);
}

// A replay that asks for less is told of no more.
TEST_F(Promises, ReplayThatAsksForLessIsToldOfNoMore) {
  const FileId id = created(*client, durable()).file_id;
  struct {
    OplockLevel asked;
    bool is_kept;
  } constexpr kCases[] = {{OplockLevel::kBatch, true},
                          {OplockLevel::kExclusive, false},
                          {OplockLevel::kLevelIi, false},
                          {OplockLevel::kNone, false}};
  for (const auto& each : kCases) {
    auto body = durable();
    body.requested_oplock_level = each.asked;
    const auto told = created(*client, body, kReplay);
    EXPECT_EQ(told.file_id, id);
    EXPECT_EQ(told.oplock_level, each.asked);
    EXPECT_EQ(told.contexts.durable_handle_response_v2.has_value(), each.is_kept);
  }
}

// The first CREATE of that CreateGuid still waits for a break.
TEST_F(Promises, SecondCreateOfOneThatWaitsIsToldToAskAgain) {
  auto holder = log_on("other", ClientGuid{{8}});
  const auto held = [&] {
    auto body = RawClient::create_body("file");
    body.requested_oplock_level = OplockLevel::kBatch;
    return created(*holder, body).file_id;
  };
  for (const auto compat : {config::Compat::kSpec, config::Compat::kWindows}) {
    share().compat = compat;
    const FileId id = held();
    const uint64_t waits = send_pending(*client, client->request(Command::kCreate, durable()));
    const NtStatus expected = compat == config::Compat::kSpec ? kFileNotAvailable : kAccessDenied;
    EXPECT_EQ(create_status(*client, durable(), kReplay), expected);
    EXPECT_EQ(create_status(*client, durable()), expected);
    EXPECT_EQ(holder->close_file(id), kSuccess);
    const auto answer = client->answer_to(waits);
    ASSERT_EQ(answer->status(), kSuccess);
    EXPECT_EQ(client->close_file(answer->as<wire::CreateResponse>().file_id), kSuccess);
  }
}

// A client comes back for its open, and ends what it would be given it in while the server still
// looks at the file.
struct Reconnects : DurableTest {
  explicit Reconnects(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : DurableTest(vfs::make_fault_volume(vfs::make_memory_volume(), disk), 2), plan(disk) {}
  void TearDown() override {
    plan->let_go();
    DurableTest::TearDown();
  }
  // The open; its client asks for it, and the answer is under way.
  FileId begin() {
    const FileId id = created(*client, durable()).file_id;
    lose_connection();
    client = log_on();
    plan->hold_operation("stat");
    asked = client->next_message_id;
    client->send(client->request(Command::kCreate, reconnecting(id)));
    plan->await_held(1);
    return id;
  }
  NtStatus answer() {
    plan->let_go();
    return client->answer_to(asked)->status();
  }
  const std::shared_ptr<vfs::FaultPlan> plan;
  uint64_t asked = 0;
};

// An open of nobody gives way, and its file goes with it: that is waited for by all who come.
TEST_F(Reconnects, NewcomersWaitForADeletionThatIsUnderWay) {
  auto body = durable();
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  (void)created(*client, body);
  lose_connection();
  plan->hold_operation("remove");
  std::vector<std::unique_ptr<RawClient>> newcomers;
  for (uint8_t i = 1; i <= 2; ++i) {
    newcomers.push_back(log_on("user", ClientGuid{{i}}));
    const uint64_t opens = plan->calls_of("open");
    auto again = RawClient::create_body("file");
    again.create_disposition = wire::CreateDisposition::kOpenIf;
    newcomers.back()->send(newcomers.back()->request(Command::kCreate, again));
    if (i == 1) plan->await_held(1);
    until([&] { return plan->calls_of("open") > opens; });
  }
  plan->let_go();
  for (auto& newcomer : newcomers) {
    EXPECT_EQ(newcomer->receive()->status(), kSuccess);
    newcomer->close();
  }
}

TEST_F(Reconnects, TreeThatWasLeftMeanwhileEndsTheOpen) {
  const FileId id = begin();
  ASSERT_EQ(
      client->status_of(client->request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{})),
      kSuccess);
  EXPECT_EQ(answer(), kInsufficientResources);
  EXPECT_EQ(engine.server().files.open_table.disconnected(), 0u);
  client = log_on();
  EXPECT_EQ(create_status(*client, reconnecting(id)), kObjectNameNotFound);
}

TEST_F(Reconnects, SessionThatEndedMeanwhileLeavesItToTheNext) {
  const FileId id = begin();
  ASSERT_EQ(client->status_of(client->request(Command::kLogoff, wire::LogoffRequest{})), kSuccess);
  EXPECT_EQ(answer(), kInsufficientResources);
  client = log_on();
  EXPECT_EQ(created(*client, reconnecting(id)).file_id, id);
}

}  // namespace
}  // namespace braid::smb2
