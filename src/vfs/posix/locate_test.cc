// Where a name is that was opened: what clients, local programs and the file system did since.
#include "vfs/posix/locate.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "vfs/posix/posix_volume.h"
#include "vfs/volume.h"

namespace braid::vfs {
namespace {

namespace fs = std::filesystem;

class Locate : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/braid-locate-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    share_ = folder_ + "/share";
    fs::create_directory(share_);
    volume_ = open_posix_volume(share_).value();
  }
  void TearDown() override {
    volume_.reset();
    fs::remove_all(folder_);
  }
  void make(const std::string& name) { std::ofstream(share_ + "/" + name) << name; }
  std::unique_ptr<File> open(std::string_view text) {
    const auto found = volume_->find(server_credentials(), parse_path(text).value().path);
    return volume_->open(server_credentials(), found.value(), {}).value();
  }
  // The path as locate() and name_of() agree on, or the error.
  std::string where(File& file) {
    const auto located = volume_->locate(server_credentials(), file);
    const auto name = volume_->name_of(file);
    EXPECT_EQ(located.has_value(), name.has_value());
    if (!located) return located.error().message();
    EXPECT_EQ(located->path, *name);
    EXPECT_TRUE(located->place.parent);
    return located->path.text();
  }
  void move(const std::string& from, const std::string& to) {
    fs::rename(share_ + "/" + from, share_ + "/" + to);
  }

  std::string folder_, share_;
  std::unique_ptr<Volume> volume_;
};

TEST_F(Locate, FollowsTheNameAndTheDirectoriesAbove) {
  fs::create_directories(share_ + "/a/b");
  make("a/b/file");
  const auto file = open("A\\B\\FILE");
  EXPECT_EQ(where(*file), "a\\b\\file");
  move("a/b/file", "a/b/new:name");
  EXPECT_EQ(where(*file), "a\\b\\new\xEF\x80\xA2name") << "as clients see it";
  move("a", "c");
  make("a");
  EXPECT_EQ(where(*file), "c\\b\\new\xEF\x80\xA2name");
  const auto located = volume_->locate(server_credentials(), *file);
  ASSERT_TRUE(volume_->remove(server_credentials(), located->place, file->key()));
  EXPECT_FALSE(fs::exists(share_ + "/c/b/new:name"));
  EXPECT_FALSE(volume_->locate(server_credentials(), *file));
  EXPECT_FALSE(volume_->name_of(*file));
}

TEST_F(Locate, TellsTheNamesOfAFileApart) {
  make("one");
  fs::create_hard_link(share_ + "/one", share_ + "/two");
  const auto one = open("one"), two = open("two");
  EXPECT_EQ(where(*one), "one");
  EXPECT_EQ(where(*two), "two");
  move("one", "three");
  EXPECT_EQ(where(*one), "three");
  EXPECT_EQ(where(*two), "two");
  fs::remove(share_ + "/two");
  EXPECT_TRUE(volume_->locate(server_credentials(), *two).error().is_os(ENOENT));
  EXPECT_EQ(where(*one), "three");
}

TEST_F(Locate, WhatIsMadeAndOpenedForDataIsFoundToo) {
  auto looked = volume_->lookup(server_credentials(), parse_path("made").value().path);
  const auto made = volume_
                        ->create(server_credentials(), std::get<Missing>(looked.value()),
                                 {.access = {.read = true, .write = true}})
                        .value();
  const auto found = volume_->find(server_credentials(), parse_path("made").value().path);
  const auto read =
      volume_->open(server_credentials(), found.value(), {.access = {.read = true}}).value();
  move("made", "moved");
  EXPECT_EQ(where(*made), "moved");
  EXPECT_EQ(where(*read), "moved");
}

TEST_F(Locate, WhatGotItsNameLaterIsFoundByIt) {
  // A file that is not written has a name of its own until then, as a directory has.
  for (const auto& [directory, write] : {std::pair(false, true), {false, false}, {true, false}}) {
    const auto looked = volume_->lookup(server_credentials(), parse_path("made").value().path);
    const Missing& missing = std::get<Missing>(looked.value());
    const auto made = volume_
                          ->create(server_credentials(), missing,
                                   {.access = {.read = true, .write = write},
                                    .directory = directory,
                                    .mode = directory ? 0755u : 0644u,
                                    .unnamed = true})
                          .value();
    EXPECT_FALSE(volume_->name_of(*made).value_or(Path()).text() == "made");
    ASSERT_TRUE(volume_->publish(server_credentials(), missing, *made));
    EXPECT_EQ(where(*made), "made");
    move("made", "moved");
    EXPECT_EQ(where(*made), "moved");
    fs::remove(share_ + "/moved");
  }
}

TEST_F(Locate, OutsideOfTheShareIsNowhere) {
  make("file");
  const auto file = open("file");
  fs::rename(share_ + "/file", folder_ + "/file");
  EXPECT_TRUE(volume_->locate(server_credentials(), *file).error().is_os(EXDEV));
  EXPECT_FALSE(volume_->name_of(*file));
  fs::rename(folder_ + "/file", share_ + "/back");
  EXPECT_EQ(where(*file), "back");
  fs::create_directory(folder_ + "/share2");
  fs::rename(share_ + "/back", folder_ + "/share2/back");
  EXPECT_FALSE(volume_->name_of(*file)) << "a folder whose name begins so is another one";
}

// What the root is called is known for a while, and not believed of what is elsewhere.
TEST_F(Locate, TheShareItselfMoves) {
  make("file");
  const auto file = open("file");
  EXPECT_EQ(where(*file), "file");
  fs::rename(share_, folder_ + "/moved");
  EXPECT_EQ(where(*file), "file");
  fs::rename(folder_ + "/moved", share_);
  EXPECT_EQ(where(*file), "file");
}

// A process may be in the folder of its descriptors, and finds from there what it finds otherwise.
TEST_F(Locate, FromAmongTheDescriptors) {
  make("file");
  const auto file = open("file");
  ASSERT_TRUE(file->set_xattr("user.x", as_bytes("value")));
  const pid_t child = ::fork();
  if (child == 0) {
    if (!go_among_descriptors()) ::_exit(1);
    if (where(*file) != "file") ::_exit(2);
    const auto value = file->get_xattr("user.x");
    if (!value || as_text(*value) != "value") ::_exit(3);
    if (open("file")->list_xattrs().value().size() != 1) ::_exit(4);
    ::_exit(fs::current_path().filename() == "fd" ? 0 : 5);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

TEST_F(Locate, TheRootHasAPathAndNoPlace) {
  const auto root = open("");
  EXPECT_TRUE(volume_->name_of(*root).value().is_root());
  EXPECT_TRUE(volume_->locate(server_credentials(), *root).error().is_os(EBUSY));
  make("file");
  const auto file = open("file");
  fs::rename(share_, folder_ + "/moved");
  EXPECT_EQ(where(*file), "file") << "whatever is above the root";
}

// Names are made in turn: what is there in another case is not made again.
TEST_F(Locate, AnotherCaseIsTaken) {
  const auto missing = [&](std::string_view text) {
    return std::get<Missing>(
        volume_->lookup(server_credentials(), parse_path(text).value().path).value());
  };
  const Missing first = missing("name"), second = missing("NAME"), third = missing("Name");
  const auto made = volume_->create(server_credentials(), first, {}).value();
  EXPECT_TRUE(volume_->create(server_credentials(), second, {}).error().is_os(EEXIST));
  EXPECT_TRUE(volume_->link(server_credentials(), *made, third.place, false).error().is_os(EEXIST));
  make("other");
  const auto other =
      volume_->find(server_credentials(), parse_path("other").value().path, {.pin_parent = true});
  for (const bool replace : {false, true}) {
    const auto renamed = volume_->rename(server_credentials(), other->place, other->attributes.key,
                                         second.place, replace);
    EXPECT_TRUE(renamed.error().is_os(EEXIST));
  }
  const auto located = volume_->locate(server_credentials(), *made);
  EXPECT_TRUE(
      volume_->rename(server_credentials(), located->place, made->key(), second.place, false));
  EXPECT_EQ(where(*made), "NAME");
}

TEST_F(Locate, AListingAsksTheDirectoryThatIsOpen) {
  fs::create_directory(share_ + "/old");
  make("old/Here");
  make("old/a b.");
  const auto found = volume_->find(server_credentials(), parse_path("old").value().path);
  const auto directory =
      volume_->open(server_credentials(), found.value(), {.access = {.read = true}}).value();
  const auto walk = directory->enumerate().value();
  std::vector<DirectoryEntry> entries;
  ASSERT_TRUE(walk->next(10, nullptr, entries));
  ASSERT_EQ(entries.size(), 4u);
  move("old", "new");
  for (DirectoryEntry& entry : entries) EXPECT_TRUE(walk->refresh(entry)) << entry.name;
  std::ofstream(share_ + "/new/Here") << "more than it was";
  for (DirectoryEntry& entry : entries) {
    EXPECT_TRUE(walk->refresh(entry));
    if (entry.name == "Here") EXPECT_EQ(entry.attributes.size, 16u);
  }
  auto named = walk->find("hERE");
  while (!named && named.error().is_os(EINPROGRESS)) named = walk->find("hERE");
  ASSERT_TRUE(named && *named);
  EXPECT_EQ((*named)->name, "Here");
  fs::remove(share_ + "/new/Here");
  EXPECT_FALSE(walk->refresh(**named));
  auto gone = walk->find("here");
  while (!gone && gone.error().is_os(EINPROGRESS)) gone = walk->find("here");
  EXPECT_FALSE(gone.value());
}

}  // namespace
}  // namespace braid::vfs
