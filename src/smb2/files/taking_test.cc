// What is removed or exchanged is taken first: who opens it meanwhile waits and looks again.
#include "smb2/files/taking.h"

#include "smb2/two_clients_testing.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/reparse.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/read.h"
#include "wire/smb2/set_info.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::CreateDisposition;

// The first client takes something, and its volume holds the call that removes it.
struct Taking : TwoClients {
  Taking() : TwoClients(4) {}
  std::string content(std::string_view name) {
    const auto opened = first.exchange(create(first, name, CreateDisposition::kOpen));
    if (opened->status() != NtStatus::kSuccess) return std::string(name_of(opened->status()));
    const FileId id = opened->as<wire::CreateResponse>().file_id;
    const auto answer = first.exchange(
        first.request(Command::kRead, wire::ReadRequest{.length = 100, .file_id = id}));
    return std::string(as_text(answer->as<wire::ReadResponse>().data));
  }
  // The second client's CREATE of `name` has found what is about to go.
  void find(std::string_view name, std::string_view operation) {
    follow(create(second, name, CreateDisposition::kOpenIf), operation);
  }
};

TEST_F(Taking, StreamThatAnOverwriteRemovesIsNotOpened) {
  make("f:s", "old");
  begin(create(first, "f", CreateDisposition::kOverwrite), "remove_stream");
  find("f:s", "open_stream");
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kSuccess);
  const auto opened = second.receive();
  ASSERT_EQ(opened->status(), NtStatus::kSuccess);
  const FileId id = opened->as<wire::CreateResponse>().file_id;
  ASSERT_EQ(write(second, id, "new"), NtStatus::kSuccess);
  EXPECT_EQ(content("f:s"), "new");
}

TEST_F(Taking, FileThatBecomesALinkIsNotOpened) {
  make("f", "");
  const FileId file = first.create("f");
  wire::SymlinkReparse link;
  link.relative = true;
  link.print_name = link.substitute_name = "target";
  const Bytes reparse =
      wire::ReparseData{.tag = vfs::kReparseTagSymlink, .data = std::move(link)}.encode();
  wire::IoctlRequest set;
  set.ctl_code = wire::Fsctl::kSetReparsePoint;
  set.file_id = file;
  set.input = reparse;
  set.flags = wire::IoctlRequest::kFlagIsFsctl;
  begin(first.request(Command::kIoctl, set), "replace");
  find("f", "open");
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kSuccess);
  EXPECT_EQ(second.receive()->status(), NtStatus::kStoppedOnSymlink);
}

// [MS-FSA] 2.1.5.15.12: nothing is to be deleted, so the second is as if it came later.
TEST_F(Taking, RenamesToOneNameAreOneAfterTheOther) {
  for (const std::string_view name : {"f", "one", "two"}) make(name, name);
  const FileId one = first.create("one"), two = second.create("two");
  const auto rename = [](RawClient& client, FileId id) {
    Bytes buffer;
    wire::Writer writer(buffer);
    wire::FileRenameInformation{.replace_if_exists = true, .file_name = "f"}.encode(writer);
    wire::SetInfoRequest set;
    set.info_type = wire::InfoType::kFile;
    set.file_info_class = static_cast<uint8_t>(wire::FileInfoClass::kRename);
    set.file_id = id;
    set.buffer = buffer;
    return client.request(Command::kSetInfo, set);
  };
  begin(rename(first, one), "rename");
  follow(rename(second, two), "lookup");
  plan->let_go();
  EXPECT_EQ(first.receive()->status(), NtStatus::kSuccess);
  EXPECT_EQ(second.receive()->status(), NtStatus::kAccessDenied) << "of what the first has open";
}

}  // namespace
}  // namespace braid::smb2
