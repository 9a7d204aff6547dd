// A CREATE opens what its name leads to, although names change after it has looked.
#include "smb2/raw_client_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/read.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::CreateDisposition;
using wire::FileInfoClass;

// The first client's CREATE of "f" has found the file, and waits with the question whether it may
// be deleted when it is closed.
struct CreateRace : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(first.log_on());
    ASSERT_TRUE(second.log_on());
    make("f", "old");
    make("g", "new");
  }
  void TearDown() override {
    plan->let_go();
    first.close();
    second.close();
  }
  void make(std::string_view name, std::string_view text) {
    const FileId id = second.create(name);
    ASSERT_EQ(second.status_of(second.request(
                  Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes(text)})),
              NtStatus::kSuccess);
    second.close_file(id);
  }
  void begin(CreateDisposition disposition) {
    auto body = RawClient::create_body("f");
    body.create_disposition = disposition;
    body.create_options = wire::CreateOptions::kDeleteOnClose;
    plan->hold_operation("is_read_only");
    first.send(first.request(Command::kCreate, body));
    plan->await_held(1);
  }
  NtStatus set(FileId id, FileInfoClass info_class, ByteView buffer) {
    wire::SetInfoRequest set;
    set.info_type = wire::InfoType::kFile;
    set.file_info_class = static_cast<uint8_t>(info_class);
    set.file_id = id;
    set.buffer = buffer;
    return second.status_of(second.request(Command::kSetInfo, set));
  }
  NtStatus rename(FileId id, std::string_view to) {
    Bytes buffer;
    wire::Writer writer(buffer);
    wire::FileRenameInformation{.replace_if_exists = true, .file_name = std::string(to)}.encode(
        writer);
    return set(id, FileInfoClass::kRename, buffer);
  }
  std::string content(RawClient& client, FileId id) {
    const auto answer = client.exchange(
        client.request(Command::kRead, wire::ReadRequest{.length = 100, .file_id = id}));
    if (answer->status() != NtStatus::kSuccess) return std::string(name_of(answer->status()));
    return std::string(as_text(answer->as<wire::ReadResponse>().data));
  }

  std::shared_ptr<vfs::FaultPlan> plan = vfs::make_fault_plan();
  Engine engine{Engine::lenient(), system_clock(), 2,
                Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(), plan))};
  RawClient first{engine};
  RawClient second{engine, ClientGuid{{8}}};
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

}  // namespace
}  // namespace braid::smb2
