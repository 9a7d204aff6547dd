// Renames on file systems that take no flags.
#include "vfs/posix/renaming.h"

#include <algorithm>
#include <functional>

#include "vfs/posix/posix_volume_testing.h"

namespace braid::vfs {
namespace {

// renameat2() of NFS and others.
int asked = 0;
std::function<void()> before_rename;
int refuse_flags(int from, const char* old_name, int to, const char* new_name, unsigned flags) {
  if (flags == 0) {
    if (before_rename) before_rename();
    return ::renameat(from, old_name, to, new_name);
  }
  ++asked;
  errno = EINVAL;
  return -1;
}

using Renaming = Posix;

TEST_F(Renaming, NeedsNoFlags) {
  asked = 0;
  volume_ = open_posix_volume(share_, {.rename = refuse_flags}).value();
  outside("f", "text");
  outside("taken", "other");
  fs::create_directories(share_ + "/d/below");
  const auto rename = [&](std::string_view from, const Place& to) {
    const auto found = look(from).value();
    return volume_->rename(server_credentials(), found.place, found.attributes.key, to, false);
  };
  const Place root{missing("new").place.parent, ""};
  const auto in_root = [&](const char* name) { return Place{root.parent, name}; };
  auto open = volume_->open(server_credentials(), *look("f"), {.access = {.read = true}}).value();
  EXPECT_TRUE(rename("f", in_root("taken")).error().is_os(EEXIST));
  EXPECT_EQ(look("taken")->attributes.size, 5u);
  ASSERT_TRUE(rename("f", in_root("new")));
  EXPECT_EQ(look("new")->attributes.size, 4u);
  EXPECT_FALSE(look("f"));
  // Who has it open is told where it is now.
  EXPECT_EQ(volume_->locate(server_credentials(), *open)->place.name, "new");
  ASSERT_TRUE(rename("new", in_root("NEW"))) << "only the case of it";
  EXPECT_TRUE(rename("d", in_root("taken")).error().is_os(EEXIST));
  EXPECT_TRUE(rename("d", {look("d\\below")->node, "d"}).error().is_os(EINVAL));
  EXPECT_FALSE(look("d\\below\\d"));
  ASSERT_TRUE(rename("d", in_root("e")));
  EXPECT_TRUE(look("e\\below"));
  EXPECT_EQ(asked, 1) << "the file system is asked once";
  // What is made under a name of its own gets the other one so, too.
  auto made = volume_->create(server_credentials(), missing("made"),
                              {.access = {.read = true}, .directory = true, .unnamed = true});
  ASSERT_TRUE(made);
  ASSERT_TRUE(volume_->publish(server_credentials(), missing("made"), **made));
  EXPECT_TRUE(look("made"));
}

// What takes the name before the file has it can be opened by nobody: what somebody put into it
// would be replaced.
TEST_F(Renaming, NobodyPutsAnythingIntoWhatIsReplaced) {
  volume_ = open_posix_volume(share_, {.rename = refuse_flags}).value();
  outside("f", "text");
  const auto found = look("f").value();
  const Missing free = missing("new");
  int times = 0;
  before_rename = [&] {
    ++times;
    const UniqueFd local(::open((share_ + "/new").c_str(), O_WRONLY | O_CREAT, 0600));
    EXPECT_FALSE(local);
    EXPECT_TRUE(look("new").error().is_os(ENOENT)) << "to clients it is free";
    const auto root = volume_->open(server_credentials(), *look(""), {.access = {.read = true}});
    auto listing = (*root)->enumerate(NameRules::kWindows).value();
    std::vector<DirectoryEntry> entries;
    EXPECT_TRUE(listing->next(100, nullptr, entries));
    EXPECT_EQ(std::ranges::count(entries, "new", &DirectoryEntry::name), 0);
    EXPECT_EQ(volume_->lookup(server_credentials(), path("new\\below")).error(),
              Error(NtStatus::kObjectPathNotFound));
  };
  const auto renamed =
      volume_->rename(server_credentials(), found.place, found.attributes.key, free.place, false);
  before_rename = nullptr;
  EXPECT_TRUE(renamed);
  EXPECT_EQ(times, 1);
  EXPECT_EQ(look("new")->attributes.size, 4u);
}

// A server that was ended before the rename has left what took the name.
TEST_F(Renaming, WhatAServerThatEndedLeftIsInNobodysWay) {
  volume_ = open_posix_volume(share_, {.rename = refuse_flags}).value();
  before_rename = [&] { fs::copy_symlink(share_ + "/new", share_ + "/left"); };
  outside("f", "text");
  const auto rename = [&](std::string_view from, std::string_view to) {
    const auto found = look(from).value();
    return volume_->rename(server_credentials(), found.place, found.attributes.key,
                           missing(to).place, false);
  };
  ASSERT_TRUE(rename("f", "new"));
  before_rename = nullptr;
  const auto leave = [&](const std::string& name) {
    fs::copy_symlink(share_ + "/left", share_ + "/" + name);
  };
  for (const char* name : {"made", "Respelled", "published", "linked"}) leave(name);
  EXPECT_TRUE(rename("new", "left"));
  EXPECT_EQ(look("left")->attributes.size, 4u);
  const CreateHow how{.access = {.read = true, .write = true}};
  EXPECT_TRUE(volume_->create(server_credentials(), missing("made"), how));
  EXPECT_TRUE(volume_->create(server_credentials(), missing("RESPELLED"), how));
  EXPECT_FALSE(fs::is_symlink(share_ + "/Respelled"));
  CreateHow unnamed = how;
  unnamed.unnamed = true;
  const auto file = volume_->create(server_credentials(), missing("published"), unnamed).value();
  EXPECT_TRUE(volume_->publish(server_credentials(), missing("published"), *file));
  EXPECT_TRUE(volume_->link(server_credentials(), *file, missing("linked").place, false));
  EXPECT_EQ(look("linked")->attributes.key, file->key());

  // Nor in that of who removes its directory, once nobody can be at it any more.
  fs::create_directory(share_ + "/d");
  fs::create_symlink("/dev/null/.braid-new-name", share_ + "/d/x");
  const timespec old[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (share_ + "/d/x").c_str(), old, AT_SYMLINK_NOFOLLOW), 0);
  const auto directory = look("d").value();
  EXPECT_TRUE(volume_->remove(server_credentials(), directory.place, directory.attributes.key));
  // Clients make none.
  EXPECT_TRUE(
      volume_
          ->make_symlink(server_credentials(), missing("mine").place, "/dev/null/.braid-new-name")
          .error()
          .is_os(EINVAL));
}

}  // namespace
}  // namespace braid::vfs
