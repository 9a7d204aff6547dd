// Names that the posix Volume finds: links that lead out, changes from outside, what is hidden.
#include "vfs/posix/lookup.h"

#include <atomic>
#include <thread>

#include "vfs/names.h"
#include "vfs/posix/context.h"
#include "vfs/posix/posix_volume_testing.h"

namespace braid::vfs {
namespace {

TEST_F(Posix, LinksThatLeaveTheShareAreShownAsLinks) {
  fs::create_directory(folder_ + "/outside");
  std::ofstream(folder_ + "/outside/secret") << "x";
  fs::create_symlink("../outside", share_ + "/out");
  fs::create_symlink(folder_ + "/outside/secret", share_ + "/file");
  EXPECT_EQ(link_in("out\\secret").target, "../outside");
  EXPECT_EQ(link_in("OUT\\secret").target, "../outside");
  EXPECT_TRUE(look("file")->attributes.is_symlink());
}

// One thread swaps a directory for a link out of the share and moves it about; whatever is found
// must be what lies inside.
TEST_F(Posix, NothingOutsideIsFoundWhileNamesChange) {
  const std::string outside_folder = folder_ + "/outside";
  fs::create_directory(outside_folder);
  fs::create_directories(share_ + "/a/Dir");
  std::ofstream(outside_folder + "/File") << "outside";
  std::ofstream(share_ + "/a/Dir/File") << "in";
  struct stat bad {};
  ASSERT_EQ(::stat((outside_folder + "/File").c_str(), &bad), 0);
  fs::create_symlink(outside_folder, share_ + "/a/link");

  std::atomic<bool> stop = false;
  std::thread mover([&] {
    const std::string dir = share_ + "/a/Dir";
    const std::string link = share_ + "/a/link";
    const std::string elsewhere = share_ + "/moved";
    while (!stop) {
      ::renameat2(AT_FDCWD, dir.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
      ::renameat2(AT_FDCWD, dir.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
      ::rename(dir.c_str(), elsewhere.c_str());
      ::rename(elsewhere.c_str(), dir.c_str());
    }
  });
  int inside = 0;
  int escaped = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto found = look(i % 2 ? "a\\Dir\\File" : "A\\dIR\\fILE");
    if (!found) continue;
    inside++;
    escaped += found->attributes.key.inode == bad.st_ino;
    auto file = volume_->open(server_credentials(), *found, {.access = {.read = true}});
    if (!file) continue;
    uint8_t text[7];
    escaped += (*file)->read(0, text).value_or(0) > 2;
  }
  stop = true;
  mover.join();
  EXPECT_EQ(escaped, 0);
  EXPECT_GT(inside, 0);
}

TEST_F(Posix, OutsideRenameIsSeenByTheNextLookup) {
  outside("One");
  EXPECT_EQ(look("ONE")->place.name, "One");
  fs::rename(share_ + "/One", share_ + "/Two");
  EXPECT_TRUE(look("ONE").error().is_os(ENOENT));
  EXPECT_EQ(look("TWO")->place.name, "Two");
}

// 10,000 creates in one directory, each after a miss: the directory is read once.
TEST_F(Posix, CreatingManyFilesReadsTheDirectoryOnce) {
  ASSERT_TRUE(assume(server_credentials()));
  Descriptor root(::open(share_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const FileKey key = key_of(stat_of(root.get()).value());
  PosixContext context(std::move(root), key, {}, NameIndex::Events::kTrusted);
  for (int i = 0; i < 10'000; ++i) {
    const Path name = path("File" + std::to_string(i));
    const auto free = std::get<Missing>(posix_lookup(context, name, {}).value());
    ASSERT_TRUE(open_beneath(descriptor_of(free.place.parent), free.place.name,
                             O_CREAT | O_EXCL | O_WRONLY, 0644));
  }
  const auto last = posix_lookup(context, path("FILE9999"), {});
  ASSERT_TRUE(found_in(last));
  EXPECT_EQ(found_in(last)->place.name, "File9999");
  EXPECT_EQ(context.index.counters().scans, 1u);
  EXPECT_EQ(context.index.counters().names, 10'000u);
}

// Bytes that are no UTF-8 beside a private character, which the bytes alone could be taken for; and
// a dot at the end, which is not shown as one.
TEST_F(Posix, WhateverIsShownCanBeFound) {
  for (const char* name : {"a\xef\x86\xff", "\x86\xef\x86\x86", "b\xef\x80\xa2", "dot.", "c:d "}) {
    outside(name);
    const std::string shown = to_client(name);
    const auto found = look(shown);
    ASSERT_TRUE(found) << shown;
    EXPECT_EQ(found->place.name, name);
  }
  EXPECT_EQ(look("DOT.")->place.name, "dot.");
}

TEST_F(Posix, PrivateFolderCannotBeReached) {
  fs::create_directory(share_ + "/.braid");
  for (const char* text : {".braid", ".BRAID\\streams"}) {
    const auto found = look(text);
    ASSERT_FALSE(found);
    EXPECT_TRUE(found.error().is_os(EACCES));
  }
  // Not by way of a rename or a link either.
  outside("f");
  auto place = look("f")->place;
  const FileKey key = look("f")->attributes.key;
  Place hidden{place.parent, ".Braid"};
  EXPECT_TRUE(
      volume_->rename(server_credentials(), place, key, hidden, true).error().is_os(EACCES));
  const auto posix =
      volume_->lookup(server_credentials(), path(".braid"), {.rules = NameRules::kPosix});
  EXPECT_FALSE(posix);
}

}  // namespace
}  // namespace braid::vfs
