#include "store/handle_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "runtime/identity.h"
#include "store/fault_disk_testing.h"
#include "store/log_reader.h"

namespace braid::store {
namespace {

LogOwner handle_owner() {
  LogOwner owner;
  owner.share.bytes = {1};
  owner.server.bytes = {2};
  owner.epoch = 1;
  return owner;
}

// Holds syncs up and refuses new files, when asked to.
class GatedFolder final : public LogFolder {
 public:
  explicit GatedFolder(std::unique_ptr<LogFolder> folder) : folder_(std::move(folder)) {}

  void hold() {
    const std::lock_guard lock(mutex_);
    is_held_ = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    is_held_ = false;
    changed_.notify_all();
  }
  // Until a sync is there and waits.
  void await_sync() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  int syncs() const { return syncs_; }
  // 0: makes them again.
  void refuse_new_files(int error) { refusal_ = error; }

  Result<std::vector<std::string>> list() override { return folder_->list(); }
  Result<std::shared_ptr<const void>> alone() override { return folder_->alone(); }
  Result<std::unique_ptr<LogFile>> open(const std::string& name) override {
    return folder_->open(name);
  }
  Result<std::unique_ptr<LogFile>> create(const std::string& name) override {
    if (refusal_ != 0) return fail_os(refusal_);
    BRAID_TRY(auto file, folder_->create(name));
    return std::make_unique<File>(*this, std::move(file));
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return folder_->rename(from, to);
  }
  Result<std::optional<std::unique_ptr<LogFile>>> claim(const std::string& name) override {
    return folder_->claim(name);
  }
  Result<void> remove(const std::string& name) override { return folder_->remove(name); }
  Result<void> sync() override { return folder_->sync(); }

 private:
  class File final : public LogFile {
   public:
    File(GatedFolder& gate, std::unique_ptr<LogFile> file) : gate_(gate), file_(std::move(file)) {}
    Result<uint64_t> size() override { return file_->size(); }
    Result<size_t> read(uint64_t at, MutableByteView into) override {
      return file_->read(at, into);
    }
    Result<size_t> write(uint64_t at, ByteView bytes) override { return file_->write(at, bytes); }
    Result<void> allocate(uint64_t end) override { return file_->allocate(end); }
    Result<void> sync() override {
      gate_.pass();
      return file_->sync();
    }

   private:
    GatedFolder& gate_;
    const std::unique_ptr<LogFile> file_;
  };

  void pass() {
    std::unique_lock lock(mutex_);
    ++syncs_;
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !is_held_; });
    --waiting_;
  }

  const std::unique_ptr<LogFolder> folder_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_held_ = false;
  int waiting_ = 0;
  std::atomic<int> syncs_ = 0;
  std::atomic<int> refusal_ = 0;
};

class HandleLogTest : public testing::Test {
 protected:
  void begin(const LogLimits& limits = {}) {
    auto made = HandleLog::create(folder_, handle_owner(), limits, pool_, {}, clock_);
    ASSERT_TRUE(made) << made.error().message();
    log_ = std::move(*made);
    begin_syncs_ = folder_.syncs();
  }
  // Blocks until it is on the disk.
  Result<void> wait(HandleLog::Ticket ticket) {
    Result<void> result;
    scope_.spawn(await(std::move(ticket), result));
    scope_.wait();
    return result;
  }
  Task<void> await(HandleLog::Ticket ticket, Result<void>& result) {
    result = co_await ticket.committed(waiters_);
  }
  Result<void> put(std::string_view key, std::string_view value) {
    return wait(log_->put(as_bytes(key), as_bytes(value), Urgency::kOrdinary));
  }
  std::map<std::string, std::string> found() {
    std::map<std::string, std::string> records;
    for (const auto& [key, record] :
         recover_log(folder_, log_->name(), handle_owner().share).records) {
      records[key] = record.value;
    }
    return records;
  }

  FaultDisk disk_{1};
  GatedFolder folder_{disk_.folder()};
  VirtualClock clock_;
  WorkerPool pool_{2};
  WorkerPool waiter_pool_{1};
  WorkerPool::Seat waiters_{waiter_pool_, {}};
  TaskScope scope_;
  std::unique_ptr<HandleLog> log_;
  int begin_syncs_ = 0;
};

TEST_F(HandleLogTest, WhatIsAcknowledgedIsThereAfterACrash) {
  begin();
  EXPECT_TRUE(put("a", "1"));
  EXPECT_TRUE(put("b", "2"));
  EXPECT_TRUE(wait(log_->erase(as_bytes("a"))));
  EXPECT_TRUE(wait(log_->erase(as_bytes("never there"))));
  disk_.restart(FaultDisk::Survives::kNothing);
  EXPECT_EQ(found(), (std::map<std::string, std::string>{{"b", "2"}}));
}

TEST_F(HandleLogTest, OneSyncServesAllThatWait) {
  begin();
  folder_.hold();
  std::vector<HandleLog::Ticket> tickets;
  tickets.push_back(log_->put(as_bytes("first"), {}, Urgency::kOrdinary));
  folder_.await_sync();
  for (int i = 0; i < 100; ++i) {
    tickets.push_back(
        log_->put(as_bytes("key " + std::to_string(i)), as_bytes("value"), Urgency::kOrdinary));
  }
  folder_.release();
  for (const auto& ticket : tickets) EXPECT_TRUE(wait(ticket));
  log_->stop();
  EXPECT_EQ(folder_.syncs() - begin_syncs_, 2);
  const HandleLogMetrics metrics = log_->metrics();
  EXPECT_EQ(metrics.commits, 2u);
  EXPECT_EQ(metrics.appends, 101u);
  EXPECT_EQ(metrics.records, 101u);
  EXPECT_EQ(metrics.commit_times[0], 2u);  // the clock stands still
}

TEST_F(HandleLogTest, NobodyIsToldBeforeTheSync) {
  begin();
  folder_.hold();
  auto ticket = log_->put(as_bytes("a"), as_bytes("1"), Urgency::kOrdinary);
  folder_.await_sync();
  Result<void> result = fail_os(EAGAIN);
  scope_.spawn(await(ticket, result));
  EXPECT_EQ(scope_.running(), 1u);
  folder_.release();
  scope_.wait();
  EXPECT_TRUE(result);
}

TEST_F(HandleLogTest, AppendsOfOneKeyKeepTheirOrder) {
  begin();
  std::optional<HandleLog::Ticket> last;
  for (int i = 0; i < 1000; ++i) {
    last = log_->put(as_bytes("key"), as_bytes(std::to_string(i)), Urgency::kOrdinary);
  }
  EXPECT_TRUE(wait(*last));
  EXPECT_EQ(found(), (std::map<std::string, std::string>{{"key", "999"}}));
}

TEST_F(HandleLogTest, LiveDataAboveTheLimitIsRefusedAndTheLogGoesOn) {
  const LogLimits limits{.bytes_max = 8 << 20};
  begin(limits);
  const std::string value(100'000, 'v');
  int accepted = 0;
  while (put("key " + std::to_string(accepted), value)) ++accepted;
  EXPECT_EQ(accepted, (2 << 20) / 100'048);
  const auto refused = put("another", value);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_os(ENOSPC));
  EXPECT_FALSE(log_->metrics().failure);
  EXPECT_EQ(log_->metrics().appends_refused, 2u);
  // What is there may change all the same, and something may go to make room.
  EXPECT_TRUE(wait(log_->put(as_bytes("key 0"), as_bytes(value), Urgency::kMustNotFail)));
  EXPECT_TRUE(wait(log_->erase(as_bytes("key 1"))));
  EXPECT_TRUE(put("another", value));
  // However long it goes on like this.
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(wait(log_->put(as_bytes("key 0"), as_bytes(value), Urgency::kMustNotFail)));
  }
  log_->stop();
  EXPECT_GT(log_->metrics().compactions, 1u);
  EXPECT_LE(log_->metrics().file_bytes, limits.bytes_max);
  EXPECT_EQ(found().size(), static_cast<size_t>(accepted));
}

TEST_F(HandleLogTest, FailedLogRefusesUntilItCouldBeWrittenAnew) {
  begin();
  EXPECT_TRUE(put("a", "1"));
  EXPECT_TRUE(put("b", "1"));
  disk_.fail_steps(disk_.steps(), ~uint64_t{0}, EIO);
  const auto refused = put("a", "2");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_os(EIO));
  EXPECT_FALSE(put("c", "1"));
  EXPECT_FALSE(wait(log_->erase(as_bytes("b"))));
  log_->stop();
  EXPECT_TRUE(log_->metrics().failure && log_->metrics().failure->is_os(EIO));
  EXPECT_EQ(log_->metrics().failures, 1u);
  EXPECT_EQ(found().at("b"), "1");  // what was acknowledged can be read

  disk_.fail_steps(~uint64_t{0}, ~uint64_t{0}, 0);
  EXPECT_FALSE(put("c", "1"));  // not yet
  EXPECT_FALSE(wait(log_->flush()));
  clock_.advance(std::chrono::seconds(5));
  EXPECT_TRUE(put("c", "2"));
  log_->stop();
  EXPECT_FALSE(log_->metrics().failure);
  disk_.restart(FaultDisk::Survives::kNothing);
  EXPECT_EQ(found(), (std::map<std::string, std::string>{{"a", "1"}, {"c", "2"}}));
}

TEST_F(HandleLogTest, FileThatCannotBeWrittenAnewServesUntilItIsFull) {
  begin({.bytes_max = 8 << 20});
  folder_.refuse_new_files(EDQUOT);
  const std::string value(100'000, 'v');
  int accepted = 0;
  while (put("key", std::to_string(accepted) + value)) ++accepted;
  EXPECT_EQ(accepted, ((8 << 20) - 512) / 100'048);
  log_->stop();
  const HandleLogMetrics metrics = log_->metrics();
  EXPECT_TRUE(metrics.failure && metrics.failure->is_os(ENOSPC));
  EXPECT_LE(metrics.file_bytes, uint64_t{8} << 20);
  EXPECT_GT(metrics.compactions_failed, 0u);
  EXPECT_LT(metrics.compactions_failed, 10u);  // the clock stands still
  EXPECT_EQ(found().at("key"), std::to_string(accepted - 1) + value);

  folder_.refuse_new_files(0);
  clock_.advance(std::chrono::seconds(5));
  EXPECT_TRUE(put("key", "small again"));
  log_->stop();
  EXPECT_LT(log_->metrics().file_bytes, 200'000u);
  EXPECT_EQ(found().at("key"), "small again");
}

TEST_F(HandleLogTest, FlushAloneMendsAFailedLog) {
  begin();
  EXPECT_TRUE(wait(log_->flush()));
  EXPECT_EQ(log_->metrics().commits, 0u);
  disk_.fail_steps(disk_.steps(), ~uint64_t{0}, ENOSPC);
  EXPECT_FALSE(put("a", "1"));
  const auto refused = wait(log_->flush());
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_os(ENOSPC));
  disk_.fail_steps(~uint64_t{0}, ~uint64_t{0}, 0);
  clock_.advance(std::chrono::seconds(5));
  EXPECT_TRUE(wait(log_->flush()));
  log_->stop();
  EXPECT_FALSE(log_->metrics().failure);
}

TEST_F(HandleLogTest, FlushWaitsForWhatWasAppendedBefore) {
  begin();
  folder_.hold();
  static_cast<void>(log_->put(as_bytes("a"), as_bytes("1"), Urgency::kOrdinary));
  folder_.await_sync();
  Result<void> result = fail_os(EAGAIN);
  scope_.spawn(await(log_->flush(), result));
  EXPECT_EQ(scope_.running(), 1u);
  folder_.release();
  scope_.wait();
  EXPECT_TRUE(result);
  EXPECT_EQ(found().at("a"), "1");
}

TEST_F(HandleLogTest, ManyThreadsAppendWhileTheFileIsWrittenAnew) {
  begin({.bytes_max = 8 << 20, .compact_min = 64 << 10, .step = 64 << 10, .piece = 8 << 10});
  constexpr int kThreads = 4, kKeys = 50, kRounds = 40;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        for (int i = 0; i < kKeys; ++i) {
          const std::string key = std::to_string(t) + " " + std::to_string(i);
          if (round % 7 == 6 && i % 2 == 0) {
            static_cast<void>(log_->erase(as_bytes(key)));
          } else {
            static_cast<void>(log_->put(as_bytes(key),
                                        as_bytes(std::to_string(round) + std::string(200, 'v')),
                                        Urgency::kOrdinary));
          }
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(put("last", ""));
  log_->stop();
  EXPECT_GT(log_->metrics().compactions, 0u);
  const auto records = found();
  EXPECT_EQ(records.size(), size_t{kThreads * kKeys + 1});
  for (const auto& [key, value] : records) {
    if (key != "last") EXPECT_EQ(value, std::to_string(kRounds - 1) + std::string(200, 'v'));
  }
  EXPECT_EQ(log_->metrics().records, records.size());
}

TEST(PosixLogFolder, LogOnADiskIsReadBack) {
  std::string path = (std::filesystem::temp_directory_path() / "braid-log-XXXXXX").string();
  ASSERT_TRUE(mkdtemp(path.data()));
  const auto folder = open_posix_log_folder(UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY)));
  WorkerPool pool(1);
  TaskScope scope;
  std::string name;
  {
    auto log = HandleLog::create(*folder, handle_owner(), {.compact_min = 64 << 10}, pool, {});
    ASSERT_TRUE(log) << log.error().message();
    name = (*log)->name();
    for (int i = 0; i < 5000; ++i) {
      (*log)->put(as_bytes(std::to_string(i % 100)), as_bytes(std::to_string(i)),
                  Urgency::kOrdinary);
    }
    (*log)->stop();
    EXPECT_FALSE((*log)->metrics().failure);
  }
  EXPECT_EQ(list_logs(*folder)->logs, std::vector{name});
  const RecoveredLog found = recover_log(*folder, name, handle_owner().share);
  EXPECT_EQ(found.condition, LogCondition::kWhole);
  EXPECT_EQ(found.records.size(), 100u);
  EXPECT_EQ(found.records.at("99").value, "4999");
  struct stat about{};
  ASSERT_EQ(::stat((path + "/" + name).c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_TRUE(remove_log(*folder, name));
  EXPECT_EQ(recover_log(*folder, name, handle_owner().share).condition, LogCondition::kMissing);
  std::filesystem::remove_all(path);
}

TEST(PosixLogFolder, WhatOthersMayWriteIsNotBelieved) {
  std::string path = (std::filesystem::temp_directory_path() / "braid-log-XXXXXX").string();
  ASSERT_TRUE(mkdtemp(path.data()));
  const auto folder = open_posix_log_folder(UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY)));
  ASSERT_TRUE(folder->create("log"));
  EXPECT_TRUE(folder->open("log"));
  const std::string log = path + "/log";
  for (const mode_t mode : {0620, 0602}) {
    ASSERT_EQ(::chmod(log.c_str(), mode), 0);
    EXPECT_TRUE(folder->open("log").error().is_os(EPERM)) << mode;
  }
  ASSERT_EQ(::chmod(log.c_str(), 0600), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(log.c_str(), 65'534, 65'534), 0);
    EXPECT_TRUE(folder->open("log").error().is_os(EPERM));
  }
  std::filesystem::remove_all(path);
}

TEST(PosixLogFolder, IsTheServersWhoeverTheThreadActsAs) {
  if (!can_switch_identity()) GTEST_SKIP() << "not root";
  std::string path = (std::filesystem::temp_directory_path() / "braid-log-XXXXXX").string();
  ASSERT_TRUE(mkdtemp(path.data()));
  const auto folder = open_posix_log_folder(UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY)));
  Result<void> done = fail_os(EAGAIN);
  std::thread([&] {
    ASSERT_TRUE(assume(
        std::make_shared<const UnixCredentials>(UnixCredentials{.uid = 65'534, .gid = 65'534})));
    VirtualClock clock;
    const auto log = CompactingLog::create(*folder, handle_owner(), {}, clock);
    done = log ? Result<void>() : Result<void>(fail(log.error()));
  }).join();
  EXPECT_TRUE(done);
  struct stat about{};
  ASSERT_EQ(::stat((path + "/" + log_name(handle_owner())).c_str(), &about), 0);
  EXPECT_EQ(about.st_uid, ::geteuid());
  std::filesystem::remove_all(path);
}

TEST(PosixLogFolder, IsClaimedWhenWhoMadeItHasItOpenNoMore) {
  std::string path = (std::filesystem::temp_directory_path() / "braid-log-XXXXXX").string();
  ASSERT_TRUE(mkdtemp(path.data()));
  const auto open_again = [&path] {
    return open_posix_log_folder(UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY)));
  };
  const auto folder = open_again();
  const auto other = open_again();
  const auto is_taken = [](const auto& claim) { return claim && !*claim; };
  {
    const auto made = folder->create("log.new");
    ASSERT_TRUE(made);
    ASSERT_TRUE(folder->rename("log.new", "log"));
    EXPECT_TRUE(is_taken(other->claim("log")));
    EXPECT_TRUE(other->open("log"));
  }
  {
    const auto claimed = other->claim("log");
    ASSERT_TRUE(claimed && *claimed);
    EXPECT_TRUE(is_taken(folder->claim("log")));
  }
  EXPECT_FALSE(is_taken(folder->claim("log")));
  EXPECT_TRUE(folder->claim("none").error().is_os(ENOENT));
  std::filesystem::remove_all(path);
}

TEST(PosixLogFolder, WhatIsNoFileIsRefusedAndNotWaitedFor) {
  std::string path = (std::filesystem::temp_directory_path() / "braid-log-XXXXXX").string();
  ASSERT_TRUE(mkdtemp(path.data()));
  const auto folder = open_posix_log_folder(UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY)));
  ASSERT_EQ(::mkfifo((path + "/pipe").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("/etc/passwd", (path + "/link").c_str()), 0);
  EXPECT_EQ(recover_log(*folder, "pipe", {}).condition, LogCondition::kUnreadable);
  EXPECT_EQ(recover_log(*folder, "link", {}).condition, LogCondition::kUnreadable);
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace braid::store
