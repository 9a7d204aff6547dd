// What CREATE answers with, field by field: [MS-SMB2] 2.2.14 "SMB2 CREATE Response".
#include <map>

#include "smb2/commands/file_requests_testing.h"
#include "wire/fscc/file_information.h"
#include "wire/smb2/aapl.h"
#include "wire/smb2/error_response.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::CreateAction;
using wire::CreateDisposition;
using wire::CreateOptions;
using wire::Dialect;
using wire::FileInfoClass;
using wire::OplockLevel;

struct WithClock {
  VirtualClock clock;
};

struct CreateReply : WithClock, FileRequests {
  CreateReply() : FileRequests(vfs::make_memory_volume(clock)) {}

  static Answer answer(RawClient& by, const wire::CreateRequest& body) {
    return by.exchange(by.request(Command::kCreate, body)).value();
  }
  // With a file id that is closed again.
  static wire::CreateResponse created(RawClient& by, const wire::CreateRequest& body) {
    const Answer told = answer(by, body);
    EXPECT_EQ(told.status(), NtStatus::kSuccess) << body.name;
    if (told.status() != NtStatus::kSuccess) return {};
    const auto response = told.as<wire::CreateResponse>();
    EXPECT_EQ(by.close_file(response.file_id), NtStatus::kSuccess);
    return response;
  }
  wire::CreateResponse created(const wire::CreateRequest& body) { return created(client, body); }
  static wire::CreateRequest body_of(std::string_view name, CreateDisposition disposition,
                                     uint32_t options = 0) {
    auto body = RawClient::create_body(name);
    body.create_disposition = disposition;
    body.create_options = options;
    return body;
  }
  vfs::Volume& volume() { return *engine.server().settings.shares()->find("files")->volume; }
  FileKey key_of(std::string_view name) {
    return volume().find(server_credentials(), vfs::parse_path(name)->path).value().attributes.key;
  }
  void make_link(std::string_view name, std::string_view target) {
    const auto place = volume().lookup(server_credentials(), vfs::parse_path(name)->path).value();
    ASSERT_TRUE(
        volume().make_symlink(server_credentials(), std::get<vfs::Missing>(place).place, target));
  }
};

TEST_F(CreateReply, TimesSizesAndAttributesAreThoseOfTheFile) {
  const FileId id = open("f");
  ASSERT_EQ(write(id, std::string(5000, 'x')), NtStatus::kSuccess);
  const uint64_t base = clock.now().ticks;
  Bytes basic;
  wire::Writer writer(basic);
  wire::FileBasicInformation{.creation_time = {base + 1},
                             .last_access_time = {base + 2},
                             .last_write_time = {base + 3},
                             .change_time = {base + 4},
                             .file_attributes = vfs::dos::kHidden | vfs::dos::kArchive}
      .encode(writer);
  ASSERT_EQ(set(id, FileInfoClass::kBasic, basic), NtStatus::kSuccess);
  const auto told = created(body_of("f", CreateDisposition::kOpen));
  EXPECT_EQ(told.creation_time.ticks, base + 1);
  EXPECT_EQ(told.last_access_time.ticks, base + 2);
  EXPECT_EQ(told.last_write_time.ticks, base + 3);
  EXPECT_EQ(told.change_time.ticks, base + 4);
  EXPECT_EQ(told.end_of_file, 5000u);
  EXPECT_EQ(told.allocation_size, 8192u);
  EXPECT_EQ(told.file_attributes, vfs::dos::kHidden | vfs::dos::kArchive);
  EXPECT_EQ(told.flags, 0u);
  EXPECT_EQ(told.create_action, CreateAction::kOpened);
}

TEST_F(CreateReply, DirectoryHasNoEnd) {
  const auto body = body_of("d", CreateDisposition::kCreate, CreateOptions::kDirectoryFile);
  const auto told = created(body);
  EXPECT_EQ(told.create_action, CreateAction::kCreated);
  EXPECT_EQ(told.end_of_file, 0u);
  EXPECT_EQ(told.file_attributes, vfs::dos::kDirectory);
}

// [MS-FSA] 2.1.5.1.1 and 2.1.5.1.2, with what is open before.
TEST_F(CreateReply, ActionTellsWhatBecameOfTheFileAndOfAStream) {
  using enum CreateDisposition;
  struct {
    CreateDisposition disposition;
    std::optional<CreateAction> there;    // else STATUS_OBJECT_NAME_COLLISION
    std::optional<CreateAction> missing;  // else STATUS_OBJECT_NAME_NOT_FOUND
  } constexpr kCases[] = {
      {kSupersede, CreateAction::kSuperseded, CreateAction::kCreated},
      {kOpen, CreateAction::kOpened, {}},
      {kCreate, {}, CreateAction::kCreated},
      {kOpenIf, CreateAction::kOpened, CreateAction::kCreated},
      {kOverwrite, CreateAction::kOverwritten, {}},
      {kOverwriteIf, CreateAction::kOverwritten, CreateAction::kCreated},
  };
  int number = 0;
  for (const auto& each : kCases) {
    SCOPED_TRACE(static_cast<int>(each.disposition));
    for (const char* stream : {"", ":s"}) {
      const std::string name = "f" + std::to_string(number) + stream;
      const Answer first = answer(client, body_of(name, each.disposition));
      if (each.missing) {
        ASSERT_EQ(first.status(), NtStatus::kSuccess) << name;
        EXPECT_EQ(first.as<wire::CreateResponse>().create_action, *each.missing) << name;
        client.close_file(first.as<wire::CreateResponse>().file_id);
      } else {
        EXPECT_EQ(first.status(), NtStatus::kObjectNameNotFound) << name;
      }
      make(name, "content");
      const Answer second = answer(client, body_of(name, each.disposition));
      if (!each.there) {
        EXPECT_EQ(second.status(), NtStatus::kObjectNameCollision) << name;
      } else {
        ASSERT_EQ(second.status(), NtStatus::kSuccess) << name;
        const auto told = second.as<wire::CreateResponse>();
        EXPECT_EQ(told.create_action, *each.there) << name;
        EXPECT_EQ(told.end_of_file, *each.there == CreateAction::kOpened ? 7u : 0u) << name;
        client.close_file(told.file_id);
      }
      ++number;
    }
  }
}

// A stream that is missing, of a file that is there.
TEST_F(CreateReply, StreamIsMadeOfAFileThatIsThere) {
  make("f", "content");
  EXPECT_EQ(status_of_open("f:s"), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(status_of_open("f:s", Access::kFileWriteData, CreateDisposition::kOverwrite),
            NtStatus::kObjectNameNotFound);
  const auto told = created(body_of("f:s", CreateDisposition::kCreate));
  EXPECT_EQ(told.create_action, CreateAction::kCreated);
  EXPECT_EQ(told.end_of_file, 0u);
  EXPECT_EQ(status_of_open("f:s"), NtStatus::kSuccess);
  EXPECT_EQ(content("f"), "content");
}

TEST_F(CreateReply, OverwrittenFileHasTheAttributesThatAreGivenAndArchive) {
  make("f", "content", vfs::dos::kNotContentIndexed);
  auto body = body_of("f", CreateDisposition::kOverwrite);
  body.file_attributes = vfs::dos::kHidden;
  const auto told = created(body);
  EXPECT_EQ(told.file_attributes, vfs::dos::kHidden | vfs::dos::kArchive);
  EXPECT_EQ(created(body_of("f", CreateDisposition::kOpen)).file_attributes,
            vfs::dos::kHidden | vfs::dos::kArchive);
}

TEST_F(CreateReply, RoomThatIsAskedForIsTaken) {
  auto body = body_of("f", CreateDisposition::kCreate);
  body.contexts.allocation_size = 10'000;
  EXPECT_EQ(created(body).allocation_size, 12'288u);
  body.create_disposition = CreateDisposition::kOverwrite;
  body.contexts.allocation_size = 20'000;
  EXPECT_EQ(created(body).allocation_size, 20'480u);
  body.contexts.allocation_size = ~uint64_t{0} >> 1;
  EXPECT_EQ(answer(client, body).status(), NtStatus::kDiskFull);
  body.contexts.allocation_size = uint64_t{1} << 63;
  for (const char* name : {"f", "new", "f:s", "new:s"}) {
    body.name = name;
    body.create_disposition =
        name == std::string("f") ? CreateDisposition::kOverwrite : CreateDisposition::kCreate;
    EXPECT_EQ(answer(client, body).status(), NtStatus::kInvalidParameter) << name;
  }
  EXPECT_EQ(status_of_open("new"), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(status_of_open("f:s"), NtStatus::kObjectNameNotFound);
}

// 3.3.5.9.5.
TEST_F(CreateReply, MaximalAccessIsNotToldToWhoKnowsTheFile) {
  make("f", "content");
  auto body = body_of("f", CreateDisposition::kOpen);
  EXPECT_FALSE(created(body).contexts.query_maximal_access);
  const FileTime written = created(body).last_write_time;
  const auto told = [&](std::optional<FileTime> timestamp) {
    body.contexts.query_maximal_access = {.timestamp = timestamp};
    return created(body).contexts.query_maximal_access.value();
  };
  for (const std::optional<FileTime> other :
       {std::optional<FileTime>(), std::optional(FileTime{}),
        std::optional(FileTime{written.ticks + 1}), std::optional(FileTime{written.ticks - 1})}) {
    EXPECT_EQ(told(other).query_status, NtStatus::kSuccess);
    EXPECT_EQ(told(other).maximal_access, Access::kFileAllAccess);
  }
  EXPECT_EQ(told(written).query_status, NtStatus::kNoneMapped);
  EXPECT_EQ(told(written).maximal_access, 0u);
  // Of what is made, too.
  body = body_of("new", CreateDisposition::kCreate);
  EXPECT_EQ(told(std::nullopt).maximal_access, Access::kFileAllAccess);
  body = body_of("new2:s", CreateDisposition::kCreate);
  EXPECT_EQ(told(std::nullopt).maximal_access, Access::kFileAllAccess);
}

// [MS-SMB2] 2.2.14.2.9.
TEST_F(CreateReply, OnDiskIdIsThatOfTheFileAndItsVolume) {
  make("f", "content");
  auto body = body_of("f", CreateDisposition::kOpen);
  EXPECT_FALSE(created(body).contexts.query_on_disk_id);
  body.contexts.query_on_disk_id = true;
  const auto told = created(body).contexts.query_on_disk_id;
  ASSERT_TRUE(told);
  EXPECT_EQ(told->disk_file_id, key_of("f").inode);
  EXPECT_EQ(told->volume_id, key_of("f").device);
}

// docs/protocol.md, 380.
TEST_F(CreateReply, AMacIsToldWhatIsTrue) {
  make("f", "content");
  auto body = body_of("f", CreateDisposition::kOpen);
  const auto told_to = [&](ByteView asked) {
    body.contexts.aapl = asked;
    const Answer response = answer(client, body);
    EXPECT_EQ(response.status(), NtStatus::kSuccess);
    const auto opened = response.as<wire::CreateResponse>();
    EXPECT_EQ(client.close_file(opened.file_id), NtStatus::kSuccess);
    const auto told = opened.contexts.aapl;
    if (!told) return std::optional<wire::AaplAnswer>();
    wire::Reader reader(*told);
    const auto decoded = wire::AaplAnswer::decode(reader);
    EXPECT_TRUE(decoded);
    return decoded ? std::optional(*decoded) : std::nullopt;
  };
  const auto told = [&](wire::AaplQuery query) {
    Bytes asked;
    wire::Writer writer(asked);
    query.encode(writer);
    return told_to(asked);
  };
  const auto all = told({.asked = 7, .client_caps = 0x1f});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->answered, 7u);
  EXPECT_EQ(all->server_caps, wire::Aapl::kUnixBased);
  EXPECT_EQ(all->volume_caps, wire::Aapl::kSupportsFullSync);
  EXPECT_EQ(all->model, "Xserve");
  const auto one = told({.asked = wire::Aapl::kVolumeCaps});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->answered, wire::Aapl::kVolumeCaps);
  // More than is known is not answered; neither is another command.
  EXPECT_EQ(told({.asked = ~uint64_t{0}}).value().answered, 7u);
  EXPECT_FALSE(told({.command = 2, .asked = 7}));
  EXPECT_FALSE(told_to(Bytes(8, 1)));
}

TEST_F(CreateReply, OplockIsTheOneThatWasGranted) {
  make("f", "content");
  const auto told = [&](OplockLevel level, uint32_t options = 0) {
    auto body = body_of(options != 0 ? "d" : "f", CreateDisposition::kOpenIf, options);
    body.requested_oplock_level = level;
    return created(body).oplock_level;
  };
  for (const auto level :
       {OplockLevel::kNone, OplockLevel::kLevelIi, OplockLevel::kExclusive, OplockLevel::kBatch}) {
    EXPECT_EQ(told(level), level);
    EXPECT_EQ(told(level, CreateOptions::kDirectoryFile), OplockLevel::kNone);
  }
  EXPECT_EQ(told(static_cast<OplockLevel>(7)), OplockLevel::kNone);
  // Without its context.
  EXPECT_EQ(told(OplockLevel::kLease), OplockLevel::kNone);
}

struct CreateReplyLease : CreateReply {
  static wire::CreateRequest asking(std::string_view name, const wire::LeaseContext& lease) {
    auto body = body_of(name, CreateDisposition::kOpenIf);
    body.requested_oplock_level = OplockLevel::kLease;
    body.contexts.request_lease = lease;
    return body;
  }
  static constexpr uint32_t kAll = wire::LeaseState::kAll;
};

TEST_F(CreateReplyLease, IsToldInItsVersion) {
  const LeaseKey key{{1}}, parent{{2}};
  auto told = created(asking("f", {.lease_key = key, .lease_state = kAll | 8}));
  EXPECT_EQ(told.oplock_level, OplockLevel::kLease);
  EXPECT_EQ(told.contexts.response_lease,
            (wire::LeaseContext{.version = 1, .lease_key = key, .lease_state = kAll}));
  wire::LeaseContext second{.version = 2,
                            .lease_key = LeaseKey{{3}},
                            .lease_state = wire::LeaseState::kReadCaching,
                            .parent_lease_key = parent,
                            .epoch = 7};
  wire::LeaseContext expected = second;
  expected.epoch = 8;
  expected.parent_lease_key = {};  // its flag is not set
  EXPECT_EQ(created(asking("f", second)).contexts.response_lease, expected);
  second.lease_key = expected.lease_key = LeaseKey{{4}};
  second.lease_flags = expected.lease_flags = wire::LeaseFlags::kParentLeaseKeySet;
  expected.parent_lease_key = parent;
  EXPECT_EQ(created(asking("f", second)).contexts.response_lease, expected);
  // Version 1 has no parent, whatever the flag says.
  second = {.version = 1,
            .lease_key = LeaseKey{{5}},
            .lease_state = wire::LeaseState::kReadCaching,
            .lease_flags = wire::LeaseFlags::kParentLeaseKeySet};
  expected = second;
  expected.lease_flags = 0;
  EXPECT_EQ(created(asking("f", second)).contexts.response_lease, expected);
}

// What another must give up first is told as a break under way.
TEST_F(CreateReplyLease, BreakUnderWayIsTold) {
  RawClient other{engine, ClientGuid{{9}}};
  ASSERT_TRUE(other.log_on());
  const wire::LeaseContext lease{.lease_key = LeaseKey{{1}}, .lease_state = kAll};
  ASSERT_EQ(answer(client, asking("f", lease)).status(), NtStatus::kSuccess);
  const uint64_t waits = other.next_message_id;
  other.send(other.request(Command::kCreate, body_of("f", CreateDisposition::kOpen)));
  ASSERT_EQ(other.receive()->status(), NtStatus::kPending);
  const Answer again = answer(client, asking("f", lease));
  ASSERT_EQ(again.status(), NtStatus::kSuccess);
  EXPECT_EQ(again.as<wire::CreateResponse>().contexts.response_lease->lease_flags,
            wire::LeaseFlags::kBreakInProgress);
  client.close();
  EXPECT_EQ(other.answer_to(waits)->status(), NtStatus::kSuccess);
}

// 3.3.5.9: leases are of 2.1, and of directories by who has said that he knows them.
TEST_F(CreateReplyLease, OfDirectoriesIsForWhoKnowsThem) {
  const wire::LeaseContext lease{
      .version = 2,
      .lease_key = LeaseKey{{1}},
      .lease_state = wire::LeaseState::kReadCaching | wire::LeaseState::kHandleCaching};
  auto body = asking("d", lease);
  body.create_options = CreateOptions::kDirectoryFile;
  EXPECT_FALSE(created(body).contexts.response_lease);
  EXPECT_EQ(created(body).oplock_level, OplockLevel::kNone);

  RawClient knows{engine, ClientGuid{{9}}};
  Bytes negotiate = knows.negotiate_request(Dialect::kSmb302);
  negotiate[wire::Header::kSize + 8] |= wire::Capabilities::kDirectoryLeasing;
  ASSERT_EQ(knows.status_of(std::move(negotiate)), NtStatus::kSuccess);
  ASSERT_EQ(knows.session_setup(), NtStatus::kSuccess);
  ASSERT_EQ(knows.tree_connect(), NtStatus::kSuccess);
  EXPECT_EQ(created(knows, body).contexts.response_lease->lease_state, lease.lease_state);

  RawClient old{engine, ClientGuid{{10}}};
  ASSERT_TRUE(old.log_on(Dialect::kSmb202));
  EXPECT_EQ(created(old, asking("f", lease)).oplock_level, OplockLevel::kNone);
}

// [MS-SMB2] 2.2.2.2.1 "Symbolic Link Error Response".
TEST_F(CreateReply, LinkInTheWaySaysWhereItLeadsAndWhatIsLeft) {
  make_link("relative", "to/there");
  make_link("absolute", "/to/there");
  RawClient latest{engine, ClientGuid{{9}}};
  ASSERT_TRUE(latest.log_on(Dialect::kSmb311));
  struct {
    const char* name;
    const char* target;
    uint32_t flags;
    uint16_t unparsed;
  } constexpr kCases[] = {
      {"relative", "to\\there", wire::SymbolicLinkErrorResponse::kFlagRelative, 0},
      {"absolute", "\\to\\there", 0, 0},
      {"relative\\x", "to\\there", wire::SymbolicLinkErrorResponse::kFlagRelative, 4},
      {"absolute\\x\\yz", "\\to\\there", 0, 10},
  };
  for (const auto& each : kCases) {
    for (RawClient* by : {&client, &latest}) {
      const Answer told = answer(*by, body_of(each.name, CreateDisposition::kOpen));
      ASSERT_EQ(told.status(), NtStatus::kStoppedOnSymlink) << each.name;
      const auto error = told.as<wire::ErrorResponse>();
      EXPECT_EQ(error.error_contexts.size(), by == &latest ? 1u : 0u);
      wire::Reader reader(error.default_data());
      const auto link = wire::SymbolicLinkErrorResponse::decode(reader).value();
      EXPECT_EQ(link.unparsed_path_length, each.unparsed) << each.name;
      EXPECT_EQ(link.flags, each.flags) << each.name;
      EXPECT_EQ(link.substitute_name, each.target);
      EXPECT_EQ(link.print_name, each.target);
    }
  }
}

TEST_F(CreateReply, LinkItselfIsOpenedAsAReparsePoint) {
  make_link("l", "there");
  const auto body = body_of("l", CreateDisposition::kOpen, CreateOptions::kOpenReparsePoint);
  const auto told = created(body);
  EXPECT_EQ(told.flags, wire::CreateResponse::kFlagReparsepoint);
  EXPECT_EQ(told.file_attributes, vfs::dos::kReparsePoint);
  EXPECT_EQ(told.create_action, CreateAction::kOpened);
}

TEST_F(CreateReply, OfAPipeIsThatOfEveryPipe) {
  ASSERT_EQ(client.tree_connect("IPC$"), NtStatus::kSuccess);
  const auto told = created(RawClient::create_body("srvsvc"));
  EXPECT_EQ(told.create_action, CreateAction::kOpened);
  EXPECT_EQ(told.allocation_size, 4096u);
  EXPECT_EQ(told.end_of_file, 0u);
  EXPECT_EQ(told.file_attributes, vfs::dos::kNormal);
  EXPECT_EQ(told.oplock_level, OplockLevel::kNone);
  EXPECT_EQ(answer(client, RawClient::create_body("nothing")).status(),
            NtStatus::kObjectNameNotFound);
}

}  // namespace
}  // namespace braid::smb2
