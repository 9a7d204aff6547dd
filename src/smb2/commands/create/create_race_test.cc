// A CREATE opens what its name leads to, although names change after it has looked.
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>

#include "smb2/commands/file_requests_testing.h"
#include "smb2/spread_group_testing.h"
#include "smb2/two_clients_testing.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::CreateDisposition;
using enum NtStatus;

// The first client's CREATE of "f" has found the file, and waits with the question whether it may
// be deleted when it is closed.
struct CreateRace : TwoClients {
  void SetUp() override {
    TwoClients::SetUp();
    make("f", "old");
    make("g", "new");
  }
  void begin(CreateDisposition disposition) {
    auto body = RawClient::create_body("f");
    body.create_disposition = disposition;
    body.create_options = wire::CreateOptions::kDeleteOnClose;
    TwoClients::begin(first.request(Command::kCreate, body), "is_read_only");
  }
  NtStatus rename(FileId id, std::string_view to) { return smb2::rename(second, id, to, true); }
  // The first client's CREATE has made "n" for itself alone, and filestate does not know of it yet.
  void begin_new() {
    auto body = RawClient::create_body("n");
    body.create_disposition = CreateDisposition::kCreate;
    body.share_access = 0;
    TwoClients::begin(first.request(Command::kCreate, body), "stat");
  }
};

TEST_F(CreateRace, WhatWasReplacedIsNotOpened) {
  const FileId other = second.create("g");
  begin(CreateDisposition::kOpen);
  ASSERT_EQ(rename(other, "f"), NtStatus::kSuccess);
  plan->let_go();
  const auto answer = first.receive();
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(content(first, answer->as<wire::CreateResponse>().file_id), "new");
}

TEST_F(CreateRace, WhatWasReplacedIsNotOverwritten) {
  const FileId other = second.create("g");
  begin(CreateDisposition::kOverwrite);
  ASSERT_EQ(rename(other, "f"), NtStatus::kSuccess);
  plan->let_go();
  const auto answer = first.receive();
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(content(second, other), "STATUS_END_OF_FILE") << "it was overwritten";
}

TEST_F(CreateRace, WhatWasRenamedIsNotFound) {
  const FileId file = second.create("f");
  begin(CreateDisposition::kOpen);
  ASSERT_EQ(rename(file, "h"), NtStatus::kSuccess);
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(content(second, file), "old");
  ASSERT_EQ(second.close_file(file), NtStatus::kSuccess);
  // That CREATE has left no open, nor its wish to delete.
  auto alone = RawClient::create_body("h");
  alone.create_disposition = CreateDisposition::kOpen;
  alone.share_access = 0;
  const auto answer = second.exchange(second.request(Command::kCreate, alone));
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(content(second, answer->as<wire::CreateResponse>().file_id), "old");
}

TEST_F(CreateRace, WhatWasDeletedIsMadeAnew) {
  auto body = RawClient::create_body("f");
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  const FileId deleter = second.create(body);
  begin(CreateDisposition::kOpenIf);
  ASSERT_EQ(second.close_file(deleter), NtStatus::kSuccess);
  plan->let_go();
  const auto answer = first.receive();
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->as<wire::CreateResponse>().create_action, wire::CreateAction::kCreated);
}

// Names that changed elsewhere are no reason to look again.
TEST_F(CreateRace, OtherNamesAreNoReason) {
  const FileId other = second.create("g");
  begin(CreateDisposition::kOpen);
  ASSERT_EQ(rename(other, "h"), NtStatus::kSuccess);
  const uint64_t opens = plan->calls_of("open");
  plan->let_go();
  const auto answer = first.receive();
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(content(first, answer->as<wire::CreateResponse>().file_id), "old");
  EXPECT_EQ(plan->calls_of("open"), opens);
}

// A stream is known by its name alone, and other workers need not have told of one that went.
TEST_F(CreateRace, AStreamIsLookedForAgain) {
  second.close_file(second.create("f:s"));
  const FileId other = second.create("g");
  auto body = RawClient::create_body("f:s");
  body.create_disposition = CreateDisposition::kOpen;
  TwoClients::begin(first.request(Command::kCreate, body), "stat");
  ASSERT_EQ(rename(other, "h"), NtStatus::kSuccess);
  const uint64_t opens = plan->calls_of("open_stream");
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kSuccess);
  EXPECT_EQ(plan->calls_of("open_stream"), opens + 1);
}

// It went between two looks at it.
TEST_F(CreateRace, AStreamThatWentIsNoError) {
  auto body = RawClient::create_body("f:s");
  second.close_file(second.create(body));
  body.create_disposition = CreateDisposition::kOpenIf;
  TwoClients::begin(first.request(Command::kCreate, body), "stat");
  plan->fail_call(1, ENOENT);
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kSuccess);
}

// The stream "s" that the first client's CREATE has found is ":moved" by now, and the second client
// has another that is called so. The CREATE has told filestate of its open, and asks for its
// stream's name.
struct StreamRace : CreateRace {
  void begin(FileId other, uint32_t options) {
    const FileId found = second.create("f:s");
    ASSERT_EQ(write(second, found, "found"), NtStatus::kSuccess);
    auto body = RawClient::create_body("f:s");
    body.create_disposition = CreateDisposition::kOpen;
    body.create_options = options;
    TwoClients::begin(first.request(Command::kCreate, body), "stat");
    ASSERT_EQ(rename(found, ":moved"), NtStatus::kSuccess);
    ASSERT_EQ(rename(other, ":s"), NtStatus::kSuccess);
    plan->hold_next("stream_name");
    const uint64_t before = plan->calls_of("stat");
    plan->let_pass(1);
    while (plan->calls_of("stat") == before) std::this_thread::yield();
    plan->await_held(1);
  }
  std::string content_of(std::string_view name) {
    const auto answer = second.exchange(create(second, name, CreateDisposition::kOpen));
    if (answer->status() != NtStatus::kSuccess) return std::string(name_of(answer->status()));
    const FileId id = answer->as<wire::CreateResponse>().file_id;
    const std::string found = content(second, id);
    second.close_file(id);
    return found;
  }
};

TEST_F(StreamRace, WhatHasTheNameNowIsOpened) {
  const FileId other = second.create("f:other");
  ASSERT_EQ(write(second, other, "other"), NtStatus::kSuccess);
  begin(other, wire::CreateOptions::kDeleteOnClose);
  plan->let_go();
  const auto answer = first.receive();
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(content(first, answer->as<wire::CreateResponse>().file_id), "other");
  EXPECT_EQ(content_of("f:moved"), "found");
}

// Whose last open but this one was closed meanwhile.
TEST_F(StreamRace, WhatIsToBeDeletedIsDeletedByWhoLooksAgain) {
  auto body = RawClient::create_body("f:other");
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  const FileId other = second.create(body);
  begin(other, 0);
  ASSERT_EQ(second.close_file(other), NtStatus::kSuccess);
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kDeletePending);
  EXPECT_EQ(content_of("f:s"), "STATUS_OBJECT_NAME_NOT_FOUND");
  EXPECT_EQ(content_of("f:moved"), "found");
}

TEST_F(CreateRace, WhatIsJustMadeIsItsMakers) {
  begin_new();
  auto body = RawClient::create_body("n");
  body.create_disposition = CreateDisposition::kOpen;
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  follow(second.request(Command::kCreate, body), "open");
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kSuccess);
  EXPECT_EQ(second.receive()->status(), NtStatus::kSharingViolation);
}

TEST_F(CreateRace, WhatIsJustMadeIsNotReplaced) {
  const FileId other = second.create("g");
  begin_new();
  follow(set_info_request(second, other, wire::FileInfoClass::kRename, renaming("n", true)),
         "lookup");
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kSuccess);
  EXPECT_EQ(second.receive()->status(), NtStatus::kAccessDenied);
}

// What a folder's FILE_LIST_DIRECTORY (and FILE_DELETE_CHILD) grants is for what is in it, and not
// for what its path led to before.
struct FolderRace : TwoClients {
  FolderRace() : TwoClients(1) {}
  void SetUp() override {
    ASSERT_TRUE(first.log_on(wire::Dialect::kSmb302, "files", "member"));
    ASSERT_TRUE(second.log_on());
    for (const std::string_view folder : {"p", "y"}) {
      auto body = RawClient::create_body(folder);
      body.create_options = wire::CreateOptions::kDirectoryFile;
      const FileId made = second.create(body);
      make(std::string(folder) + "\\f", folder);
      grant(made, folder == "y" ? Access::kFileAllAccess : Access::kFileTraverse);
      second.close_file(made);
    }
    const FileId file = second.create("p\\f");
    grant(file, Access::kFileReadData);
    second.close_file(file);
  }
  void move(std::string_view from, std::string_view to) {
    const vfs::LookupOptions pinned{.pin_parent = true};
    vfs::Path source, wanted;
    ASSERT_TRUE(source.append(from));
    ASSERT_TRUE(wanted.append(to));
    const auto found = below->find(server_credentials(), source, pinned);
    ASSERT_TRUE(found);
    auto target = below->lookup(server_credentials(), wanted, pinned);
    ASSERT_TRUE(target);
    ASSERT_TRUE(below->rename(server_credentials(), found->place, found->attributes.key,
                              std::get<vfs::Missing>(*target).place, false));
  }
};

TEST_F(FolderRace, AnotherFolderGrantsNothing) {
  auto body = RawClient::create_body("p\\f");
  body.desired_access = Access::kFileReadAttributes | Access::kFileReadData;
  body.create_disposition = CreateDisposition::kOpen;
  EXPECT_EQ(first.status_of(first.request(Command::kCreate, body)), NtStatus::kAccessDenied);
  auto own = body;
  own.name = "y\\f";
  EXPECT_EQ(first.status_of(first.request(Command::kCreate, own)), NtStatus::kSuccess);
  // It has found the file, and is about to ask the folder.
  plan->hold_operation("lookup");
  plan->let_pass(1);
  first.send(first.request(Command::kCreate, body));
  plan->await_held(1);
  move("p", "q");
  move("y", "p");
  plan->let_go();
  const auto answer = first.receive();
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(content(first, answer->as<wire::CreateResponse>().file_id), "y");
}

// Of a stream, too, it takes DELETE, which the folder may grant instead of the file.
TEST_F(FolderRace, SupersedingAStreamTakesDeleteOfTheFileOrItsFolder) {
  for (const std::string_view folder : {"p", "y"}) {
    const std::string name = std::string(folder) + "\\f";
    second.close_file(second.create(name + ":s"));
    const FileId file = second.create(name);
    grant(file, Access::kFileAllAccess & ~Access::kDelete);
    second.close_file(file);
    EXPECT_EQ(first.status_of(create(first, name + ":s", CreateDisposition::kSupersede)),
              folder == "y" ? NtStatus::kSuccess : NtStatus::kAccessDenied)
        << name;
  }
}

// Names do not change, but what all nodes of a cluster know of the file is on another one.
struct CreateElsewhere : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(client.log_on());
    for (const char* name : {"far", "near"})
      ASSERT_EQ(client.close_file(client.create(name)), kSuccess);
    group.spread().send_away(key_of(engine, "far"));
  }
  // For a thread that waits all the same.
  void TearDown() override { group.spread().let_come(); }
  Bytes open(std::string_view name) {
    auto body = RawClient::create_body(name);
    body.create_disposition = wire::CreateDisposition::kOpen;
    return client.request(Command::kCreate, body);
  }

  SpreadGroup group;
  Engine engine{Engine::lenient(), system_clock(), 1, Engine::shares_on(vfs::make_memory_volume()),
                &group};
  RawClient client{engine};
};

// There is one thread for all of them.
TEST_F(CreateElsewhere, HoldsNoThreadOfThePool) {
  const uint64_t waits = client.next_message_id;
  client.send(open("far"));
  ASSERT_TRUE(group.spread().is_asked_for());
  EXPECT_EQ(client.status_of(open("near")), kSuccess);
  group.spread().let_come();
  const auto answer = client.answer_to(waits);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), kSuccess);
}

// The connection is lost meanwhile.
TEST_F(CreateElsewhere, EndsWithItsConnection) {
  client.send(open("far"));
  ASSERT_TRUE(group.spread().is_asked_for());
  client.close();
  group.spread().let_come();
  RawClient other{engine, ClientGuid{{8}}};
  ASSERT_TRUE(other.log_on());
  auto body = RawClient::create_body("far");
  body.share_access = 0;
  EXPECT_EQ(other.status_of(other.request(Command::kCreate, body)), kSuccess);
}

}  // namespace
}  // namespace braid::smb2
