#include "vfs/posix/recycle_bin.h"

#include <fcntl.h>

#include "vfs/posix/posix_volume_testing.h"

namespace braid::vfs {
namespace {

class RecycleBin : public Posix {
 protected:
  Result<bool> recycle(std::string_view text, const Credentials& who = server_credentials()) {
    BRAID_TRY(const Found found, look(text, who));
    return volume_->recycle(who, found.place, found.path, found.attributes.key);
  }
  // What the server's user calls himself.
  std::string bin() {
    EXPECT_TRUE(assume(server_credentials()));
    return share_ + "/.recycle/" +
           fs::directory_iterator(share_ + "/.recycle")->path().filename().string();
  }
  std::vector<std::string> in(const std::string& folder) {
    EXPECT_TRUE(assume(server_credentials()));
    std::vector<std::string> names;
    for (const auto& each : fs::recursive_directory_iterator(folder)) {
      if (each.is_regular_file()) names.push_back(each.path().string().substr(folder.size() + 1));
    }
    std::ranges::sort(names);
    return names;
  }
  void sweep(FileTime before, size_t piece = 2) {
    const auto sweep = volume_->sweep_bin(before);
    while (sweep->next(piece).value()) {
    }
  }
  static FileTime now() { return system_clock().now(); }
};

TEST_F(RecycleBin, WhatGoesIsThereInItsFolder) {
  fs::create_directories(share_ + "/a/b");
  outside("a/b/report.txt", "one");
  EXPECT_TRUE(recycle("A\\B\\report.TXT").value());
  EXPECT_FALSE(fs::exists(share_ + "/a/b/report.txt"));
  EXPECT_EQ(in(bin()), std::vector<std::string>{"a/b/report.txt"});
  // One after the other of that name.
  for (int i = 0; i < 3; ++i) {
    outside("a/b/report.txt", "more");
    EXPECT_TRUE(recycle("a\\b\\report.txt").value());
  }
  const auto names = in(bin());
  ASSERT_EQ(names.size(), 4u);
  for (const auto& each : names) {
    EXPECT_TRUE(each.starts_with("a/b/report") && each.ends_with(".txt")) << each;
  }
  // Of the longest name there is room for the mark, and no character is cut.
  std::string longest = "a/";
  for (int i = 0; i < 125; ++i) longest += "é";
  for (int i = 0; i < 2; ++i) {
    outside(longest);
    std::string text = longest;
    text[1] = '\\';
    EXPECT_TRUE(recycle(text).value());
  }
  for (const auto& each : in(bin())) EXPECT_EQ(to_disk(to_client(each)), each);
}

TEST_F(RecycleBin, WhatIsNotWorthKeepingIsNotKept) {
  outside("empty", "");
  outside("two");
  fs::create_hard_link(share_ + "/two", share_ + "/names");
  fs::create_symlink("two", share_ + "/link");
  fs::create_directory(share_ + "/folder");
  for (const char* name : {"empty", "two", "link", "folder"}) {
    EXPECT_FALSE(recycle(name).value()) << name;
  }
  auto temporary = volume_->create(server_credentials(), missing("t"),
                                   {.access = {.write = true}, .dos_attributes = dos::kTemporary});
  ASSERT_TRUE((*temporary)->write(0, as_bytes(std::string("x"))));
  EXPECT_FALSE(recycle("t").value());
  EXPECT_FALSE(fs::exists(share_ + "/.recycle"));
  // What is in it already.
  outside("f");
  EXPECT_TRUE(recycle("f").value());
  const std::string inside = bin().substr(share_.size() + 1);
  std::string text = inside + "/f";
  std::ranges::replace(text, '/', '\\');
  EXPECT_FALSE(recycle(text).value());
}

// As a program does that writes a file anew for each change.
TEST_F(RecycleBin, OneNameMayGoAnyNumberOfTimesWithinASecond) {
  for (int i = 0; i < 100; ++i) {
    outside("draft.txt", "text");
    ASSERT_TRUE(recycle("draft.txt").value()) << i;
  }
  EXPECT_EQ(in(bin()).size(), 100u);
}

TEST_F(RecycleBin, WhatTookItsNameStays) {
  outside("f", "old");
  const Found found = look("f").value();
  fs::rename(share_ + "/f", share_ + "/g");
  outside("f", "new");
  const auto done =
      volume_->recycle(server_credentials(), found.place, found.path, found.attributes.key);
  EXPECT_TRUE(done.error().is_os(ESTALE));
  EXPECT_TRUE(fs::exists(share_ + "/f") && fs::exists(share_ + "/g"));
}

TEST_F(RecycleBin, ABinOfSomebodyElseIsNone) {
  outside("f");
  outside(".recycle");
  EXPECT_FALSE(recycle("f").value_or(false));
  fs::remove(share_ + "/.recycle");
  fs::create_directory(folder_ + "/elsewhere");
  fs::create_symlink("../elsewhere", share_ + "/.recycle");
  EXPECT_FALSE(recycle("f").value_or(false));
  fs::remove(share_ + "/.recycle");
  fs::create_directory(share_ + "/.recycle");
  fs::permissions(share_ + "/.recycle", fs::perms(0777));
  EXPECT_FALSE(recycle("f").value_or(false));
  EXPECT_TRUE(fs::exists(share_ + "/f"));
  EXPECT_TRUE(fs::is_empty(folder_ + "/elsewhere"));
}

TEST_F(RecycleBin, EachUserHasTheOwnAndMayNoMoreThanDelete) {
  if (!can_switch_identity()) GTEST_SKIP() << "acts as others";
  const auto alice = user(47'110'001), bob = user(47'110'002);
  outside("of-root");
  EXPECT_TRUE(recycle("of-root", alice).value());  // the folder is everybody's to write
  EXPECT_TRUE(assume(server_credentials()));
  const std::string hers = share_ + "/.recycle/47110001";
  struct stat st{};
  ASSERT_EQ(::stat(hers.c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 47'110'001u);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
  EXPECT_TRUE(look(".recycle\\47110001\\of-root", alice));
  EXPECT_TRUE(look(".recycle\\47110001\\of-root", bob).error().is_os(EACCES));
  // Who may not take the name away.
  outside("stays");
  mode("", 0755);
  EXPECT_TRUE(recycle("stays", bob).error().is_os(EACCES));
  EXPECT_TRUE(fs::exists(share_ + "/stays"));
}

TEST_F(RecycleBin, ASweepTakesWhatIsOlderAndLeavesTheRest) {
  fs::create_directories(share_ + "/a/b");
  for (const char* name : {"a/b/one", "a/two", "three"}) outside(name);
  make_large("a/large", server_credentials());
  outside("a/large");
  for (const char* name : {"a\\b\\one", "a\\two", "three", "a\\large"}) {
    EXPECT_TRUE(recycle(name).value()) << name;
  }
  EXPECT_EQ(side_files().size(), 1u);
  const std::string bin = this->bin();
  sweep({now().ticks - 3600 * kTicksPerSecond});
  EXPECT_EQ(in(bin).size(), 4u);
  const FileTime later{now().ticks + 3600 * kTicksPerSecond};
  sweep(later);
  EXPECT_TRUE(in(bin).empty());
  EXPECT_TRUE(side_files().empty()) << "its streams go with a file";
  // The folders one after the other, from below; the user's stays.
  for (int i = 0; i < 3; ++i) sweep(later);
  EXPECT_TRUE(fs::is_empty(bin));
}

TEST_F(RecycleBin, ASweepGoesNowhereElse) {
  fs::create_directory(folder_ + "/elsewhere");
  std::ofstream(folder_ + "/elsewhere/f") << "x";
  outside("f");
  EXPECT_TRUE(recycle("f").value());
  fs::create_symlink("../../../elsewhere", bin() + "/link");
  const FileTime later{now().ticks + 3600 * kTicksPerSecond};
  sweep(later);
  EXPECT_FALSE(fs::is_symlink(bin() + "/link"));
  EXPECT_TRUE(fs::exists(folder_ + "/elsewhere/f"));
  // And through none.
  fs::remove_all(share_ + "/.recycle");
  fs::create_symlink("../elsewhere", share_ + "/.recycle");
  sweep(later);
  EXPECT_TRUE(fs::exists(folder_ + "/elsewhere/f"));
}

}  // namespace
}  // namespace braid::vfs
