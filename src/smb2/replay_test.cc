// CREATEs that are sent again. [MS-SMB2] 3.3.5.9 "Receiving an SMB2 CREATE Request",
// Create Context Validation, and 3.3.5.9.10.
#include "smb2/common/limits.h"
#include "smb2/files/durable_testing.h"
#include "smb2/pending_testing.h"
#include "wire/smb2/cancel.h"

namespace braid::smb2 {
namespace {

struct ReplayTest : DurableTest {};

TEST_F(ReplayTest, ReplayOfACreateIsAnsweredAsBeforeUntilTheOpenIsUsed) {
  const auto first = created(*client, durable());
  const auto again = created(*client, durable(), kReplay);
  EXPECT_EQ(again.file_id, first.file_id);
  EXPECT_EQ(again.create_action, wire::CreateAction::kCreated);
  EXPECT_EQ(again.oplock_level, OplockLevel::kBatch);
  EXPECT_EQ(create_status(*client, durable()), NtStatus::kDuplicateObjectid);
  EXPECT_TRUE(is_alive(*client, first.file_id));
  // From now on it is a CREATE like any other, and meets the oplock.
  EXPECT_EQ(create_status(*client, making_anew(durable()), kReplay),
            NtStatus::kObjectNameCollision);
}

// [MS-SMB2] 3.3.5.9.5: what the user may do is asked when it is asked.
TEST_F(ReplayTest, ReplayTellsTheMaximalAccessOfNow) {
  const auto share = engine.server().settings.shares()->find("files");
  const Credentials& who = server_credentials();
  const auto change = [&](std::string_view name, const vfs::AttributesChange& to) {
    const auto found = share->volume->find(who, vfs::parse_path(name)->path).value();
    return share->volume->open(who, found, {}).value()->change(to).has_value();
  };
  ASSERT_TRUE(change("", {.mode = 0777}));
  auto member = log_on("member", ClientGuid{{9}});
  auto body = durable(kGuid, "of_member");
  body.contexts.query_maximal_access.emplace();
  const auto first = created(*member, body);
  ASSERT_TRUE(first.contexts.query_maximal_access);
  EXPECT_TRUE(first.contexts.query_maximal_access->maximal_access & wire::Access::kFileWriteData);
  ASSERT_TRUE(change("of_member", {.mode = 0444, .uid = 0, .gid = 0}));
  const auto again = created(*member, body, kReplay);
  EXPECT_EQ(again.file_id, first.file_id);
  ASSERT_TRUE(again.contexts.query_maximal_access);
  EXPECT_FALSE(again.contexts.query_maximal_access->maximal_access & wire::Access::kFileWriteData);
  EXPECT_TRUE(again.contexts.query_maximal_access->maximal_access & wire::Access::kFileReadData);
}

TEST_F(ReplayTest, ReplayIsForTheSameUserSessionAndLease) {
  const auto first = created(*client, durable());
  EXPECT_EQ(create_status(*client, with_lease(durable(), 1), kReplay), NtStatus::kAccessDenied);
  auto same_user = log_on();
  EXPECT_EQ(create_status(*same_user, durable(), kReplay), NtStatus::kDuplicateObjectid);
  // Whoever comes with the client's ClientGuid takes no CreateGuid of it.
  auto other = log_on("other");
  EXPECT_EQ(create_status(*other, durable(kGuid, "of_other"), kReplay), NtStatus::kSuccess);
  EXPECT_EQ(created(*client, durable(), kReplay).file_id, first.file_id);
  auto other_client = log_on("user", ClientGuid{{8}});
  auto alone = durable(kGuid, "elsewhere");
  EXPECT_EQ(create_status(*other_client, alone, kReplay), NtStatus::kSuccess);
}

// The answer was lost with the last connection, and with it the FileId to come back with.
TEST_F(ReplayTest, ReplayOnANewSessionGetsTheOpenThatWaits) {
  const auto first = created(*client, making_anew(durable()));
  lose_connection();
  client = log_on();
  EXPECT_EQ(create_status(*client, making_anew(durable())), NtStatus::kDuplicateObjectid);
  const auto again = created(*client, making_anew(durable()), kReplay);
  EXPECT_EQ(again.file_id, first.file_id);
  EXPECT_EQ(again.create_action, wire::CreateAction::kCreated);
  EXPECT_EQ(again.oplock_level, OplockLevel::kBatch);
  EXPECT_TRUE(again.contexts.durable_handle_response_v2);
  EXPECT_EQ(engine.server().files.open_table.disconnected(), 0u);
  // Once more, as its answer may be lost, too.
  EXPECT_EQ(created(*client, making_anew(durable()), kReplay).file_id, first.file_id);
  lose_connection();
  client = log_on();
  EXPECT_EQ(created(*client, making_anew(durable()), kReplay).file_id, first.file_id);
  EXPECT_TRUE(is_alive(*client, first.file_id));
  EXPECT_EQ(create_status(*client, making_anew(durable()), kReplay),
            NtStatus::kObjectNameCollision);
}

// A client ends its connection and is back on another one before a busy reactor has read of that.
struct EarlyReturnTest : testing::Test {
  VirtualClock clock;
  Engine engine{Engine::lenient(), clock, 2};
  std::promise<void> goes_on;

  std::unique_ptr<RawClient> log_on(size_t server_reactor, const std::string& user = "user") {
    auto made = std::make_unique<RawClient>(
        engine,
        transport::make_memory_transports(engine.reactor(1), engine.reactor(server_reactor)),
        kClient);
    EXPECT_EQ(made->negotiate(), NtStatus::kSuccess);
    EXPECT_EQ(made->session_setup(user), NtStatus::kSuccess);
    EXPECT_EQ(made->tree_connect(), NtStatus::kSuccess);
    return made;
  }
  // The answer to what `again` sends while the loss of `first` is not noticed.
  std::optional<Answer> answer_of(std::unique_ptr<RawClient> first, RawClient& again,
                                  const wire::CreateRequest& body, uint32_t flags = 0) {
    const auto load = [this] { return engine.server().files.pool.load(); };
    std::promise<void> is_busy;
    engine.reactor(0).post([&] {
      is_busy.set_value();
      goes_on.get_future().wait();
    });
    is_busy.get_future().wait();
    first->close();
    const size_t turns = load().turns_taken;
    const uint64_t id = again.next_message_id;
    again.send(again.request(Command::kCreate, body,
                             [flags](wire::Header& header) { header.flags |= flags; }));
    while (load().turns_taken == turns || load().running + load().waiting > 0) {
      std::this_thread::sleep_for(1ms);
    }
    // It has looked.
    goes_on.set_value();
    return again.answer_to(id);
  }
};

TEST_F(EarlyReturnTest, ReplayWaitsForTheLossOfTheConnectionBefore) {
  auto first = log_on(0);
  auto again = log_on(1);
  const auto made = first->exchange(first->request(Command::kCreate, making_anew(durable())));
  ASSERT_TRUE(made);
  const FileId id = made->as<wire::CreateResponse>().file_id;
  const auto answer = answer_of(std::move(first), *again, making_anew(durable()), kReplay);
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->as<wire::CreateResponse>().file_id, id);
}

TEST_F(EarlyReturnTest, ReconnectWaitsForTheLossOfTheConnectionBefore) {
  auto first = log_on(0);
  auto again = log_on(1);
  const auto made = first->exchange(first->request(Command::kCreate, durable()));
  ASSERT_TRUE(made);
  const FileId id = made->as<wire::CreateResponse>().file_id;
  const auto answer = answer_of(std::move(first), *again, reconnecting(id));
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->as<wire::CreateResponse>().file_id.persistent, id.persistent);
}

// Whenever the loss is noticed: before the look for the open, behind it, or in between.
TEST_F(EarlyReturnTest, ReconnectBesideTheLossIsNeverTooEarly) {
  for (int round = 0; round < 100; ++round) {
    auto first = log_on(0);
    auto again = log_on(1);
    const auto made = first->exchange(first->request(Command::kCreate, durable()));
    ASSERT_TRUE(made);
    const FileId id = made->as<wire::CreateResponse>().file_id;
    std::promise<void> begins;
    std::thread closing([&] {
      begins.set_value();
      first->close();
    });
    begins.get_future().wait();
    while (!first->has_closed()) std::this_thread::yield();
    const auto answer = again->exchange(again->request(Command::kCreate, reconnecting(id)));
    closing.join();
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->status(), NtStatus::kSuccess) << round;
    EXPECT_EQ(again->close_file(answer->as<wire::CreateResponse>().file_id), NtStatus::kSuccess);
  }
}

TEST_F(EarlyReturnTest, SomebodyElseWaitsForNobody) {
  auto first = log_on(0);
  auto other = log_on(1, "other");
  const auto made = first->exchange(first->request(Command::kCreate, durable()));
  ASSERT_TRUE(made);
  const FileId id = made->as<wire::CreateResponse>().file_id;
  const auto answer = answer_of(std::move(first), *other, reconnecting(id));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kObjectNameNotFound);
}

TEST_F(ReplayTest, ReplayOnANewSessionIsForTheSameUserAndLease) {
  const auto first = created(*client, with_lease(durable(), 2));
  lose_connection();
  auto other = log_on("other");
  EXPECT_EQ(create_status(*other, with_lease(durable(kGuid, "of_other"), 2), kReplay),
            NtStatus::kSuccess);
  client = log_on();
  EXPECT_EQ(create_status(*client, with_lease(durable(), 2, 9), kReplay), NtStatus::kAccessDenied);
  EXPECT_EQ(create_status(*client, durable(), kReplay), NtStatus::kAccessDenied);
  EXPECT_EQ(engine.server().files.open_table.disconnected(), 1u) << "it waits on";
  const auto again = created(*client, with_lease(durable(), 2), kReplay);
  EXPECT_EQ(again.file_id, first.file_id);
  ASSERT_TRUE(again.contexts.response_lease);
  EXPECT_EQ(again.contexts.response_lease->lease_state, uint32_t{wire::LeaseState::kAll});
}

// What was used has an answer that the client knows: it comes back with DH2C or not at all.
TEST_F(ReplayTest, ReplayOfAnOpenThatWasUsedOrIsOverIsACreateLikeAnyOther) {
  const auto first = created(*client, durable());
  EXPECT_TRUE(is_alive(*client, first.file_id));
  lose_connection();
  client = log_on();
  const auto second = created(*client, durable(), kReplay);
  EXPECT_NE(second.file_id, first.file_id);
  EXPECT_EQ(second.create_action, wire::CreateAction::kOpened);
  lose_connection();
  clock.advance(kDurableTimeoutMax + 1s);
  engine.server().files.scavenge_opens();
  client = log_on();
  EXPECT_NE(created(*client, durable(), kReplay).file_id, second.file_id);
}

TEST_F(ReplayTest, OneOfManyRacingReplaysGetsTheOpen) {
  const auto first = created(*client, durable());
  lose_connection();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(log_on());
  std::vector<uint64_t> ids;
  for (auto& each : clients) {
    ids.push_back(each->next_message_id);
    each->send(each->request(Command::kCreate, durable(),
                             [](wire::Header& header) { header.flags |= kReplay; }));
  }
  size_t won = 0;
  for (size_t i = 0; i < clients.size(); ++i) {
    const auto answer = clients[i]->answer_to(ids[i]);
    ASSERT_TRUE(answer);
    if (answer->status() == NtStatus::kSuccess) {
      ++won;
      EXPECT_EQ(answer->as<wire::CreateResponse>().file_id, first.file_id);
    } else {
      EXPECT_EQ(answer->status(), NtStatus::kDuplicateObjectid);
    }
  }
  EXPECT_EQ(won, 1u);
}

// 3.3.5.9.7, 3.3.5.9.10 and 3.3.5.9.12.
TEST_F(ReplayTest, ContextsThatExcludeEachOtherAreInvalid) {
  const auto first = created(*client, durable());
  auto both = reconnecting(first.file_id);
  both.contexts.durable_handle_reconnect = first.file_id;
  EXPECT_EQ(create_status(*client, both), NtStatus::kInvalidParameter) << "DHnC and DH2C";
  auto asks_anew = durable(CreateGuid{{9}});
  asks_anew.contexts.durable_handle_reconnect = first.file_id;
  EXPECT_EQ(create_status(*client, asks_anew), NtStatus::kInvalidParameter) << "DHnC and DH2Q";
  asks_anew.contexts.durable_handle_reconnect.reset();
  asks_anew.contexts.durable_handle_request = true;
  EXPECT_EQ(create_status(*client, asks_anew), NtStatus::kInvalidParameter) << "DHnQ and DH2Q";
  asks_anew = reconnecting(first.file_id);
  asks_anew.contexts.durable_handle_request_v2 = {.create_guid = CreateGuid{{9}}};
  EXPECT_EQ(create_status(*client, asks_anew), NtStatus::kInvalidParameter) << "DH2C and DH2Q";
}

// The repetition was answered, the file written and closed; then the first sending is read from the
// lost channel.
TEST_F(ReplayTest, OvertakenCreateDoesNotTruncate) {
  const auto sent = [](uint16_t channel_sequence, uint32_t flags) {
    return [=](wire::Header& header) {
      header.channel_sequence = channel_sequence;
      header.flags |= flags;
    };
  };
  auto body = durable();
  body.create_disposition = wire::CreateDisposition::kOverwriteIf;
  auto answer = client->exchange(client->request(Command::kCreate, body, sent(1, kReplay)));
  ASSERT_TRUE(answer && answer->status() == NtStatus::kSuccess);
  const FileId file = answer->as<wire::CreateResponse>().file_id;
  const wire::WriteRequest write{.file_id = file, .data = as_bytes("x")};
  EXPECT_EQ(client->status_of(client->request(Command::kWrite, write, sent(1, 0))),
            NtStatus::kSuccess);
  wire::CloseRequest close;
  close.file_id = file;
  EXPECT_EQ(client->status_of(client->request(Command::kClose, close)), NtStatus::kSuccess);

  const auto late = [&](uint16_t channel_sequence, uint32_t flags) {
    return client->status_of(
        client->request(Command::kCreate, body, sent(channel_sequence, flags)));
  };
  EXPECT_EQ(late(0, 0), NtStatus::kFileNotAvailable);
  EXPECT_EQ(late(0xFFFF, kReplay), NtStatus::kFileNotAvailable);
  EXPECT_EQ(late(2, kReplay), NtStatus::kSuccess);
  EXPECT_EQ(late(1, kReplay), NtStatus::kSuccess) << "answered as before, nothing done";
}

// The answer to the first sending was lost, and so was the channel that the second went by; the
// third was answered, the file used and closed. Then the second is read.
TEST_F(ReplayTest, RepetitionThatAnotherHasOvertakenMakesNothing) {
  const auto sent = [](uint16_t channel_sequence, uint32_t flags) {
    return [=](wire::Header& header) {
      header.channel_sequence = channel_sequence;
      header.flags |= flags;
    };
  };
  const auto create = [&](uint16_t channel_sequence, uint32_t flags) {
    return client->exchange(
        client->request(Command::kCreate, durable(), sent(channel_sequence, flags)));
  };
  const auto status = [](const auto& answer) {
    return answer ? answer->status() : NtStatus::kPending;
  };
  const auto first = create(1, 0);
  ASSERT_EQ(status(first), NtStatus::kSuccess);
  const FileId file = first->as<wire::CreateResponse>().file_id;
  const auto third = create(3, kReplay);
  ASSERT_EQ(status(third), NtStatus::kSuccess);
  EXPECT_EQ(third->as<wire::CreateResponse>().file_id, file);
  const wire::WriteRequest write{.file_id = file, .data = as_bytes("x")};
  EXPECT_EQ(client->status_of(client->request(Command::kWrite, write, sent(3, 0))),
            NtStatus::kSuccess);
  EXPECT_EQ(status(create(2, kReplay)), NtStatus::kFileNotAvailable);
  wire::CloseRequest close;
  close.file_id = file;
  EXPECT_EQ(client->status_of(client->request(Command::kClose, close)), NtStatus::kSuccess);
  EXPECT_EQ(status(create(2, kReplay)), NtStatus::kFileNotAvailable);
}

TEST_F(ReplayTest, FailedCreateLeavesItsGuidFree) {
  auto missing = durable();
  missing.create_disposition = wire::CreateDisposition::kOpen;
  EXPECT_EQ(create_status(*client, missing), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(create_status(*client, durable(), kReplay), NtStatus::kSuccess);
}

// As Windows has it: who waits for a sharing violation alone has made no open that could be
// another's.
TEST_F(ReplayTest, ReplayOfACreateThatWaitsForSharingWaitsBehindIt) {
  const_cast<Share&>(*engine.server().settings.shares()->find("files")).compat =
      config::Compat::kWindows;
  auto holder = log_on("user", ClientGuid{{9}});
  auto body = with_lease(RawClient::create_body("file"), 2, 5);
  body.share_access = 0;
  const FileId held = created(*holder, body).file_id;
  const auto send = [&](uint32_t flags) {
    client->send(client->request(Command::kCreate, durable(),
                                 [&](wire::Header& header) { header.flags |= flags; }));
    const uint64_t id = client->next_message_id - 1;
    const auto interim = client->receive();
    EXPECT_TRUE(interim && interim->status() == NtStatus::kPending);
    return id;
  };
  const uint64_t first = send(0);
  const uint64_t second = send(kReplay);
  EXPECT_EQ(holder->close_file(held), NtStatus::kSuccess);
  const auto made = client->answer_to(first);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->status(), NtStatus::kSuccess);
  // It meets the other's oplock now.
  client->send(client->request(
      Command::kClose, wire::CloseRequest{.file_id = made->as<wire::CreateResponse>().file_id}));
  const auto again = client->answer_to(second);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->status(), NtStatus::kSuccess);
}

// The first gives up: what came behind it has its CreateGuid from then on.
TEST_F(ReplayTest, ReplayBehindACreateThatFailsTakesItsPlace) {
  const_cast<Share&>(*engine.server().settings.shares()->find("files")).compat =
      config::Compat::kWindows;
  auto holder = log_on("user", ClientGuid{{9}});
  auto body = with_lease(RawClient::create_body("file"), 2, 5);
  body.share_access = 0;
  const FileId held = created(*holder, body).file_id;
  const auto send = [&](uint32_t flags) {
    return send_pending(*client, client->request(Command::kCreate, durable(),
                                                 [&](auto& header) { header.flags |= flags; }));
  };
  const uint64_t first = send(0);
  const uint64_t second = send(kReplay);
  client->send(client->request(Command::kCancel, wire::CancelRequest{},
                               [&](auto& header) { header.message_id = {first}; }));
  EXPECT_EQ(client->answer_to(first)->status(), NtStatus::kCancelled);
  EXPECT_EQ(holder->close_file(held), NtStatus::kSuccess);
  const auto made = client->answer_to(second);
  ASSERT_EQ(made->status(), NtStatus::kSuccess);
  const auto again = client->exchange(
      client->request(Command::kCreate, durable(), [&](auto& header) { header.flags |= kReplay; }));
  ASSERT_EQ(again->status(), NtStatus::kSuccess);
  EXPECT_EQ(again->as<wire::CreateResponse>().file_id, made->as<wire::CreateResponse>().file_id);
}

}  // namespace
}  // namespace braid::smb2
