// What a CREATE is refused for: by its fields alone, by the kind of what has its name, and by what
// has to be granted for what it does. [MS-SMB2] 3.3.5.9 and [MS-FSA] 2.1.5.1.
#include "smb2/commands/file_requests_testing.h"
#include "vfs/memory/memory_features.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::CreateDisposition;
using wire::CreateOptions;
using enum NtStatus;

struct CreateChecks : FileRequests {
  NtStatus status(const wire::CreateRequest& body) {
    const auto answer = client.exchange(client.request(Command::kCreate, body));
    if (answer->status() == kSuccess) {
      client.close_file(answer->as<wire::CreateResponse>().file_id);
    }
    return answer->status();
  }
  NtStatus status(std::string_view name, CreateDisposition disposition, uint32_t options = 0,
                  uint32_t attributes = 0, uint32_t access = Access::kFileAllAccess) {
    auto body = RawClient::create_body(name);
    body.create_disposition = disposition;
    body.create_options = options;
    body.file_attributes = attributes;
    body.desired_access = access;
    return status(body);
  }
  // Of a file that is there, with one field changed.
  template <class Value>
  NtStatus with(Value wire::CreateRequest::* field, Value value) {
    auto body = RawClient::create_body("f");
    body.*field = value;
    return status(body);
  }
  NtStatus make_directory(std::string_view name) {
    return status(name, CreateDisposition::kCreate, CreateOptions::kDirectoryFile);
  }
};

// Each bit by itself: those in the masks, and no others.
TEST_F(CreateChecks, EveryBitOfTheAccessIsKnownOrRefused) {
  make("f", "content");
  constexpr uint32_t kUndefined = 0x0CE0FE00;
  EXPECT_EQ(with(&wire::CreateRequest::desired_access, 0u), kAccessDenied);
  for (int bit = 0; bit < 32; ++bit) {
    const uint32_t access = uint32_t{1} << bit;
    NtStatus expected = (access & kUndefined) != 0 ? kAccessDenied : kSuccess;
    // A privilege, which administrators have.
    if (access == Access::kAccessSystemSecurity && server_credentials()->uid != 0) {
      expected = kPrivilegeNotHeld;
    }
    EXPECT_EQ(with(&wire::CreateRequest::desired_access, access), expected) << bit;
  }
}

TEST_F(CreateChecks, EveryOptionIsKnownOrRefused) {
  make("f", "content");
  for (int bit = 0; bit < 32; ++bit) {
    const uint32_t option = uint32_t{1} << bit;
    NtStatus expected = kSuccess;
    if (bit >= 24) expected = kInvalidParameter;
    if (option == 0x80 || option == CreateOptions::kOpenByFileId ||
        option == CreateOptions::kReserveOpfilter) {
      expected = kNotSupported;
    }
    if (option == CreateOptions::kDirectoryFile) expected = kNotADirectory;
    if (option == CreateOptions::kDeleteOnClose) continue;
    EXPECT_EQ(with(&wire::CreateRequest::create_options, option), expected) << bit;
  }
  EXPECT_EQ(with(&wire::CreateRequest::create_options, CreateOptions::kDeleteOnClose), kSuccess);
  EXPECT_EQ(status_of_open("f"), kObjectNameNotFound);
}

TEST_F(CreateChecks, EveryAttributeIsKnownOrRefused) {
  for (int bit = 0; bit < 32; ++bit) {
    const uint32_t attribute = uint32_t{1} << bit;
    NtStatus expected = (attribute & 0xFFFF8048) != 0 ? kInvalidParameter : kSuccess;
    if (attribute == vfs::dos::kEncrypted) expected = kAccessDenied;  // it would not be
    EXPECT_EQ(status("f" + std::to_string(bit), CreateDisposition::kCreate, 0, attribute), expected)
        << bit;
  }
  EXPECT_EQ(
      status("d", CreateDisposition::kCreate, CreateOptions::kDirectoryFile, vfs::dos::kEncrypted),
      kSuccess);
  EXPECT_EQ(
      status("t", CreateDisposition::kCreate, CreateOptions::kDirectoryFile, vfs::dos::kTemporary),
      kInvalidParameter);
  EXPECT_EQ(
      status("h", CreateDisposition::kCreate, CreateOptions::kDirectoryFile, vfs::dos::kHidden),
      kSuccess);
}

TEST_F(CreateChecks, NumbersBeyondTheLastAreRefused) {
  make("f", "content");
  using Body = wire::CreateRequest;
  using Level = wire::ImpersonationLevel;
  EXPECT_EQ(with(&Body::impersonation_level, Level::kDelegate), kSuccess);
  EXPECT_EQ(with(&Body::impersonation_level, static_cast<Level>(4)), kBadImpersonationLevel);
  EXPECT_EQ(with(&Body::create_disposition, CreateDisposition::kOverwriteIf), kSuccess);
  EXPECT_EQ(with(&Body::create_disposition, static_cast<CreateDisposition>(6)), kInvalidParameter);
  EXPECT_EQ(with(&Body::share_access, 7u), kSuccess);
  EXPECT_EQ(with(&Body::share_access, 8u), kInvalidParameter);
  EXPECT_EQ(with(&Body::share_access, 0u), kSuccess);
}

TEST_F(CreateChecks, DirectoriesAreNotOverwrittenNorBothKindsAtOnce) {
  constexpr uint32_t kDirectory = CreateOptions::kDirectoryFile;
  EXPECT_EQ(status("d", CreateDisposition::kOpenIf, kDirectory | CreateOptions::kNonDirectoryFile),
            kInvalidParameter);
  for (const auto disposition : {CreateDisposition::kSupersede, CreateDisposition::kOverwrite,
                                 CreateDisposition::kOverwriteIf}) {
    EXPECT_EQ(status("d", disposition, kDirectory), kInvalidParameter);
  }
  EXPECT_EQ(status_of_open("d"), kObjectNameNotFound);
}

// DELETE, or whatever there is.
TEST_F(CreateChecks, DeleteOnCloseTakesTheRightToDelete) {
  constexpr uint32_t kOption = CreateOptions::kDeleteOnClose;
  make("f", "content");
  const auto ask = [&](uint32_t access) {
    return status("f", CreateDisposition::kOpen, kOption, 0, access);
  };
  EXPECT_EQ(ask(Access::kFileReadData), kInvalidParameter);
  EXPECT_EQ(ask(Access::kGenericWrite), kInvalidParameter);
  EXPECT_EQ(ask(Access::kGenericAll), kSuccess);
  EXPECT_EQ(status_of_open("f"), kObjectNameNotFound);
  make("f", "content");
  EXPECT_EQ(ask(Access::kMaximumAllowed), kSuccess);
  EXPECT_EQ(status_of_open("f"), kObjectNameNotFound);
  make("f", "content", vfs::dos::kReadonly);
  EXPECT_EQ(ask(Access::kDelete), kCannotDelete);
  // Nor is made what could not be deleted.
  EXPECT_EQ(status("new", CreateDisposition::kCreate, kOption, vfs::dos::kReadonly), kCannotDelete);
  EXPECT_EQ(status_of_open("new"), kObjectNameNotFound);
  EXPECT_EQ(status("", CreateDisposition::kOpen, kOption, 0, Access::kDelete), kAccessDenied);
  EXPECT_EQ(status_of_open(""), kSuccess);
  // The attribute of its file stands in the way of a stream.
  EXPECT_EQ(status("f:s", CreateDisposition::kOpenIf, kOption, 0, Access::kDelete), kCannotDelete);
}

TEST_F(CreateChecks, KindOfWhatIsThereDecides) {
  make("f", "content");
  ASSERT_EQ(make_directory("d"), kSuccess);
  using enum CreateDisposition;
  constexpr uint32_t kDirectory = CreateOptions::kDirectoryFile;
  constexpr uint32_t kFile = CreateOptions::kNonDirectoryFile;
  struct {
    const char* name;
    CreateDisposition disposition;
    uint32_t options;
    NtStatus expected;
  } constexpr kCases[] = {
      {"f", kOpen, kFile, kSuccess},
      {"f", kOpen, kDirectory, kNotADirectory},
      {"f", kOpenIf, kDirectory, kNotADirectory},
      {"f", kCreate, kDirectory, kObjectNameCollision},
      {"f", kCreate, 0, kObjectNameCollision},
      {"d", kOpen, 0, kSuccess},
      {"d", kOpen, kDirectory, kSuccess},
      {"d", kOpenIf, kDirectory, kSuccess},
      {"d", kOpen, kFile, kFileIsADirectory},
      {"d", kCreate, kFile, kFileIsADirectory},
      {"d", kCreate, kDirectory, kObjectNameCollision},
      {"d", kOverwrite, 0, kObjectNameCollision},
      {"d", kSupersede, 0, kObjectNameCollision},
      {"", kOverwriteIf, 0, kAccessDenied},
      {"", kOpen, kFile, kFileIsADirectory},
      {"d::$DATA", kOpen, 0, kFileIsADirectory},
      {"d::$DATA", kOpen, kDirectory, kNotADirectory},
      {"d::$INDEX_ALLOCATION", kOpen, kDirectory, kSuccess},
      {"d:$I30:$INDEX_ALLOCATION", kOpen, 0, kSuccess},
      {"f::$DATA", kOpen, 0, kSuccess},
      {"f:s", kOpenIf, kDirectory, kNotADirectory},
      {"d:s", kOpenIf, 0, kSuccess},
      {"none", kOpen, kDirectory, kObjectNameNotFound},
      {"none\\f", kOpenIf, 0, kObjectPathNotFound},
      {"none\\f:s", kOpenIf, 0, kObjectPathNotFound},
      {"f\\f", kOpenIf, 0, kObjectPathNotFound},
      {"f\\f:s", kOpenIf, 0, kObjectPathNotFound},
      {"new\\", kCreate, 0, kObjectNameInvalid},
      {"new\\", kCreate, kDirectory, kSuccess},
  };
  for (const auto& each : kCases) {
    EXPECT_EQ(status(each.name, each.disposition, each.options, 0, Access::kFileReadAttributes),
              each.expected)
        << each.name << " " << static_cast<int>(each.disposition) << " " << each.options;
  }
  EXPECT_EQ(content("f"), "content");
}

TEST_F(CreateChecks, WithoutStreamsTheirNamesAreInvalid) {
  vfs::features_of(share_volume()).streams = false;
  make("f", "content");
  EXPECT_EQ(status_of_open("f:s"), kObjectNameInvalid);
  EXPECT_EQ(status_of_open("f::$DATA"), kObjectNameInvalid);
  EXPECT_EQ(status("f", CreateDisposition::kOverwrite), kSuccess);
}

// [MS-FSA] 2.1.5.1.2: HIDDEN and SYSTEM must be given again, READONLY is never overwritten.
TEST_F(CreateChecks, OverwritingKeepsWhatHidesAFile) {
  using namespace vfs::dos;
  struct {
    uint32_t has, given;
    NtStatus expected;
  } constexpr kCases[] = {
      {kHidden, 0, kAccessDenied},
      {kHidden, kSystem, kAccessDenied},
      {kHidden, kHidden, kSuccess},
      {kSystem, kHidden, kAccessDenied},
      {kSystem, kSystem, kSuccess},
      {kHidden | kSystem, kHidden, kAccessDenied},
      {kHidden | kSystem, kHidden | kSystem, kSuccess},
      {kArchive, 0, kSuccess},
      {kReadonly, kReadonly, kAccessDenied},
  };
  int number = 0;
  for (const auto& each : kCases) {
    const std::string name = "f" + std::to_string(number++);
    make(name, "content", each.has);
    for (const auto disposition : {CreateDisposition::kOverwrite, CreateDisposition::kOverwriteIf,
                                   CreateDisposition::kSupersede}) {
      EXPECT_EQ(status(name, disposition, 0, each.given, Access::kFileReadAttributes),
                each.expected)
          << each.has << " " << each.given;
    }
    // READONLY is in the way of content() as well.
    if (each.expected == kAccessDenied && each.has != kReadonly) {
      EXPECT_EQ(content(name), "content");
    }
  }
  // A stream has no attributes of its own to lose.
  make("h", "content", kHidden);
  make("h:s", "stream");
  EXPECT_EQ(status("h:s", CreateDisposition::kOverwrite), kSuccess);
  EXPECT_EQ(content("h:s"), "STATUS_END_OF_FILE");
}

// [MS-SMB2] 3.3.5.9: FILE_NO_INTERMEDIATE_BUFFERING and FILE_APPEND_DATA exclude each other.
TEST_F(CreateChecks, WithoutBufferingNobodyAppends) {
  make("f", "content");
  constexpr uint32_t kOption = CreateOptions::kNoIntermediateBuffering;
  const auto ask = [&](uint32_t access) {
    return status("f", CreateDisposition::kOpen, kOption, 0, access);
  };
  EXPECT_EQ(ask(Access::kFileAppendData), kAccessDenied);
  EXPECT_EQ(ask(Access::kFileAppendData | Access::kFileReadData), kSuccess);
}

// [MS-FSCC] 2.4.16: names of EAs are checked before anything is made.
TEST_F(CreateChecks, BadNameOfAnEaMakesNothing) {
  auto body = RawClient::create_body("f");
  const Bytes bad{0, 0, 0, 0, 0, 1, 1, 0, '*', 0, 'x'};
  body.contexts.ea_buffer = bad;
  EXPECT_EQ(status(body), kInvalidEaName);
  const Bytes cut{0, 0, 0, 0, 0, 1, 9, 0, 'A', 0, 'x'};
  body.contexts.ea_buffer = cut;
  EXPECT_EQ(status(body), kEaListInconsistent);
  EXPECT_EQ(status_of_open("f"), kObjectNameNotFound);
}

// 3.3.5.9.6, .7, .10 and .12: those of one version.
TEST_F(CreateChecks, DurableContextsOfTwoVersionsExcludeEachOther) {
  for (int which = 0; which < 16; ++which) {
    auto body = RawClient::create_body("f");
    auto& contexts = body.contexts;
    contexts.durable_handle_request = (which & 1) != 0;
    if (which & 2) contexts.durable_handle_reconnect = FileId{7777, 7777};
    if (which & 4) contexts.durable_handle_request_v2 = {.create_guid = CreateGuid{{9}}};
    if (which & 8) contexts.durable_handle_reconnect_v2 = {.file_id = {7777, 7777}};
    const bool v1 = (which & 3) != 0;
    const bool is_mixed = ((which & 4) && (which & 11)) || ((which & 8) && v1);
    NtStatus expected = (which & 10) != 0 ? kObjectNameNotFound : kSuccess;
    if (is_mixed) expected = kInvalidParameter;
    EXPECT_EQ(status(body), expected) << which;
  }
}

// Those of a share: of IPC$ all, of a share that is read-only those to read.
struct ReadOnlyShare : CreateChecks {
  void SetUp() override {
    CreateChecks::SetUp();
    make("f", "content");
    make("f:s", "stream");
    share().read_only = true;
    ASSERT_EQ(client.tree_connect(), kSuccess);
  }
};

TEST_F(ReadOnlyShare, GrantsWhatIsReadAndNothingElse) {
  const auto ask = [&](std::string_view name, CreateDisposition disposition, uint32_t access) {
    return status(name, disposition, 0, 0, access);
  };
  for (const char* name : {"f", "f:s"}) {
    EXPECT_EQ(ask(name, CreateDisposition::kOpen, Access::kGenericRead), kSuccess) << name;
    EXPECT_EQ(ask(name, CreateDisposition::kOpen, Access::kGenericExecute), kSuccess) << name;
    EXPECT_EQ(ask(name, CreateDisposition::kOpen, Access::kMaximumAllowed), kSuccess) << name;
    EXPECT_EQ(ask(name, CreateDisposition::kOpen, Access::kFileWriteData), kAccessDenied) << name;
    EXPECT_EQ(ask(name, CreateDisposition::kOpen, Access::kDelete), kAccessDenied) << name;
    EXPECT_EQ(ask(name, CreateDisposition::kOverwrite, Access::kFileReadData), kAccessDenied);
    EXPECT_EQ(ask(name, CreateDisposition::kOpenIf, Access::kFileReadData), kSuccess);
  }
  EXPECT_EQ(ask("new", CreateDisposition::kOpenIf, Access::kFileReadData), kAccessDenied);
  EXPECT_EQ(ask("new:s", CreateDisposition::kOpenIf, Access::kFileReadData), kAccessDenied);
  EXPECT_EQ(ask("f:new", CreateDisposition::kOpenIf, Access::kFileReadData), kAccessDenied);
  EXPECT_EQ(content("f"), "STATUS_FILE_CLOSED");
}

TEST_F(ReadOnlyShare, TellsThatNoMoreIsToBeHad) {
  auto body = RawClient::create_body("f");
  body.create_disposition = CreateDisposition::kOpen;
  body.desired_access = Access::kMaximumAllowed;
  body.contexts.query_maximal_access.emplace();
  const auto answer = client.exchange(client.request(Command::kCreate, body));
  ASSERT_EQ(answer->status(), kSuccess);
  EXPECT_EQ(answer->as<wire::CreateResponse>().contexts.query_maximal_access->maximal_access,
            Access::kFileGenericRead | Access::kFileGenericExecute);
}

}  // namespace
}  // namespace braid::smb2
