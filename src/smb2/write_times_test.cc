// Which LastWriteTime clients see: opens of one file in memory, and a clock that moves when told.
#include "smb2/write_times.h"

#include <gtest/gtest.h>

#include "smb2/open.h"
#include "vfs/memory/memory_volume.h"

namespace braid::smb2 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WriteTimesTest : public testing::Test {
 protected:
  WriteTimesTest() {
    const auto place = volume_->lookup(who_, vfs::parse_path("file").value().path).value();
    (void)volume_->create(who_, std::get<vfs::Missing>(place), {.access = {.write = true}}).value();
    // Nothing below happens at the moment the file was made.
    clock_.advance(seconds(100));
  }

  Result<vfs::Found> look() { return volume_->find(who_, vfs::parse_path("file").value().path); }
  std::shared_ptr<Open> open() {
    auto file = volume_->open(who_, look().value(), {.access = {.read = true, .write = true}});
    OpenAttributes attributes;
    attributes.file_key = (*file)->key();
    auto open = std::make_shared<Open>(FileId{1, 1}, nullptr, nullptr, attributes);
    open->file = std::move(*file);
    return open;
  }
  void write(Open& open) {
    times_.before_write(open);
    ASSERT_TRUE(open.file->write(0, as_bytes("x")));
    times_.wrote(open);
  }
  FileTime on_disk() { return look().value().attributes.write_time; }
  FileTime shown() {
    vfs::Attributes attributes = look().value().attributes;
    times_.show(attributes);
    return attributes.write_time;
  }

  VirtualClock clock_;
  const Credentials who_ = server_credentials();
  std::unique_ptr<vfs::Volume> volume_ = vfs::make_memory_volume(clock_);
  WriteTimes times_{clock_};
};

TEST_F(WriteTimesTest, FirstWriteShowsAfterTwoSecondsWithItsOwnTime) {
  const auto open = this->open();
  const FileTime before = shown();
  const FileTime written = clock_.now();
  write(*open);
  EXPECT_EQ(on_disk(), written);
  EXPECT_EQ(shown(), before);
  clock_.advance(milliseconds(1999));
  EXPECT_EQ(shown(), before);
  clock_.advance(milliseconds(1));
  EXPECT_EQ(shown(), written);
}

TEST_F(WriteTimesTest, LaterWritesShowWhenTheOpenIsClosed) {
  const auto open = this->open();
  const FileTime first = clock_.now();
  write(*open);
  clock_.advance(seconds(5));
  write(*open);
  clock_.advance(seconds(5));
  EXPECT_EQ(shown(), first);
  const FileTime closed = clock_.now();
  times_.close(*open);
  EXPECT_EQ(shown(), closed);
  EXPECT_EQ(on_disk(), closed);
}

TEST_F(WriteTimesTest, FlushShowsWhatWasWrittenUntilThen) {
  const auto open = this->open();
  const FileTime written = clock_.now();
  write(*open);
  clock_.advance(milliseconds(10));
  times_.flush(*open);
  EXPECT_EQ(shown(), written);
  // Nothing was written since: the close changes nothing.
  clock_.advance(seconds(10));
  times_.close(*open);
  EXPECT_EQ(shown(), written);
}

TEST_F(WriteTimesTest, NewSizeShowsAtOnceAndTheSameSizeDoesNot) {
  const auto open = this->open();
  const FileTime before = shown();
  times_.before_resize(*open);
  times_.resized(*open, false);
  EXPECT_EQ(shown(), before);
  const FileTime now = clock_.now();
  times_.before_resize(*open);
  ASSERT_TRUE(open->file->truncate(10));
  times_.resized(*open, true);
  EXPECT_EQ(shown(), now);
}

TEST_F(WriteTimesTest, TimeThatWasSetStaysWhateverIsWrittenThroughThatOpen) {
  const auto open = this->open();
  write(*open);
  const FileTime set{clock_.now().ticks - 1000 * kTicksPerSecond};
  ASSERT_TRUE(open->file->change({.write_time = set}));
  times_.set(*open, set);
  EXPECT_EQ(shown(), set);
  clock_.advance(seconds(5));
  write(*open);
  EXPECT_NE(on_disk(), set);
  EXPECT_EQ(shown(), set);
  times_.close(*open);
  EXPECT_EQ(shown(), set);
  EXPECT_EQ(on_disk(), set);
}

TEST_F(WriteTimesTest, AnotherOpenStillChangesIt) {
  const auto sticky = open();
  const auto other = open();
  write(*sticky);
  const FileTime set{clock_.now().ticks - 1000 * kTicksPerSecond};
  ASSERT_TRUE(sticky->file->change({.write_time = set}));
  times_.set(*sticky, set);
  const FileTime written = clock_.now();
  write(*other);
  EXPECT_EQ(shown(), set);
  clock_.advance(seconds(2));
  EXPECT_EQ(shown(), written);
  times_.close(*sticky);
  times_.close(*other);
  EXPECT_EQ(on_disk(), written);
}

TEST_F(WriteTimesTest, FrozenOpenCountsAgainOnceItIsThawed) {
  const auto open = this->open();
  const FileTime before = shown();
  times_.freeze(*open);
  write(*open);
  clock_.advance(seconds(5));
  EXPECT_EQ(shown(), before);
  times_.thaw(*open);
  const FileTime written = clock_.now();
  write(*open);
  clock_.advance(seconds(2));
  EXPECT_EQ(shown(), written);
}

TEST_F(WriteTimesTest, OverwritingShowsAtOnceWhileOthersHaveItOpen) {
  const auto open = this->open();
  write(*open);
  clock_.advance(milliseconds(100));
  const FileTime now = clock_.now();
  times_.overwritten(open->attributes.file_key, now);
  EXPECT_EQ(shown(), now);
}

TEST_F(WriteTimesTest, FileIsAsOnDiskOnceTheLastWriterIsGone) {
  const auto first = open();
  const auto second = open();
  write(*first);
  write(*second);
  times_.close(*first);
  times_.close(*first);  // twice changes nothing
  const FileTime told = shown();
  times_.close(*second);
  clock_.advance(seconds(10));
  ASSERT_TRUE(second->file->write(0, as_bytes("y")));
  EXPECT_NE(shown(), told);
  EXPECT_EQ(shown(), on_disk());
}

}  // namespace
}  // namespace braid::smb2
