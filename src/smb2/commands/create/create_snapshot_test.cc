// CREATE in a previous version of the share: [MS-SMB2] 2.2.13.2.7 and "@GMT-" tokens in names.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "smb2/commands/ioctl/fsctl_testing.h"
#include "smb2/shares/snapshots.h"
#include "vfs/posix/posix_volume.h"
#include "wire/smb2/network_resiliency.h"
#include "wire/smb2/srv_snapshot_array.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::CreateDisposition;
using wire::Fsctl;
using enum NtStatus;

// A folder of the machine with two previous versions; the file is larger in each.
struct SnapshotFolder {
  SnapshotFolder() {
    char name[] = "/tmp/create_snapshot_test.XXXXXX";
    root = ::mkdtemp(name);
    std::filesystem::create_directories(root + "/.snapshots/" + kOld + "/sub");
    std::filesystem::create_directories(root + "/.snapshots/" + kNew);
    std::filesystem::create_directories(root + "/sub");
    put("/f", "now now now");
    put(std::string("/.snapshots/") + kOld + "/f", "old");
    put(std::string("/.snapshots/") + kOld + "/sub/g", "old g");
    put(std::string("/.snapshots/") + kNew + "/f", "newer");
  }
  ~SnapshotFolder() { std::filesystem::remove_all(root); }
  void put(const std::string& name, const char* content) const {
    std::ofstream(root + name) << content;
  }
  static constexpr const char* kOld = "@GMT-2024.02.29-12.00.00";
  static constexpr const char* kNew = "@GMT-2024.03.01-12.00.00";
  static constexpr int64_t kOldSecond = 1709208000;
  std::string root;
};

struct CreateSnapshots : SnapshotFolder, Fsctls {
  CreateSnapshots() : Fsctls(vfs::open_posix_volume(root).value()) {
    vfs::Path folder;
    EXPECT_TRUE(folder.append(".snapshots"));
    share().snapshots = std::make_shared<Snapshots>(share(), folder);
  }
  wire::CreateRequest body_of(std::string_view name, std::optional<FileTime> time = {},
                              CreateDisposition disposition = CreateDisposition::kOpen) const {
    auto body = RawClient::create_body(name);
    body.create_disposition = disposition;
    body.desired_access = Access::kGenericRead;
    body.contexts.timewarp_token = time;
    return body;
  }
  NtStatus status_of(const wire::CreateRequest& body) {
    const auto answer = client.exchange(client.request(wire::Command::kCreate, body));
    if (answer->status() == kSuccess) {
      client.close_file(answer->as<wire::CreateResponse>().file_id);
    }
    return answer->status();
  }
  std::string content_of(const wire::CreateRequest& body) {
    const FileId id = client.create(body);
    if (id == FileId{}) return std::string(name_of(status_of(body)));
    const std::string found = content(id);
    client.close_file(id);
    return found;
  }
  static FileTime at(int64_t second) { return to_file_time({.tv_sec = second, .tv_nsec = 0}); }
};

TEST_F(CreateSnapshots, TimeOfTheContextIsThatOfTheVersion) {
  EXPECT_EQ(content_of(body_of("f", at(kOldSecond))), "old");
  EXPECT_EQ(content_of(body_of("F", at(kOldSecond + 86'400))), "newer");
  EXPECT_EQ(content_of(body_of("f", FileTime{})), "now now now");
  EXPECT_EQ(status_of(body_of("f", at(kOldSecond + 1))), kObjectNameNotFound);
  EXPECT_EQ(status_of(body_of("none", at(kOldSecond))), kObjectNameNotFound);
}

TEST_F(CreateSnapshots, TokenMayStandAnywhereInTheName) {
  const std::string token = kOld;
  EXPECT_EQ(content_of(body_of(token + "\\f")), "old");
  EXPECT_EQ(content_of(body_of(token + "\\sub\\g")), "old g");
  EXPECT_EQ(content_of(body_of("sub\\" + token + "\\g")), "old g");
  EXPECT_EQ(content_of(body_of(".snapshots\\" + token + "\\f")), "old");
  EXPECT_EQ(content_of(body_of(".SNAPSHOTS\\" + token + "\\sub\\g")), "old g");
  EXPECT_EQ(status_of(body_of("other\\" + token + "\\f")), kObjectPathNotFound);
  EXPECT_EQ(status_of(body_of(token)), kSuccess);
  // It says more than the context.
  EXPECT_EQ(content_of(body_of(token + "\\f", at(kOldSecond + 86'400))), "old");
  EXPECT_EQ(status_of(body_of("@GMT-1969.12.31-23.59.59\\f")), kObjectNameNotFound);
}

TEST_F(CreateSnapshots, NothingIsMadeOrChanged) {
  using enum CreateDisposition;
  struct {
    CreateDisposition disposition;
    NtStatus there, missing;
  } constexpr kCases[] = {
      {kOpen, kSuccess, kObjectNameNotFound},
      {kOpenIf, kSuccess, kObjectNameNotFound},
      {kCreate, kMediaWriteProtected, kMediaWriteProtected},
      {kOverwrite, kMediaWriteProtected, kMediaWriteProtected},
      {kOverwriteIf, kMediaWriteProtected, kMediaWriteProtected},
      {kSupersede, kMediaWriteProtected, kMediaWriteProtected},
  };
  for (const auto& each : kCases) {
    EXPECT_EQ(status_of(body_of("f", at(kOldSecond), each.disposition)), each.there);
    EXPECT_EQ(status_of(body_of("none", at(kOldSecond), each.disposition)), each.missing);
  }
  auto body = body_of("f", at(kOldSecond));
  body.desired_access = Access::kDelete;
  body.create_options = wire::CreateOptions::kDeleteOnClose;
  EXPECT_EQ(status_of(body), kMediaWriteProtected);
  // Who opens for writing learns of his mistake when he writes.
  body = body_of("f", at(kOldSecond));
  body.desired_access = Access::kFileReadData | Access::kFileWriteData;
  const FileId id = client.create(body);
  ASSERT_NE(id, FileId{});
  EXPECT_EQ(write(id, "x"), kMediaWriteProtected);
  EXPECT_EQ(content(id), "old");
  // Nor is it kept for a client that is gone.
  body = body_of("f", at(kOldSecond));
  body.requested_oplock_level = wire::OplockLevel::kBatch;
  body.contexts.durable_handle_request = true;
  const auto answer = client.exchange(client.request(wire::Command::kCreate, body));
  ASSERT_EQ(answer->status(), kSuccess);
  EXPECT_FALSE(answer->as<wire::CreateResponse>().contexts.durable_handle_response);
  EXPECT_EQ(status(Fsctl::kLmrRequestResiliency, answer->as<wire::CreateResponse>().file_id,
                   encoded(wire::NetworkResiliencyRequest{.timeout_ms = 1000})),
            kInvalidDeviceRequest);
}

TEST_F(CreateSnapshots, ShareWithoutAnyHasNoTimes) {
  share().snapshots.reset();
  EXPECT_EQ(status_of(body_of("f", at(kOldSecond))), kObjectNameNotFound);
  EXPECT_EQ(content_of(body_of("f", FileTime{})), "now now now");
  EXPECT_EQ(status_of(body_of(std::string(kOld) + "\\f")), kObjectPathNotFound);
}

// [MS-SMB2] 3.3.5.15.1: the newest first; all, or how much room they need.
TEST_F(CreateSnapshots, AreListedAllOrNone) {
  const FileId id = client.create(body_of("f"));
  const auto listed = [&](uint32_t room) {
    const Told told = ask(Fsctl::kSrvEnumerateSnapshots, id, {}, room);
    EXPECT_EQ(told.status, kSuccess);
    return decoded<wire::SrvSnapshotArray>(told.output);
  };
  const uint32_t size = wire::SrvSnapshotArray::array_size_for(2);
  auto all = listed(wire::SrvSnapshotArray::kHeadSize + size);
  EXPECT_EQ(all.snapshots, (std::vector<std::string>{kNew, kOld}));
  EXPECT_EQ(all.number_of_snapshots, 2u);
  EXPECT_EQ(all.snapshot_array_size, size);
  all = listed(wire::SrvSnapshotArray::kHeadSize + size - 1);
  EXPECT_TRUE(all.snapshots.empty());
  EXPECT_EQ(all.number_of_snapshots, 2u);
  EXPECT_EQ(all.snapshot_array_size, size);
}

// 3.3.5.15.9: of an ordinary handle, for as long as Windows lets it.
TEST_F(CreateSnapshots, ResiliencyIsForFilesOfNow) {
  const FileId id = client.create(body_of("f"));
  const auto ask_for = [&](FileId of, uint32_t timeout_ms) {
    return status(Fsctl::kLmrRequestResiliency, of,
                  encoded(wire::NetworkResiliencyRequest{.timeout_ms = timeout_ms}));
  };
  EXPECT_EQ(ask_for(id, 300'000), kSuccess);
  EXPECT_EQ(ask_for(id, 300'001), kInvalidParameter);
  EXPECT_EQ(ask_for(id, 0), kSuccess);
  EXPECT_EQ(status(Fsctl::kLmrRequestResiliency, id, Bytes(7)), kInvalidParameter);
  EXPECT_EQ(ask_for(client.create(body_of("sub")), 1000), kInvalidDeviceRequest);
  RawClient old{engine, ClientGuid{{9}}};
  ASSERT_TRUE(old.log_on(wire::Dialect::kSmb202));
  EXPECT_EQ(ask(old, Fsctl::kLmrRequestResiliency, old.create("f"),
                encoded(wire::NetworkResiliencyRequest{.timeout_ms = 1000}))
                .status,
            kInvalidDeviceRequest);
}

}  // namespace
}  // namespace braid::smb2
