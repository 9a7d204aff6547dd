// Connections given by one server and served by the next: their clients see no end of them.
#include "smb2/handover/live_handover.h"

#include <fcntl.h>

#include <filesystem>
#include <fstream>

#include "smb2/handover/live_handover_testing.h"
#include "smb2/pending_testing.h"
#include "smb2/persistent/persistent_handles.h"
#include "store/fault_disk_testing.h"
#include "store/worker_group_testing.h"
#include "vfs/posix/posix_volume.h"
#include "wire/fscc/info_class.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/query_directory.h"

namespace braid::smb2 {
namespace {

TEST_F(LiveHandoverTest, OpensGoOnWithTheirIdsLeasesAndLocks) {
  RawClient& client = log_on();
  const FileId leased = created(client, with_lease(durable(), 2)).file_id;
  const FileId plain = client.create("plain");
  EXPECT_EQ(lock(client, leased, 5), NtStatus::kSuccess);
  EXPECT_EQ(hand_over(), all(1, 2));

  EXPECT_EQ(lock(client, leased, 5), NtStatus::kLockNotGranted);
  EXPECT_EQ(lock(client, leased, 6), NtStatus::kSuccess);
  EXPECT_EQ(write(client, leased), NtStatus::kSuccess);
  EXPECT_EQ(write(client, plain), NtStatus::kSuccess);
  // Its lease is there: another client's open breaks it.
  auto& other = *clients.emplace_back(std::make_unique<RawClient>(*after, ClientGuid{{9}}));
  ASSERT_TRUE(other.log_on());
  auto body = RawClient::create_body("file");
  other.send(other.request(Command::kCreate, body));
  const auto broken = client.receive();
  ASSERT_TRUE(broken);
  EXPECT_EQ(broken->header.command, Command::kOplockBreak);
  EXPECT_EQ(client.close_file(leased), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(plain), NtStatus::kSuccess);
  EXPECT_EQ(std::filesystem::file_size(folder + "/plain"), 4u);
  EXPECT_NE(client.create("new"), FileId{});
}

TEST_F(LiveHandoverTest, NothingThatCameOfItChangesNothing) {
  RawClient& client = log_on();
  const FileId id = client.create("file");
  ASSERT_TRUE(suspend());
  const uint64_t asked = client.next_message_id;
  client.send(
      client.request(Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("here")}));
  (void)before->server().live_handover().give();
  before->server().resume();
  const auto answer = client.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(before->server().connections().size(), 1u);
}

// What came meanwhile waits in the socket or in the process before.
TEST_F(LiveHandoverTest, RequestsThatComeMeanwhileAreAnsweredOnce) {
  RawClient& client = log_on();
  const FileId id = client.create("file");
  ASSERT_TRUE(suspend());
  const uint64_t asked = client.next_message_id;
  client.send(
      client.request(Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("here")}));
  ASSERT_TRUE(take(before->server().live_handover().give()));
  serve();
  const auto answer = client.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
}

TEST_F(LiveHandoverTest, WindowGoesOn) {
  RawClient& client = log_on();
  const uint64_t used = client.next_message_id - 1;
  EXPECT_EQ(hand_over(), all(1, 0));
  EXPECT_EQ(echo(client), NtStatus::kSuccess);
  client.send(client.request(Command::kEcho, wire::EchoRequest{},
                             [&](wire::Header& header) { header.message_id = {used}; }));
  // The process before has the socket, too, so the client does not see the end of it.
  for (int i = 0; i < 5000 && !after->server().connections().empty(); ++i) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(after->server().connections().empty());
}

TEST_F(LiveHandoverTest, EncryptedSessionUsesNoNonceAgain) {
  RawClient& client = log_on(kClient, wire::Dialect::kSmb311);
  const auto nonce_of_answer = [&]() -> uint64_t {
    client.send(client.encrypted(client.request(Command::kEcho, wire::EchoRequest{})));
    const auto frame = client.receive();
    EXPECT_TRUE(frame && client.decrypted(frame->message));
    wire::Reader reader(frame->message);
    const auto transform = wire::TransformHeader::decode(reader);
    uint64_t count = 0;
    std::memcpy(&count, transform->nonce.data(), sizeof count);
    return count;
  };
  EXPECT_EQ(nonce_of_answer(), 1u);
  EXPECT_EQ(nonce_of_answer(), 2u);
  EXPECT_EQ(hand_over(), all(1, 0));
  EXPECT_GE(nonce_of_answer(), uint64_t{1} << 32);
}

TEST_F(LiveHandoverTest, ChannelsKeepTheirKeysAndMoreCanBeBound) {
  RawClient& first = log_on(kClient, wire::Dialect::kSmb311);
  RawClient& second = connect();
  ASSERT_EQ(second.negotiate(wire::Dialect::kSmb311), NtStatus::kSuccess);
  ASSERT_EQ(second.bind(first), NtStatus::kSuccess);
  RawClient& third = connect();
  ASSERT_EQ(third.negotiate(wire::Dialect::kSmb311), NtStatus::kSuccess);
  const auto opened =
      first.exchange(first.signed_request(Command::kCreate, RawClient::create_body("file")));
  ASSERT_TRUE(opened);
  const FileId id = opened->as<wire::CreateResponse>().file_id;
  EXPECT_EQ(hand_over(), all(3, 1));
  for (RawClient* const each : {&first, &second}) {
    const auto answer = each->exchange(each->signed_request(
        Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("x")}));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), NtStatus::kSuccess);
    EXPECT_TRUE(RawClient::is_signed_with(*answer, *each->signing_key));
  }
  auto& fourth = *clients.emplace_back(std::make_unique<RawClient>(*after, kClient));
  ASSERT_EQ(fourth.negotiate(wire::Dialect::kSmb311), NtStatus::kSuccess);
  ASSERT_EQ(fourth.bind(first), NtStatus::kSuccess);
  // Nobody had logged on there yet.
  ASSERT_EQ(third.bind(first), NtStatus::kSuccess);
  first.close();
  second.close();
  third.close();
  EXPECT_EQ(
      fourth.status_of(fourth.signed_request(Command::kClose, wire::CloseRequest{.file_id = id})),
      NtStatus::kSuccess);
}

TEST_F(LiveHandoverTest, AnotherSessionOfAConnectionGoesWithIt) {
  RawClient& client = log_on();
  const FileId id = client.create("file");
  const auto first = std::pair{client.session_id, client.tree_id};
  client.session_id = {};
  ASSERT_EQ(client.session_setup("other"), NtStatus::kSuccess);
  ASSERT_EQ(client.tree_connect(), NtStatus::kSuccess);
  EXPECT_EQ(hand_over(), all(1, 1));
  EXPECT_EQ(write(client, id), NtStatus::kFileClosed);
  EXPECT_NE(client.create("other"), FileId{});
  std::tie(client.session_id, client.tree_id) = first;
  EXPECT_EQ(write(client, id), NtStatus::kSuccess);
}

TEST_F(LiveHandoverTest, ListingGoesOnWhereItWas) {
  for (int i = 0; i < 40; ++i) std::ofstream(folder + "/entry" + std::to_string(i));
  RawClient& client = log_on();
  auto body = RawClient::create_body("");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId id = client.create(body);
  std::vector<std::string> names;
  const auto list = [&](uint32_t room) {
    const auto answer = client.exchange(client.request(
        Command::kQueryDirectory,
        wire::QueryDirectoryRequest{
            .file_information_class = static_cast<uint8_t>(wire::FileInfoClass::kNames),
            .file_id = id,
            .file_name = "*",
            .output_buffer_length = room}));
    if (!answer || answer->status() != NtStatus::kSuccess) {
      return answer ? answer->status() : NtStatus::kConnectionDisconnected;
    }
    const ByteView all = answer->as<wire::QueryDirectoryResponse>().output_buffer;
    for (size_t at = 0;;) {
      wire::Reader r(all, at);
      const uint32_t next = r.u32();
      (void)r.u32();
      const uint32_t size = r.u32();
      std::string name;
      for (uint32_t i = 0; i < size / 2; ++i) name += static_cast<char>(r.u16());
      names.push_back(name);
      if (next == 0) break;
      at += next;
    }
    return NtStatus::kSuccess;
  };
  ASSERT_EQ(list(300), NtStatus::kSuccess);
  EXPECT_LT(names.size(), 20u);
  EXPECT_EQ(hand_over(), all(1, 1));
  std::filesystem::remove(folder + "/entry7");
  while (list(2000) == NtStatus::kSuccess) {
  }
  EXPECT_EQ(list(2000), NtStatus::kNoMoreFiles);
  std::ranges::sort(names);
  EXPECT_TRUE(std::ranges::adjacent_find(names) == names.end());
  EXPECT_GE(names.size(), 41u);  // with "." and ".."
}

TEST_F(LiveHandoverTest, WhoWaitsForChangesIsToldToLook) {
  RawClient& client = log_on();
  auto body = RawClient::create_body("d");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId id = client.create(body);
  const auto ask = [&] {
    return client.request(
        Command::kChangeNotify,
        wire::ChangeNotifyRequest{.output_buffer_length = 1000,
                                  .file_id = id,
                                  .completion_filter = wire::CompletionFilter::kFileName});
  };
  const uint64_t waiting = send_pending(client, ask());
  EXPECT_EQ(hand_over(), all(1, 1));
  auto answer = client.answer_to(waiting);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kNotifyEnumDir);
  // What happened between the two is not told, so it is said once more.
  EXPECT_EQ(client.status_of(ask()), NtStatus::kNotifyEnumDir);
  const uint64_t again = send_pending(client, ask());
  auto& other = *clients.emplace_back(std::make_unique<RawClient>(*after, ClientGuid{{9}}));
  ASSERT_TRUE(other.log_on());
  EXPECT_EQ(other.close_file(other.create("d\\new")), NtStatus::kSuccess);
  answer = client.answer_to(again);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
}

// What its client sends next ends it: the logon, and the wait for that.
TEST_F(LiveHandoverTest, LogonThatIsUnderWayComesToItsEnd) {
  // On a busy machine the client may be too slow for it.
  RawClient* logged_on = nullptr;
  for (int attempt = 0; attempt < 50 && !logged_on; ++attempt) {
    if (attempt > 0) before->server().resume();
    RawClient& client = connect();
    ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
    const auto begun = client.exchange(client.setup_request("more"));
    ASSERT_TRUE(begun);
    ASSERT_EQ(begun->status(), NtStatus::kMoreProcessingRequired);
    client.session_id = begun->header.session_id;
    std::thread suspends([&] { EXPECT_TRUE(suspend()); });
    if (client.session_setup("user") == NtStatus::kSuccess) logged_on = &client;
    suspends.join();
  }
  ASSERT_TRUE(logged_on);
  ASSERT_TRUE(take(before->server().live_handover().give()));
  serve();
  EXPECT_EQ(logged_on->tree_connect(), NtStatus::kSuccess);
  EXPECT_NE(logged_on->create("file"), FileId{});
}

TEST_F(LiveHandoverTest, LogonThatIsNotEndedEndsItsConnection) {
  RawClient& client = connect();
  ASSERT_EQ(client.negotiate(), NtStatus::kSuccess);
  ASSERT_EQ(client.session_setup("more"), NtStatus::kMoreProcessingRequired);
  ASSERT_TRUE(suspend());
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(LiveHandoverTest, PipeIsClosedAndItsConnectionGoesOn) {
  RawClient& client = log_on();
  const FileId file = client.create("file");
  const TreeId tree = client.tree_id;
  ASSERT_EQ(client.tree_connect("IPC$"), NtStatus::kSuccess);
  const FileId pipe = client.create("srvsvc");
  ASSERT_NE(pipe, FileId{});
  EXPECT_EQ(hand_over(), all(1, 1));
  EXPECT_EQ(write(client, pipe), NtStatus::kFileClosed);
  EXPECT_NE(client.create("srvsvc"), FileId{});
  client.tree_id = tree;
  EXPECT_EQ(write(client, file), NtStatus::kSuccess);
}

TEST_F(LiveHandoverTest, TreeOfPipesHindersNobody) {
  RawClient& client = log_on();
  RawClient& other = log_on(ClientGuid{{8}});
  ASSERT_EQ(other.tree_connect("IPC$"), NtStatus::kSuccess);
  EXPECT_EQ(hand_over(), all(2, 0));
  EXPECT_EQ(echo(client), NtStatus::kSuccess);
  EXPECT_EQ(echo(other), NtStatus::kSuccess);
}

TEST_F(LiveHandoverTest, WhoMayNotUseTheShareAnyMoreLosesIt) {
  auto share = make_share();
  share->allow.push_back({.name = "no such account"});
  expect_its_end(std::move(share));
}

TEST_F(LiveHandoverTest, WhoComesFromElsewhereThanIsAllowedNowLosesTheShare) {
  auto share = make_share();
  share->hosts = {*config::parse_host_rule("192.0.2.1")};
  expect_its_end(std::move(share));
}

// It would be refused whatever it asks, and not know why.
TEST_F(LiveHandoverTest, WhoMayNotGoOnInTheClearLosesTheShare) {
  RawClient& client = log_on();
  const FileId plain = client.create("plain");
  auto share = make_share();
  share->encrypt = true;
  configure_next(std::move(share));
  EXPECT_EQ(hand_over(), all(1, 1));
  EXPECT_EQ(write(client, plain), NtStatus::kNetworkNameDeleted);
  EXPECT_EQ(echo(client), NtStatus::kSuccess);
}

TEST_F(LiveHandoverTest, AdministratorsSeeTheLogonAsItWas) {
  log_on();
  // The session lives while it is read: its connection may end it at any time.
  const auto logon_of = [](Engine& engine) {
    const auto session = engine.server().logons.session_table.all().front();
    const SessionSecurity& known = *session->security();
    return std::tuple(known.logged_on_at, known.method, known.machine, known.client);
  };
  const auto then = logon_of(*before);
  EXPECT_FALSE(std::get<3>(then).empty());
  clock.advance(std::chrono::hours(1));
  EXPECT_EQ(hand_over(), all(1, 0));
  EXPECT_EQ(logon_of(*after), then);
}

TEST_F(LiveHandoverTest, WhoMayOnlyReadNowHasToConnectAgain) {
  RawClient& client = log_on();
  RawClient& other = log_on(ClientGuid{{8}});
  const FileId plain = client.create("plain");
  const std::string account =
      before->server().logons.session_table.all().front()->principal().identity->account_name;
  auto share = make_share();
  share->allow.push_back({.name = account, .read_only = true});
  configure_next(share);
  EXPECT_EQ(hand_over(), all(2, 1));
  EXPECT_EQ(write(client, plain), NtStatus::kNetworkNameDeleted);
  EXPECT_EQ(echo(other), NtStatus::kSuccess);
  EXPECT_EQ(client.tree_connect("files"), NtStatus::kSuccess);
}

// Nothing of it is here, and the process before goes on.
TEST_F(LiveHandoverTest, DamagedIsRefused) {
  RawClient& client = log_on();
  const FileId id = client.create("file");
  ASSERT_TRUE(suspend());
  auto part = before->server().live_handover().give();
  auto shorter = part;
  shorter.state.pop_back();
  EXPECT_FALSE(take(shorter));
  auto fewer = part;
  fewer.descriptors.pop_back();
  EXPECT_FALSE(take(fewer));
  serve();
  EXPECT_TRUE(after->server().connections().empty());
  before->server().resume();
  EXPECT_EQ(write(client, id), NtStatus::kSuccess);
}

// It costs its session, whose client connects anew; what it was promised waits for it.
TEST_F(LiveHandoverTest, DescriptorThatWasLostCostsItsSession) {
  RawClient& client = log_on();
  RawClient& other = log_on(ClientGuid{{8}});
  const FileId kept = created(client, with_lease(durable(kGuid, "kept"), 2)).file_id;
  ASSERT_NE(client.create("lost"), FileId{});
  ASSERT_TRUE(suspend());
  auto part = before->server().live_handover().give();
  std::vector<UniqueFd> descriptors;
  for (const int each : part.descriptors) {
    descriptors.emplace_back(::fcntl(each, F_DUPFD_CLOEXEC, 0));
  }
  // Two sockets, then the two opens of the one session that has any.
  const auto is_of = [&](int fd, const char* name) {
    return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)) ==
           folder + "/" + name;
  };
  for (size_t i = 2; i < descriptors.size(); ++i) {
    if (is_of(descriptors[i].get(), "lost")) descriptors[i].reset();
  }
  EXPECT_EQ(after->server().live_handover().take(part.state, std::move(descriptors)), size_t{1});
  serve();
  EXPECT_EQ(after->server().connections().size(), 1u);
  EXPECT_EQ(echo(other), NtStatus::kSuccess);
  auto& again = *clients.emplace_back(std::make_unique<RawClient>(*after, kClient));
  ASSERT_TRUE(again.log_on());
  auto body = with_lease(reconnecting(kept), 2);
  body.name = "kept";
  EXPECT_EQ(created(again, body).file_id.persistent, kept.persistent);
}

TEST_F(LiveHandoverTest, WhatOthersDidMeanwhileEndsALeaseThatIsToldOfIt) {
  auto watched = std::make_shared<Share>();
  watched->name = "watched";
  watched->real_path = folder;
  watched->volume = *vfs::open_posix_volume(folder);
  const auto both = std::make_shared<const ShareTable>(
      std::vector<std::shared_ptr<const Share>>{shares->find("files"), watched});
  auto config = std::make_shared<config::Config>();
  config->server = Engine::lenient();
  before->server().reconfigure(config, both);
  after->server().reconfigure(config, both);
  RawClient& client = log_on();
  ASSERT_EQ(client.tree_connect("watched"), NtStatus::kSuccess);
  (void)created(client, with_lease(durable(), 2));
  (void)created(client, with_lease(durable(CreateGuid{{9}}, "as it was"), 2, 2));
  ASSERT_TRUE(suspend());
  ASSERT_TRUE(take(before->server().live_handover().give()));
  std::filesystem::rename(folder + "/file", folder + "/elsewhere");
  serve();
  const auto broken = client.receive();
  ASSERT_TRUE(broken);
  EXPECT_EQ(broken->header.command, Command::kOplockBreak);
  EXPECT_EQ(broken->as<wire::LeaseBreakNotification>().lease_key, LeaseKey{{1}});
  EXPECT_EQ(echo(client), NtStatus::kSuccess);
}

// On a share with handles that come by its log.
struct LivePersistentTest : LiveHandoverTest {
  LivePersistentTest() {
    begin(*before, before_share);
    client = &log_on();
  }
  std::shared_ptr<const Share> share_of(Engine& engine) {
    auto share = std::make_shared<Share>();
    share->name = "files";
    share->real_path = folder;
    share->volume = *vfs::open_posix_volume(folder);
    share->local_access = config::LocalAccess::kNone;
    share->continuous_availability = true;
    auto config = std::make_shared<config::Config>();
    config->server = Engine::lenient();
    engine.server().reconfigure(config, std::make_shared<const ShareTable>(
                                            std::vector<std::shared_ptr<const Share>>{share}));
    return share;
  }
  void begin(Engine& engine, const std::shared_ptr<const Share>& share) {
    const auto begun = engine.server().files.persistent->begin(share, disk.folder(), {});
    EXPECT_TRUE(begun) << begun.error();
  }
  static wire::CreateRequest persistent(CreateGuid guid = kGuid, std::string_view name = "file") {
    auto body = with_lease(durable(guid, name), 2, guid.bytes[0]);
    body.contexts.durable_handle_request_v2->flags = wire::DurableHandleFlags::kPersistent;
    return body;
  }
  // Of a client that knows leases of folders.
  RawClient& knowing(RawClient& made) {
    Bytes negotiate = made.negotiate_request(wire::Dialect::kSmb302);
    negotiate[wire::Header::kSize + 8] |= wire::Capabilities::kDirectoryLeasing;
    EXPECT_EQ(made.status_of(std::move(negotiate)), NtStatus::kSuccess);
    EXPECT_EQ(made.session_setup(), NtStatus::kSuccess);
    EXPECT_EQ(made.tree_connect(), NtStatus::kSuccess);
    return made;
  }
  void goes_on(size_t connections, size_t opens) {
    ASSERT_TRUE(suspend());
    EXPECT_EQ(take(before->server().live_handover().give()), opens);
    before->server().leave();
    begin(*after, after_share);
    serve();
    EXPECT_EQ(after->server().connections().size(), connections);
  }

  store::FaultDisk disk{1};
  const std::shared_ptr<const Share> before_share = share_of(*before);
  const std::shared_ptr<const Share> after_share = share_of(*after);
  RawClient* client = nullptr;
};

TEST_F(LivePersistentTest, OpensAreTheirClientsAtOnceByTheSameIds) {
  const FileId id = created(*client, persistent()).file_id;
  const FileId plain = client->create("plain");
  EXPECT_EQ(lock(*client, id, 5), NtStatus::kSuccess);
  goes_on(1, 1);  // and the one that the log has
  EXPECT_EQ(lock(*client, id, 5), NtStatus::kLockNotGranted);
  EXPECT_EQ(write(*client, id), NtStatus::kSuccess);
  EXPECT_EQ(write(*client, plain), NtStatus::kSuccess);
  // It is written down still, and its lease is its own.
  const auto metrics = after->server().files.persistent->metrics();
  EXPECT_EQ(metrics.at(0).opens, 1u);
  auto& other = *clients.emplace_back(std::make_unique<RawClient>(*after, ClientGuid{{9}}));
  ASSERT_TRUE(other.log_on());
  other.send(other.request(Command::kCreate, RawClient::create_body("file")));
  const auto broken = client->receive();
  ASSERT_TRUE(broken);
  EXPECT_EQ(broken->header.command, Command::kOplockBreak);
  EXPECT_EQ(client->close_file(id), NtStatus::kSuccess);
  EXPECT_EQ(client->close_file(plain), NtStatus::kSuccess);
  EXPECT_EQ(after->server().files.persistent->metrics().at(0).opens, 0u);
}

// Nothing has changed there that its client was not told.
TEST_F(LivePersistentTest, FolderKeepsItsLease) {
  RawClient& holder = knowing(connect(ClientGuid{{5}}));
  auto body = persistent(kGuid, "d");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const auto made = created(holder, body);
  constexpr uint32_t kRh = wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching;
  ASSERT_EQ(made.contexts.response_lease.value().lease_state, kRh);
  goes_on(2, 0);
  EXPECT_EQ(echo(holder), NtStatus::kSuccess);
  auto& other = *clients.emplace_back(std::make_unique<RawClient>(*after, ClientGuid{{9}}));
  ASSERT_TRUE(other.log_on());
  EXPECT_EQ(other.close_file(other.create("d\\new")), NtStatus::kSuccess);
  const auto broken = holder.receive();
  ASSERT_TRUE(broken);
  EXPECT_EQ(broken->header.command, Command::kOplockBreak);
  EXPECT_EQ(broken->as<wire::LeaseBreakNotification>().current_lease_state, kRh);
  EXPECT_EQ(holder.close_file(made.file_id), NtStatus::kSuccess);
}

// Nobody was told of what happened there while its client was not there.
TEST_F(LivePersistentTest, WhoComesBackToAFolderHasNoLease) {
  RawClient& holder = knowing(connect(ClientGuid{{5}}));
  auto body = persistent(kGuid, "d");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  const FileId id = created(holder, body).file_id;
  const FileId file = created(holder, persistent(CreateGuid{{2}}, "file")).file_id;
  ASSERT_TRUE(suspend());
  ASSERT_TRUE(take(before->server().live_handover().give()));
  before->server().leave();
  std::ofstream(folder + "/file") << "by somebody else";
  begin(*after, after_share);
  serve();
  EXPECT_EQ(after->server().connections().size(), 1u);
  auto& again =
      knowing(*clients.emplace_back(std::make_unique<RawClient>(*after, ClientGuid{{5}})));
  body = with_lease(reconnecting(id), 2, kGuid.bytes[0]);
  body.name = "d";
  body.contexts.durable_handle_reconnect_v2->flags = wire::DurableHandleFlags::kPersistent;
  const auto back = created(again, body);
  EXPECT_EQ(back.contexts.response_lease.value().lease_state, uint32_t{wire::LeaseState::kNone});
  EXPECT_EQ(again.close_file(back.file_id), NtStatus::kSuccess);
  auto other = with_lease(reconnecting(file, CreateGuid{{2}}), 2, 2);
  other.name = "file";
  other.contexts.durable_handle_reconnect_v2->flags = wire::DurableHandleFlags::kPersistent;
  EXPECT_EQ(again.close_file(created(again, other).file_id), NtStatus::kSuccess);
}

TEST_F(LivePersistentTest, OneThatIsNotAsItsClientWasToldCostsItsConnection) {
  const FileId id = created(*client, persistent()).file_id;
  RawClient& other = log_on(ClientGuid{{8}});
  const FileId others = created(other, persistent(CreateGuid{{2}}, "other")).file_id;
  ASSERT_TRUE(suspend());
  ASSERT_TRUE(take(before->server().live_handover().give()));
  before->server().leave();
  std::ofstream(folder + "/file") << "by somebody else";
  begin(*after, after_share);
  serve();
  EXPECT_EQ(after->server().connections().size(), 1u);
  EXPECT_EQ(write(other, others), NtStatus::kSuccess);
  auto& again = *clients.emplace_back(std::make_unique<RawClient>(*after, kClient));
  ASSERT_TRUE(again.log_on());
  auto body = with_lease(reconnecting(id), 2, kGuid.bytes[0]);
  body.name = "file";
  body.contexts.durable_handle_reconnect_v2->flags = wire::DurableHandleFlags::kPersistent;
  const auto back = created(again, body);
  EXPECT_EQ(back.file_id.persistent, id.persistent);
  EXPECT_EQ(back.contexts.response_lease.value().lease_state, uint32_t{wire::LeaseState::kNone});
  EXPECT_EQ(again.close_file(back.file_id), NtStatus::kSuccess);
  EXPECT_EQ(other.close_file(others), NtStatus::kSuccess);
}

TEST_F(LiveHandoverTest, FileToBeDeletedIsDeletedByTheNext) {
  RawClient& client = log_on();
  auto body = RawClient::create_body("going");
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  const FileId id = client.create(body);
  EXPECT_EQ(hand_over(), all(1, 1));
  EXPECT_TRUE(std::filesystem::exists(folder + "/going"));
  EXPECT_EQ(client.close_file(id), NtStatus::kSuccess);
  EXPECT_FALSE(std::filesystem::exists(folder + "/going"));
}

// Workers of two groups: the second of each has the same number, and the same opens.
struct LiveOfSeveralTest : LiveHandoverTest {
  LiveOfSeveralTest() {
    before.emplace(Engine::lenient(), clock, 1, shares, groups.groups[1].get());
    use(next);
  }
  ~LiveOfSeveralTest() override { end(); }  // before the groups
  void use(store::TestGroup& group) {
    after.emplace(Engine::lenient(), clock, 1, shares, group.groups[1].get());
    after->server().files.file_ids.start_at(1u << 20);
  }
  store::TestGroup groups{2};
  store::TestGroup next{2, {.buckets = 256, .arena_bytes = 8 << 20}, &groups.resources};
};

TEST_F(LiveOfSeveralTest, OpensGoOnWithTheirIdsLeasesAndLocks) {
  RawClient& client = log_on();
  const FileId leased = created(client, with_lease(durable(), 2)).file_id;
  EXPECT_EQ(lock(client, leased, 5), NtStatus::kSuccess);
  EXPECT_EQ(hand_over(), all(1, 1));
  EXPECT_EQ(lock(client, leased, 5), NtStatus::kLockNotGranted);
  EXPECT_EQ(write(client, leased), NtStatus::kSuccess);
  EXPECT_EQ(client.close_file(leased), NtStatus::kSuccess);
}

TEST_F(LiveOfSeveralTest, WorkerThatWasStartedAgainMeanwhileLetsThemComeBack) {
  RawClient& client = log_on();
  const FileId leased = created(client, with_lease(durable(), 2)).file_id;
  after->stop();
  after.reset();
  next.join(1);
  use(next);
  EXPECT_EQ(hand_over(), all(0, 1));
  auto& again = *clients.emplace_back(std::make_unique<RawClient>(*after, kClient));
  ASSERT_TRUE(again.log_on());
  auto body = with_lease(reconnecting(leased), 2);
  body.name = "file";
  const auto back = created(again, body);
  EXPECT_EQ(back.file_id.persistent, leased.persistent);
  EXPECT_EQ(again.close_file(back.file_id), NtStatus::kSuccess);
}

}  // namespace
}  // namespace braid::smb2
