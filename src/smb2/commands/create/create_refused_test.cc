// A CREATE that is refused has made nothing, and takes nothing of anybody's with it: [MS-FSA]
// 2.1.5.1.1 "Creation of a New File".
#include <cerrno>

#include "smb2/two_clients_testing.h"
#include "wire/fscc/full_ea.h"
#include "wire/smb2/read.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::CreateAction;
using wire::CreateDisposition;

// What the first client asks for, and the operation that it waits in, or is refused by.
struct Asked {
  const char* what;
  const char* operation;
  NtStatus refused;
  const char* name = "f";
  uint32_t options = 0;
};
std::ostream& operator<<(std::ostream& out, const Asked& asked) { return out << asked.what; }

struct RefusedCreate : TwoClients, testing::WithParamInterface<Asked> {
  wire::CreateRequest asked() const {
    auto body = RawClient::create_body(GetParam().name);
    body.create_disposition = CreateDisposition::kOpenIf;
    body.create_options = GetParam().options;
    if (std::string_view(GetParam().operation) == "allocate") {
      body.contexts.allocation_size = 4096;
    } else {
      body.contexts.ea_buffer = eas;
    }
    return body;
  }
  // The first client's CREATE has made what it asks for, and waits before the rest.
  void begin() {
    TwoClients::begin(first.request(Command::kCreate, asked()), GetParam().operation);
  }
  // The other client makes the file "f" (or directory) meanwhile, and is done with it.
  void make() {
    auto body = RawClient::create_body("f");
    body.create_disposition = CreateDisposition::kOpenIf;
    body.create_options = GetParam().options;
    const auto answer = second.exchange(second.request(Command::kCreate, body));
    ASSERT_EQ(answer->status(), NtStatus::kSuccess);
    const auto made = answer->as<wire::CreateResponse>();
    EXPECT_EQ(made.create_action, CreateAction::kCreated);
    if (GetParam().options == 0) {
      ASSERT_EQ(write(second, made.file_id, "theirs"), NtStatus::kSuccess);
    }
    ASSERT_EQ(second.close_file(made.file_id), NtStatus::kSuccess);
  }
  NtStatus status_of_open(std::string_view name) {
    auto body = RawClient::create_body(name);
    body.create_disposition = CreateDisposition::kOpen;
    const auto answer = second.exchange(second.request(Command::kCreate, body));
    if (answer->status() == NtStatus::kSuccess) {
      second.close_file(answer->as<wire::CreateResponse>().file_id);
    }
    return answer->status();
  }
  void expect_theirs() {
    auto body = RawClient::create_body("f");
    body.create_disposition = CreateDisposition::kOpen;
    const auto answer = second.exchange(second.request(Command::kCreate, body));
    ASSERT_EQ(answer->status(), NtStatus::kSuccess) << "it was taken away";
    const FileId id = answer->as<wire::CreateResponse>().file_id;
    if (GetParam().options == 0) {
      const auto read = second.exchange(
          second.request(Command::kRead, wire::ReadRequest{.length = 100, .file_id = id}));
      ASSERT_EQ(read->status(), NtStatus::kSuccess);
      EXPECT_EQ(as_text(read->as<wire::ReadResponse>().data), "theirs");
    }
    second.close_file(id);
  }

  // One EA "A" with the value "x".
  const Bytes eas{0, 0, 0, 0, 0, 1, 1, 0, 'A', 0, 'x'};
};

TEST_P(RefusedCreate, LeavesNothing) {
  plan->fail_operation(GetParam().operation, ENOSPC);
  EXPECT_EQ(first.status_of(first.request(Command::kCreate, asked())), GetParam().refused);
  EXPECT_EQ(status_of_open("f"), NtStatus::kObjectNameNotFound);
}

TEST_P(RefusedCreate, WasNeverThereForOthers) {
  begin();
  EXPECT_EQ(status_of_open("f"), NtStatus::kObjectNameNotFound);
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kSuccess);
  EXPECT_EQ(status_of_open("f"), NtStatus::kSuccess);
}

TEST_P(RefusedCreate, TakesNothingOfOthersAway) {
  begin();
  make();
  plan->fail_operation(GetParam().operation, ENOSPC);
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), GetParam().refused);
  expect_theirs();
}

// It is not refused, but the other was faster.
TEST_P(RefusedCreate, ThatComesSecondOpensWhatIsThere) {
  begin();
  make();
  plan->let_go();
  const auto answer = first.receive();
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  if (std::string_view(GetParam().name) == "f") {
    EXPECT_EQ(answer->as<wire::CreateResponse>().create_action, CreateAction::kOpened);
  }
  first.close_file(answer->as<wire::CreateResponse>().file_id);
  expect_theirs();
}

INSTANTIATE_TEST_SUITE_P(
    Create, RefusedCreate,
    testing::Values(Asked{"Attributes", "set_xattr", NtStatus::kEaTooLarge},
                    Asked{"Room", "allocate", NtStatus::kDiskFull},
                    Asked{"RoomOfStream", "allocate", NtStatus::kDiskFull, "f:s"},
                    Asked{"DirectoryWithAttributes", "set_xattr", NtStatus::kEaTooLarge, "f",
                          wire::CreateOptions::kDirectoryFile}),
    [](const auto& param) { return std::string(param.param.what); });

// The stream of a file that is there.
using RefusedCreateOfStream = TwoClients;
TEST_F(RefusedCreateOfStream, TakesNothingOfOthersAway) {
  second.close_file(second.create(RawClient::create_body("f")));
  auto body = RawClient::create_body("f:s");
  body.create_disposition = CreateDisposition::kOpenIf;
  body.contexts.allocation_size = 4096;
  begin(first.request(Command::kCreate, body), "allocate");
  second.close_file(second.create(RawClient::create_body("f:s")));
  plan->fail_operation("allocate", ENOSPC);
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kDiskFull);
  body.create_disposition = CreateDisposition::kOpen;
  EXPECT_EQ(second.status_of(second.request(Command::kCreate, body)), NtStatus::kSuccess);
}

// It was made and cannot be written through, so it goes again: whoever wants it meanwhile waits for
// that and makes his own.
TEST_F(RefusedCreateOfStream, GoesBeforeOthersOpenIt) {
  second.close_file(second.create(RawClient::create_body("f")));
  auto body = RawClient::create_body("f:s");
  body.create_options = wire::CreateOptions::kWriteThrough;
  plan->fail_operation("flush", EIO);
  begin(first.request(Command::kCreate, body), "remove_stream");
  body.create_disposition = CreateDisposition::kOpenIf;
  body.create_options = 0;
  follow(second.request(Command::kCreate, body), "open_stream");
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kIoDeviceError);
  const auto answer = second.answer_to(second.next_message_id - 1);
  ASSERT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->as<wire::CreateResponse>().create_action, CreateAction::kCreated);
  EXPECT_EQ(second.status_of(create(second, "f:s", CreateDisposition::kOpen)), NtStatus::kSuccess);
}

// What filestate refuses, or what fails once the file has its name.
struct RefusedLate : TwoClients {
  NtStatus status(const wire::CreateRequest& body) {
    return client.status_of(client.request(Command::kCreate, body));
  }
  NtStatus status_of_open(std::string_view name) {
    auto body = RawClient::create_body(name);
    body.create_disposition = CreateDisposition::kOpen;
    return status(body);
  }
  static wire::CreateRequest with_lease(std::string_view name) {
    auto body = RawClient::create_body(name);
    body.requested_oplock_level = wire::OplockLevel::kLease;
    body.contexts.request_lease = wire::LeaseContext{.lease_key = LeaseKey{{1}}, .lease_state = 1};
    return body;
  }
  // Files, streams and directories are made in different ways.
  std::vector<wire::CreateRequest> written_through() const {
    std::vector<wire::CreateRequest> all;
    for (const char* name : {"n", "f:n", "m:n"}) all.push_back(RawClient::create_body(name));
    all.push_back(RawClient::create_body("d"));
    all.back().create_options = wire::CreateOptions::kDirectoryFile;
    all.push_back(RawClient::create_body("e"));
    all.back().contexts.ea_buffer = eas;
    for (auto& body : all) body.create_options |= wire::CreateOptions::kWriteThrough;
    return all;
  }

  const Bytes eas{0, 0, 0, 0, 0, 1, 1, 0, 'A', 0, 'x'};
  RawClient& client = first;
};

TEST_F(RefusedLate, StreamBesideWhoDeletesTheFile) {
  auto body = RawClient::create_body("f");
  body.desired_access = wire::Access::kDelete;
  const FileId deleter = client.create(body);
  body = RawClient::create_body("f:s");
  body.share_access = 0;
  EXPECT_EQ(status(body), NtStatus::kSharingViolation);
  client.close_file(deleter);
  EXPECT_EQ(status_of_open("f:s"), NtStatus::kObjectNameNotFound);
}

TEST_F(RefusedLate, LeaseKeyOfAnotherFile) {
  ASSERT_EQ(status(with_lease("f")), NtStatus::kSuccess);
  EXPECT_EQ(status(with_lease("f:s")), NtStatus::kInvalidParameter);
  EXPECT_EQ(status_of_open("f:s"), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(status(with_lease("g:s")), NtStatus::kInvalidParameter);
  EXPECT_EQ(status_of_open("g"), NtStatus::kObjectNameNotFound);
}

// The same client takes the key for another file while this one is being made.
TEST_F(RefusedLate, LeaseKeyThatWasTakenMeanwhile) {
  make("f", "content");
  RawClient same{engine};
  ASSERT_TRUE(same.log_on());
  begin(client.request(Command::kCreate, with_lease("n")), "create");
  (void)same.create(with_lease("f"));
  plan->let_go();
  EXPECT_EQ(client.receive()->status(), NtStatus::kInvalidParameter);
  EXPECT_EQ(status_of_open("n"), NtStatus::kObjectNameNotFound);
  same.close();
}

TEST_F(RefusedLate, NotOnTheDisk) {
  client.close_file(client.create("f"));
  for (const auto& body : written_through()) {
    plan->fail_operation("flush", EIO);
    EXPECT_EQ(status(body), NtStatus::kIoDeviceError) << body.name;
    plan->clear();
    EXPECT_EQ(status_of_open(body.name), NtStatus::kObjectNameNotFound) << body.name;
  }
  EXPECT_EQ(status_of_open("m"), NtStatus::kObjectNameNotFound);
}

}  // namespace
}  // namespace braid::smb2
