#include "smb2/persistent/handles_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "base/unique_fd.h"
#include "runtime/worker_pool.h"
#include "smb2/persistent/persistent_open.h"
#include "store/handle_log.h"
#include "store/log_reader.h"

namespace braid::smb2 {
namespace {

struct HandlesFolder : testing::Test {
  HandlesFolder() {
    char name[] = "/tmp/braid-handles-XXXXXX";
    share.real_path = ::mkdtemp(name);
    struct stat st{};
    EXPECT_EQ(::stat(share.real_path.c_str(), &st), 0);
    share.folder.inode = st.st_ino;
  }
  ~HandlesFolder() override { std::filesystem::remove_all(share.real_path); }
  bool is_refused() { return open_handles_folder(share).error().is_os(EPERM); }
  std::string own() const { return share.real_path + "/.braid"; }

  Share share;
};

TEST_F(HandlesFolder, IsMadeAndFoundAgain) {
  EXPECT_TRUE(open_handles_folder(share));
  EXPECT_TRUE(open_handles_folder(share));
}

TEST_F(HandlesFolder, NeedsTheTimeOfBirth) {
  Share other;
  other.real_path = "/proc";
  struct stat st{};
  ASSERT_EQ(::stat("/proc", &st), 0);
  other.folder.inode = st.st_ino;
  EXPECT_TRUE(open_handles_folder(other).error().is_os(EOPNOTSUPP));
}

// Else somebody who may write to the share's folder by himself could say what was open.
TEST_F(HandlesFolder, ThatSomebodyElseMayHaveMadeIsNotBelieved) {
  ASSERT_TRUE(open_handles_folder(share));
  for (const std::string& folder : {own(), own() + "/handles"}) {
    for (const mode_t mode : {0720, 0702}) {
      ASSERT_EQ(::chmod(folder.c_str(), mode), 0);
      EXPECT_TRUE(is_refused()) << folder;
    }
    ASSERT_EQ(::chmod(folder.c_str(), 0700), 0);
    if (::geteuid() != 0) continue;
    ASSERT_EQ(::chown(folder.c_str(), 65'534, 65'534), 0);
    EXPECT_TRUE(is_refused()) << folder;
    ASSERT_EQ(::chown(folder.c_str(), 0, 0), 0);
  }
  EXPECT_TRUE(open_handles_folder(share));
}

// Between, others have opened and changed what was promised.
TEST_F(HandlesFolder, ServedWithoutItsHandlesItHasNoneAnyMore) {
  ASSERT_EQ(::mkdir(own().c_str(), 0700), 0);
  const std::string handles = own() + "/handles";
  ASSERT_EQ(::mkdir(handles.c_str(), 0700), 0);
  const auto folder =
      store::open_posix_log_folder(UniqueFd(::open(handles.c_str(), O_RDONLY | O_DIRECTORY)));
  WorkerPool pool(1);
  const auto leave_log = [&](uint64_t epoch) {
    const store::LogOwner owner{.share = {{1}}, .server = {{2}}, .worker = 0, .epoch = epoch};
    const auto log = store::HandleLog::create(*folder, owner, {}, pool, {}).value();
    static_cast<void>(log->put(open_record_key(1), Bytes{1}, store::Urgency::kOrdinary));
    log->stop();
  };
  leave_log(1);
  const auto connect = [this](bool with_handles) {
    config::Share wanted;
    wanted.name = "a";
    wanted.path = share.real_path;
    wanted.continuous_availability = with_handles;
    return ShareEntry(wanted, nullptr).connect({});
  };
  ASSERT_TRUE(connect(true));
  EXPECT_EQ(store::list_logs(*folder)->logs.size(), 1u);
  const auto plain = connect(false);
  ASSERT_TRUE(plain);
  EXPECT_EQ(store::list_logs(*folder)->logs.size(), 0u);
  // But while the log of this process is there it is true.
  ASSERT_TRUE(open_handles_folder(**plain));
  leave_log(2);
  ASSERT_TRUE(connect(false));
  EXPECT_EQ(store::list_logs(*folder)->logs.size(), 1u);
}

}  // namespace
}  // namespace braid::smb2
