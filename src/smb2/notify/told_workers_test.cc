// What a worker tells another one of the changes that its clients make.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "smb2/notify/notify_hub.h"
#include "smb2/raw_client_testing.h"
#include "store/worker_group_testing.h"
#include "vfs/posix/posix_volume.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/set_info.h"

namespace braid::smb2 {
namespace {

// Worker 0 has clients. Of worker 1 only the messages are there, from start() on.
struct ToldWorkers : testing::Test {
  ToldWorkers() {
    char name[] = "/tmp/braid-told-XXXXXX";
    folder = ::mkdtemp(name);
    std::vector<std::shared_ptr<const Share>> shares;
    for (const char* each : {"files", "other"}) {
      auto share = std::make_shared<Share>();
      share->name = each;
      share->real_path = folder + "/" + each;
      std::filesystem::create_directory(share->real_path);
      share->volume = *vfs::open_posix_volume(share->real_path);
      shares.push_back(std::move(share));
    }
    engine = std::make_unique<Engine>(Engine::lenient(), system_clock(), 2,
                                      std::make_shared<const ShareTable>(std::move(shares)),
                                      workers.groups[0].get());
    client = std::make_unique<RawClient>(*engine, ClientGuid{{1}});
    EXPECT_EQ(client->negotiate(), NtStatus::kSuccess);
    EXPECT_EQ(client->session_setup(), NtStatus::kSuccess);
    EXPECT_EQ(client->tree_connect(), NtStatus::kSuccess);
    workers.groups[1]->bus().handle(
        store::Topic::kChanges, [this](store::BusMessage& message) { take(message.payload); },
        [this] {
          const std::lock_guard lock(mutex);
          missed++;
        });
    workers.groups[1]->say_watches(1);
  }
  ~ToldWorkers() override {
    workers.groups[1]->stop();
    client.reset();
    engine.reset();
    std::filesystem::remove_all(folder);
  }
  void take(ByteView message) {
    const std::lock_guard lock(mutex);
    longest = std::max(longest, message.size());
    const auto event = ChangeEvent::decode(message);
    if (!event) return;
    for (const PathChange& change : event->changes) told.push_back(change.path);
    for (const ChangeEvent::Lost& each : event->lost) {
      lost.push_back(each.directory + (each.below ? "/..." : ""));
    }
    arrived.notify_all();
  }
  // What was told before and with a change of `path`, and that it was.
  bool hears(const std::string& path) {
    std::unique_lock lock(mutex);
    return arrived.wait_for(lock, std::chrono::seconds(20),
                            [&] { return std::ranges::count(told, path) != 0; });
  }
  bool hears_of_loss(const std::string& directory) {
    std::unique_lock lock(mutex);
    return arrived.wait_for(lock, std::chrono::seconds(20),
                            [&] { return std::ranges::count(lost, directory) != 0; });
  }
  void make(const std::string& name, uint32_t options) {
    auto body = RawClient::create_body(name);
    body.create_options = options;
    const FileId id = client->create(body);
    ASSERT_NE(id, FileId{});
    EXPECT_EQ(client->close_file(id), NtStatus::kSuccess);
  }
  void make_file(const std::string& name) { make(name, wire::CreateOptions::kNonDirectoryFile); }
  void make_directory(const std::string& name) { make(name, wire::CreateOptions::kDirectoryFile); }
  // Worker 1 is behind.
  void fill() {
    const std::string text(1'000, 'x');
    while (workers.groups[0]->bus().send(1, store::Topic::kChanges, as_bytes(text))) {
    }
  }

  std::string folder;
  store::TestGroup workers{2};
  WatchedRoots watches{workers.groups[1].get()};
  std::unique_ptr<Engine> engine;
  std::unique_ptr<RawClient> client;
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::string> told, lost;
  size_t longest = 0;
  int missed = 0;
};

TEST_F(ToldWorkers, OnlyWhoWatchesInTheShareIsTold) {
  workers.groups[1]->start();
  auto held = watches.hold(folder + "/other");
  make_file("unheard");
  held = watches.hold(folder + "/files");
  make_file("heard");
  EXPECT_TRUE(hears(folder + "/files/heard"));
  EXPECT_EQ(told, (std::vector<std::string>{folder + "/files/heard"}));
}

TEST_F(ToldWorkers, WhatItMissesItHearsTheDirectoryOf) {
  make_directory("a");
  make_directory("b");
  const auto held = watches.hold(folder + "/files");
  fill();
  make_file("a\\x");
  workers.groups[1]->start();
  EXPECT_TRUE(hears_of_loss(folder + "/files/a"));
  make_file("b\\x");
  EXPECT_TRUE(hears(folder + "/files/b/x"));
  EXPECT_EQ(lost, (std::vector<std::string>{folder + "/files/a"}));
  EXPECT_EQ(missed, 0);
}

TEST_F(ToldWorkers, DirectoryThatMovesIsToldHoweverMuchWaits) {
  make_directory("a");
  const auto held = watches.hold(folder + "/files");
  fill();
  auto body = RawClient::create_body("a");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  body.desired_access = wire::Access::kFileAllAccess;
  const FileId id = client->create(body);
  Bytes to;
  wire::Writer w(to);
  wire::FileRenameInformation{.file_name = "b"}.encode(w);
  wire::SetInfoRequest rename;
  rename.info_type = wire::InfoType::kFile;
  rename.file_info_class = static_cast<uint8_t>(wire::FileInfoClass::kRename);
  rename.file_id = id;
  rename.buffer = to;
  ASSERT_EQ(client->status_of(client->request(wire::Command::kSetInfo, rename)),
            NtStatus::kSuccess);
  workers.groups[1]->start();
  EXPECT_TRUE(hears(folder + "/files/b"));
  EXPECT_TRUE(lost.empty());
}

TEST_F(ToldWorkers, EventOfALongPathIsBounded) {
  const std::string name(250, 'n');
  std::string path = name;
  for (int i = 0; i < 70; ++i) {
    make_directory(path);
    path += "\\" + name;
  }
  const auto held = watches.hold(folder + "/files");
  workers.groups[1]->start();
  make_file(path);
  make_file("short");
  EXPECT_TRUE(hears(folder + "/files/short"));
  EXPECT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost.front(), folder + "/files/" + name + "/...");
  EXPECT_LE(longest, NotifyHub::kEventBytesMax);
}

}  // namespace
}  // namespace braid::smb2
