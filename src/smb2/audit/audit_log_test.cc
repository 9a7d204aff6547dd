#include "smb2/audit/audit_log.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

namespace braid::smb2 {
namespace {

using namespace std::chrono_literals;

class AuditLogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "braid-audit-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    file_ = folder_ / "audit.json";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string text_of(const std::filesystem::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void wait_for(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::sleep_for(1ms);
    }
  }
  // Tries again soon.
  static AuditLog::Limits quick() {
    AuditLog::Limits limits;
    limits.gather = 0ms;
    limits.retry = 1ms;
    return limits;
  }

  std::filesystem::path folder_;
  std::filesystem::path file_;
};

TEST_F(AuditLogTest, LinesAreAppendedInTheirOrderAndTheEndWaitsForThem) {
  std::ofstream(file_) << "before\n";
  {
    AuditLog log(file_);
    for (int i = 0; i < 1'000; ++i) log.add("line " + std::to_string(i));
  }
  std::string expected = "before\n";
  for (int i = 0; i < 1'000; ++i) expected += "line " + std::to_string(i) + "\n";
  EXPECT_EQ(text_of(file_), expected);
}

TEST_F(AuditLogTest, FlushedItHasAllThatWasAdded) {
  AuditLog log(file_);
  for (int i = 0; i < 100; ++i) log.add("x");
  log.flush();
  EXPECT_EQ(log.state().written, 100u);
}

TEST_F(AuditLogTest, TheFileIsMadeForNobodyElse) {
  {
    AuditLog(file_).add("x");
  }
  struct stat status{};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(AuditLogTest, ReopenedItLeavesTheFileThatWasMovedAway) {
  AuditLog log(file_, quick());
  log.add("one");
  wait_for([&] { return log.state().written == 1; });
  std::filesystem::rename(file_, folder_ / "old");
  log.add("two");
  wait_for([&] { return log.state().written == 2; });
  log.reopen();
  log.add("three");
  wait_for([&] { return log.state().written == 3; });
  EXPECT_EQ(text_of(folder_ / "old"), "one\ntwo\n");
  EXPECT_EQ(text_of(file_), "three\n");
}

TEST_F(AuditLogTest, WhatCannotBeWrittenWaitsAndIsWrittenWhenItCan) {
  file_ = folder_ / "later" / "audit.json";
  AuditLog log(file_, quick());
  log.add("one");
  wait_for([&] { return !log.state().failure.empty(); });
  log.add("two");
  std::filesystem::create_directory(folder_ / "later");
  wait_for([&] { return log.state().written == 2; });
  EXPECT_EQ(text_of(file_), "one\ntwo\n");
  EXPECT_EQ(log.state().failure, "");
  EXPECT_EQ(log.state().lost, 0u);
}

TEST_F(AuditLogTest, WhatDoesNotFitIsLostCountedAndSaidInItsPlace) {
  file_ = folder_ / "later" / "audit.json";
  AuditLog::Limits limits = quick();
  limits.lines_max = 10;
  AuditLog log(file_, limits);
  wait_for([&] { return !log.state().failure.empty(); });
  for (int i = 0; i < 25; ++i) log.add("line " + std::to_string(i));
  wait_for([&] { return log.state().lost == 15; });
  std::filesystem::create_directory(folder_ / "later");
  wait_for([&] { return log.state().written == 11; });
  log.add("next");
  wait_for([&] { return log.state().written == 12; });
  const std::string text = text_of(file_);
  EXPECT_TRUE(text.starts_with("line 0\nline 1\n")) << text;
  EXPECT_NE(text.find("line 9\n{\"v\":1,"), text.npos) << text;
  EXPECT_NE(text.find(R"("op":"lost","lines":15})"), text.npos) << text;
  EXPECT_TRUE(text.ends_with("}\nnext\n")) << text;
}

TEST_F(AuditLogTest, BytesAreBoundedToo) {
  AuditLog::Limits limits = quick();
  limits.bytes_max = 1'000;
  AuditLog log(folder_ / "nowhere" / "audit.json", limits);
  for (int i = 0; i < 30; ++i) log.add(std::string(100, 'x'));
  wait_for([&] { return log.state().lost == 20; });
}

TEST_F(AuditLogTest, AFullDiskIsAFailureAndEndsNothing) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  // It is no file, so that is what is said of it.
  AuditLog log("/dev/full", quick());
  log.add("one");
  wait_for([&] { return !log.state().failure.empty(); });
  EXPECT_EQ(log.state().written, 0u);
}

TEST_F(AuditLogTest, OfALineThatADiskTakesInPartNothingStays) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit full = before;
  full.rlim_cur = 25;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  {
    AuditLog log(file_, quick());
    for (const char* line : {"the first", "the second", "the third"}) log.add(line);
    wait_for([&] { return !log.state().failure.empty(); });
    EXPECT_EQ(text_of(file_), "the first\nthe second\n");
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    wait_for([&] { return log.state().written == 3; });
  }
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(text_of(file_), "the first\nthe second\nthe third\n");
}

// Of a worker that was killed, or another one whose disk is full.
TEST_F(AuditLogTest, WhatOthersLeftInTheMiddleIsEnded) {
  std::ofstream(file_) << "whole\n{\"v\":1,";
  {
    AuditLog log(file_, quick());
    log.add("one");
    log.flush();
    std::ofstream(file_, std::ios::app) << "{\"v\":1,";
    log.add("two");
  }
  EXPECT_EQ(text_of(file_), "whole\n{\"v\":1,\none\n{\"v\":1,\ntwo\n");
}

TEST_F(AuditLogTest, APipeThatNobodyReadsHoldsNobodyUp) {
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  AuditLog log(file_, quick());
  log.add("one");
  wait_for([&] { return !log.state().failure.empty(); });
  EXPECT_EQ(log.state().written, 0u);
}

}  // namespace
}  // namespace braid::smb2
