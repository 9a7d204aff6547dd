#include "vfs/posix/name_index.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

constexpr size_t kPlenty = 10 << 20;

class Index : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/braid-index-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void touch(const std::string& name) { std::ofstream(folder_ + "/" + name).put('x'); }
  void remove(const std::string& name) { ::unlink((folder_ + "/" + name).c_str()); }
  static std::string find(NameIndex& index, const std::string& folder, std::string_view name) {
    const UniqueFd fd(::open(folder.c_str(), O_PATH | O_CLOEXEC));
    const auto st = stat_of(fd.get());
    if (!st) return "?";
    const auto found = index.find(fd.get(), key_of(*st), name);
    return !found ? "?" : found->value_or("");
  }
  std::string find(NameIndex& index, std::string_view name) { return find(index, folder_, name); }

  std::string folder_;
};

TEST_F(Index, OutsideChangesAreSeenWithoutReadingAgain) {
  NameIndex index(kPlenty, NameIndex::Events::kTrusted);
  touch("One");
  EXPECT_EQ(find(index, "ONE"), "One");
  EXPECT_EQ(find(index, "two"), "");
  touch("Two");
  EXPECT_EQ(find(index, "two"), "Two");
  ASSERT_EQ(::rename((folder_ + "/Two").c_str(), (folder_ + "/THREE").c_str()), 0);
  EXPECT_EQ(find(index, "two"), "");
  EXPECT_EQ(find(index, "three"), "THREE");
  remove("One");
  EXPECT_EQ(find(index, "one"), "");
  EXPECT_EQ(index.counters().scans, 1u);
  EXPECT_EQ(index.counters().names, 1u);
}

// More changes than the kernel keeps.
size_t more_than_the_queue() {
  size_t most = 16'384;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> most;
  return most / 2 + 100;  // two events each
}

// One who changes much, and whom nobody asks about meanwhile, takes no other directory away.
TEST_F(Index, LostEventsCostOnlyWhatChanged) {
  NameIndex index(kPlenty, NameIndex::Events::kTrusted);
  EXPECT_EQ(find(index, "/usr", "BIN"), "bin");
  EXPECT_EQ(find(index, "one"), "");
  for (size_t i = more_than_the_queue(); i > 0; --i) {
    touch(std::to_string(i));
    remove(std::to_string(i));
  }
  touch("One");
  EXPECT_EQ(find(index, "/usr", "BIN"), "bin");
  EXPECT_EQ(index.counters().scans, 2u);
  EXPECT_EQ(find(index, "one"), "One");
  EXPECT_EQ(index.counters().scans, 3u);
}

TEST_F(Index, WhoChangesMuchThroughTheVolumeLosesNothing) {
  NameIndex index(kPlenty, NameIndex::Events::kTrusted);
  EXPECT_EQ(find(index, "one"), "");
  for (size_t i = more_than_the_queue(); i > 0; --i) {
    touch(std::to_string(i));
    index.changed_name();
    remove(std::to_string(i));
    index.changed_name();
  }
  touch("One");
  EXPECT_EQ(find(index, "one"), "One");
  EXPECT_EQ(index.counters().scans, 1u);
}

TEST_F(Index, WithoutEventsAChangedDirectoryIsReadAgain) {
  NameIndex index(kPlenty, NameIndex::Events::kIgnored);
  touch("One");
  EXPECT_EQ(find(index, "two"), "");
  touch("Two");
  EXPECT_EQ(find(index, "two"), "Two");
  // Long unchanged, it need not be read again.
  const timespec old[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, folder_.c_str(), old, 0), 0);
  EXPECT_EQ(find(index, "ONE"), "One");
}

TEST_F(Index, FirstOfSeveralSpellingsIsTheAnswer) {
  NameIndex index(kPlenty, NameIndex::Events::kTrusted);
  touch("b");
  touch("B");
  EXPECT_EQ(find(index, "b"), "B");
  remove("B");
  EXPECT_EQ(find(index, "B"), "b");
}

TEST_F(Index, NamesThatAreNotUtf8AreFoundAsShown) {
  NameIndex index(kPlenty, NameIndex::Events::kTrusted);
  touch("a\xff:");
  EXPECT_EQ(find(index, "A\xef\x87\xbf\xef\x80\xa2"), "a\xff:");  // U+F1FF U+F022
}

TEST_F(Index, LeastRecentlyUsedDirectoriesGo) {
  NameIndex index(300, NameIndex::Events::kTrusted);  // two tables of the smallest size
  for (const char* name : {"a", "b", "c"}) {
    std::filesystem::create_directory(folder_ + "/" + name);
    touch(std::string(name) + "/x");
    touch(std::string(name) + "/y");
    EXPECT_EQ(find(index, folder_ + "/" + name, "X"), "x");
  }
  EXPECT_LE(index.counters().bytes, 300u);
  EXPECT_EQ(index.counters().names, 4u);
  EXPECT_EQ(index.counters().directories, 2u);
  EXPECT_EQ(find(index, folder_ + "/a", "Y"), "y");
  EXPECT_EQ(index.counters().scans, 4u);
}

// What the kernel says this process watches.
size_t watches_held() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream info(entry.path());
    for (std::string line; std::getline(info, line);) count += line.starts_with("inotify wd:");
  }
  return count;
}

TEST_F(Index, EmptyFoldersAreWatchedUpToABoundAndLeaveTheLargeOneAlone) {
  NameIndex index(kPlenty, NameIndex::Events::kTrusted, 50);
  const size_t before = watches_held();
  const std::string large = folder_ + "/large";
  std::filesystem::create_directory(large);
  for (int i = 0; i < 300; ++i) std::ofstream(large + "/" + std::to_string(i)).put('x');
  EXPECT_EQ(find(index, large, "7"), "7");
  for (int i = 0; i < 200; ++i) {
    const std::string empty = folder_ + "/" + std::to_string(i);
    std::filesystem::create_directory(empty);
    EXPECT_EQ(find(index, empty, "one"), "");
  }
  EXPECT_EQ(index.counters().directories, 50u);
  EXPECT_EQ(watches_held() - before, 50u);
  const uint64_t scans = index.counters().scans;
  EXPECT_EQ(find(index, large, "8"), "8");
  EXPECT_EQ(index.counters().scans, scans) << "the large one was read again";
  EXPECT_EQ(find(index, folder_ + "/0", "one"), "") << "one that went is read again";
  EXPECT_EQ(index.counters().scans, scans + 1);
}

TEST_F(Index, DirectoryBeyondTheBoundIsAnsweredButNotKept) {
  NameIndex index(100, NameIndex::Events::kTrusted);
  for (int i = 0; i < 10; ++i) touch("f" + std::to_string(i));
  EXPECT_EQ(find(index, "F7"), "f7");
  EXPECT_EQ(index.counters().names, 0u);
  EXPECT_EQ(index.counters().bytes, 0u);
  EXPECT_EQ(index.counters().directories, 0u);
}

// The hashes fit, the names do not: what is free is told without reading.
TEST_F(Index, OfALargeDirectoryTheHashesAreKept) {
  NameIndex index(5000, NameIndex::Events::kTrusted);
  const std::string tail(100, 't');
  for (int i = 0; i < 100; ++i) touch(std::to_string(i) + tail);
  EXPECT_EQ(find(index, "none"), "");
  EXPECT_EQ(index.counters().scans, 1u);
  EXPECT_EQ(index.counters().directories, 1u);
  EXPECT_LE(index.counters().bytes, 5000u);
  const uint64_t pieces = index.counters().pieces;
  EXPECT_EQ(find(index, "7" + std::string(100, 'T')), "7" + tail);
  touch("New" + tail);
  EXPECT_EQ(find(index, "nEW" + tail), "New" + tail);
  remove("New" + tail);
  EXPECT_EQ(find(index, "nEW" + tail), "");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(find(index, "n" + std::to_string(i)), "");
  EXPECT_EQ(index.counters().scans, 1u);
  EXPECT_EQ(index.counters().pieces, pieces);
}

// Each who asks reads one piece of it, and has the answer when the last is read.
TEST_F(Index, LargeDirectoryIsReadInPiecesByAllWhoAsk) {
  for (int i = 0; i < 4000; ++i) {
    const std::string name = folder_ + "/" + std::to_string(i) + std::string(40, 'x');
    ::close(::open(name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  }
  NameIndex index(kPlenty, NameIndex::Events::kTrusted);
  const UniqueFd fd(::open(folder_.c_str(), O_PATH | O_CLOEXEC));
  const FileKey key = key_of(stat_of(fd.get()).value());
  const std::string wanted = "1234" + std::string(40, 'X');
  std::atomic<uint64_t> asked = 0, answered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (;;) {
        ++asked;
        const auto found = index.find(fd.get(), key, wanted, true);
        if (!found && found.error().is_os(EINPROGRESS)) continue;
        answered += found && *found == "1234" + std::string(40, 'x');
        return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 4u);
  const NameIndex::Counters counters = index.counters();
  EXPECT_EQ(counters.scans, 1u);
  EXPECT_EQ(counters.names, 4000u);
  EXPECT_GT(counters.pieces, 3u);
  // The last piece tells that there are no more, and all the others were somebody's turn.
  EXPECT_GE(asked, counters.pieces);
  EXPECT_LE(asked, counters.pieces + 3);
}

// Enough for several pieces.
struct LargeIndex : Index {
  void make_many() {
    for (int i = 0; i < 2500; ++i) touch("a name that takes some room " + std::to_string(i));
  }
  // Reads one piece for somebody who does not come back.
  void read_a_piece(NameIndex& index) {
    const UniqueFd fd(::open(folder_.c_str(), O_PATH | O_CLOEXEC));
    const auto st = stat_of(fd.get());
    ASSERT_TRUE(st);
    const auto found = index.find(fd.get(), key_of(*st), "none", true);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().os_error(), EINPROGRESS);
  }
};

TEST_F(LargeIndex, WhatWasReadForNobodyIsCounted) {
  make_many();
  NameIndex::All all(kPlenty);
  NameIndex index(kPlenty, NameIndex::Events::kTrusted, 100, all);
  read_a_piece(index);
  const size_t once = index.counters().bytes;
  EXPECT_GT(once, 0u);
  read_a_piece(index);
  EXPECT_GT(index.counters().bytes, once);
  EXPECT_EQ(all.bytes, index.counters().bytes);
}

TEST_F(LargeIndex, ChangesDoNotWaitForEverForADirectoryNobodyReadsOn) {
  make_many();
  const std::string other = folder_ + "-other";
  ASSERT_TRUE(std::filesystem::create_directory(other));
  NameIndex index(kPlenty, NameIndex::Events::kTrusted);
  read_a_piece(index);
  const std::string from = folder_ + "/from", to = folder_ + "/to";
  std::ofstream(from).put('x');
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(::rename(from.c_str(), to.c_str()), 0);
    ASSERT_EQ(::rename(to.c_str(), from.c_str()), 0);
    if (i % 1000 == 0) find(index, other, "none");  // takes the events
  }
  find(index, other, "none");
  // They were dropped, so it is read again from the start.
  EXPECT_EQ(find(index, "FROM"), "from");
  EXPECT_EQ(index.counters().scans, 3u);
  std::filesystem::remove_all(other);
}

TEST_F(LargeIndex, AllOfAProcessHaveATotal) {
  make_many();
  NameIndex::All all(1 << 18);
  NameIndex first(kPlenty, NameIndex::Events::kTrusted, 100, all);
  EXPECT_EQ(find(first, "none"), "");
  EXPECT_EQ(all.bytes, first.counters().bytes);
  const size_t alone = all.bytes;
  ASSERT_GT(alone, all.bytes_max / 4);
  {
    std::vector<std::unique_ptr<NameIndex>> others;
    for (int i = 0; i < 8; ++i) {
      others.push_back(std::make_unique<NameIndex>(kPlenty, NameIndex::Events::kTrusted, 100, all));
      EXPECT_EQ(find(*others.back(), "none"), "");
    }
    EXPECT_LE(all.bytes, 2 * all.bytes_max);
  }
  EXPECT_EQ(all.bytes, alone);
}

TEST_F(Index, RemovedDirectoryIsForgotten) {
  NameIndex index(kPlenty, NameIndex::Events::kTrusted);
  std::filesystem::create_directory(folder_ + "/d");
  touch("d/x");
  touch("one");
  EXPECT_EQ(find(index, folder_ + "/d", "X"), "x");
  std::filesystem::remove_all(folder_ + "/d");
  EXPECT_EQ(find(index, "ONE"), "one");
  EXPECT_EQ(index.counters().directories, 1u);
}

// More changes than the kernel queues: everything is read again, nothing is wrong.
TEST_F(Index, OverflowIsSurvived) {
  NameIndex index(kPlenty, NameIndex::Events::kTrusted);
  EXPECT_EQ(find(index, "none"), "");
  int queued = 16384;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> queued;
  if (queued > 100'000) GTEST_SKIP() << "the queue is too long to overflow here";
  const std::string path = folder_ + "/Same";
  for (int i = 0; i < queued; ++i) {
    const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ::close(fd);
    if (i + 1 < queued) ::unlink(path.c_str());
  }
  touch("Last");
  EXPECT_EQ(find(index, "last"), "Last");
  EXPECT_EQ(find(index, "same"), "Same");
  EXPECT_EQ(index.counters().scans, 2u);
}

TEST_F(Index, ManyThreadsAgreeWithTheDirectory) {
  NameIndex index(kPlenty, NameIndex::Events::kTrusted);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string name = "File" + std::to_string(t) + "-" + std::to_string(i);
        const std::string other = "fILE" + std::to_string(t) + "-" + std::to_string(i);
        touch(name);
        wrong += find(index, other) != name;
        remove(name);
        wrong += !find(index, other).empty();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(index.counters().names, 0u);
}

}  // namespace
}  // namespace braid::vfs
