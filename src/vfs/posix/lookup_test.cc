// Names that the posix Volume finds: links that lead out, changes from outside, what is hidden.
#include "vfs/posix/lookup.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "vfs/names.h"
#include "vfs/posix/context.h"
#include "vfs/posix/posix_volume_testing.h"

namespace braid::vfs {
namespace {

class FollowedLinks : public Posix {
 protected:
  void SetUp() override {
    Posix::SetUp();
    volume_ = open_posix_volume(share_, {.follow_links = true}).value();
    fs::create_directories(share_ + "/Real/deep");
    outside("Real/file");
    outside("Real/deep/low");
    std::ofstream(folder_ + "/secret") << "x";
  }
  void link(const std::string& name, const std::string& target) {
    fs::create_symlink(target, share_ + "/" + name);
  }
  Result<Resolved> at(std::string_view text, bool last = true, bool pin = false) {
    return volume_->lookup(server_credentials(), path(text),
                           {.pin_parent = pin, .follow_last = last});
  }
  // Where it is really; "link" where it stays one, "missing", or an error.
  std::string leads(std::string_view text) {
    std::string told;
    for (const bool pin : {false, true}) {
      const auto there = at(text, true, pin);
      std::string now = "error";
      if (const auto* found = found_in(there)) {
        now = found->attributes.is_symlink() ? "link" : found->path.text();
      } else if (there) {
        now = std::holds_alternative<Link>(*there) ? "link" : "missing";
      }
      EXPECT_TRUE(told.empty() || told == now) << text;
      told = now;
    }
    return told;
  }
};

TEST_F(FollowedLinks, InsideTheyAreWhatTheyLeadTo) {
  link("f", "Real/file");
  link("d", "Real");
  link("Real/up", "../Real/deep");
  link("Real/deep/to_root", "../..");
  link("absolute", share_ + "/Real");
  link("root", share_);
  link("chain", "d");
  // Above what the link leads to, and not above the link.
  link("through", "Real/up/../file");
  EXPECT_EQ(leads("f"), "Real\\file");
  EXPECT_EQ(leads("F"), "Real\\file");
  EXPECT_EQ(leads("d\\FILE"), "Real\\file");
  EXPECT_EQ(leads("d\\up\\low"), "Real\\deep\\low");
  EXPECT_EQ(leads("Real\\deep\\to_root\\chain\\file"), "Real\\file");
  EXPECT_EQ(leads("absolute\\deep"), "Real\\deep");
  EXPECT_EQ(leads("root"), "");
  EXPECT_EQ(leads("chain"), "Real");
  EXPECT_EQ(leads("through"), "Real\\file");
  EXPECT_EQ(leads("d\\new"), "missing");
  EXPECT_EQ(std::get<Missing>(*at("d\\new")).path, path("Real\\new"));
  // The link itself, where that is asked for.
  EXPECT_TRUE(found_in(at("f", false))->attributes.is_symlink());
  EXPECT_TRUE(found_in(at("d\\up", false))->attributes.is_symlink());
}

TEST_F(FollowedLinks, OutOfTheShareTheyStayLinks) {
  link("out", "../secret");
  link("above", "..");
  link("absolute", folder_ + "/secret");
  link("beside", share_ + "x/f");
  link("etc", "/etc/passwd");
  link("sneaky", "Real/../../secret");
  link("two", "out");
  link("self", "self");
  link("a", "b");
  link("b", "a/x");
  link("dangling", "Real/none");
  link("nowhere", "none/none");
  link("own", ".braid/x");
  for (const char* name : {"out", "above", "absolute", "beside", "etc", "sneaky", "two", "self",
                           "dangling", "nowhere"}) {
    EXPECT_EQ(leads(name), "link") << name;
  }
  EXPECT_EQ(leads("above\\secret"), "link");
  EXPECT_EQ(leads("a"), "link");
  EXPECT_EQ(leads("own"), "error");
  EXPECT_EQ(at("dangling\\x").error().status(), NtStatus::kObjectPathNotFound);
  // By what stays of the name for others nothing is followed.
  link("f", "Real/file");
  const auto posix = volume_->lookup(server_credentials(), path("f"),
                                     {.rules = NameRules::kExact, .follow_last = true});
  EXPECT_TRUE(found_in(posix)->attributes.is_symlink());
  EXPECT_TRUE(
      volume_->lookup(server_credentials(), path("f"), {.follow_last = true, .wait = Wait::kNever})
          .error()
          .is_os(EAGAIN));
}

TEST_F(FollowedLinks, ListingsShowWhatTheyLeadTo) {
  link("f", "Real/file");
  link("d", "Real");
  link("out", "/etc/passwd");
  link("Real/up", "..");
  const auto kinds = [&](std::string_view folder) {
    const auto found = volume_->find(server_credentials(), path(folder));
    auto open = volume_->open(server_credentials(), *found, {.access = {.read = true}}).value();
    std::vector<DirectoryEntry> entries;
    EXPECT_TRUE(open->enumerate(NameRules::kWindows).value()->next(20, nullptr, entries));
    std::map<std::string, Kind> kinds;
    for (const auto& each : entries) kinds.emplace(each.name, each.attributes.kind);
    return kinds;
  };
  auto here = kinds("");
  EXPECT_EQ(here["f"], Kind::kFile);
  EXPECT_EQ(here["d"], Kind::kDirectory);
  EXPECT_EQ(here["out"], Kind::kSymlink);
  EXPECT_EQ(kinds("Real")["up"], Kind::kDirectory);
}

TEST_F(FollowedLinks, AUserGetsNoFurtherThanHeGetsAnyway) {
  if (!can_switch_identity()) GTEST_SKIP() << "acts as others";
  link("d", "Real");
  mode("Real", 0700);
  const auto there = volume_->lookup(user(4711), path("d\\file"), {.follow_last = true});
  EXPECT_TRUE(there.error().is_os(EACCES));
}

TEST_F(Posix, LinksThatLeaveTheShareAreShownAsLinks) {
  fs::create_directory(folder_ + "/outside");
  std::ofstream(folder_ + "/outside/secret") << "x";
  fs::create_symlink("../outside", share_ + "/out");
  fs::create_symlink(folder_ + "/outside/secret", share_ + "/file");
  EXPECT_EQ(link_in("out\\secret").target, "../outside");
  EXPECT_EQ(link_in("OUT\\secret").target, "../outside");
  EXPECT_TRUE(look("file")->attributes.is_symlink());
}

// Nothing but what is in memory, by the very name.
TEST_F(Posix, LooksAtNoDiskWhereItMayNotWait) {
  if (!volume_->features().at_once) GTEST_SKIP() << "the kernel cannot tell here";
  const auto at_once = [&](std::string_view name) {
    return volume_->lookup(server_credentials(), parse_path(name)->path, {.wait = Wait::kNever});
  };
  fs::create_directory(share_ + "/Dir");
  std::ofstream(share_ + "/Dir/File") << "x";
  fs::create_symlink("File", share_ + "/Dir/link");
  const auto known = look("Dir\\File");
  ASSERT_TRUE(known);
  // Once their attributes are known, which those of what has just changed are not.
  const auto becomes_known = [&](std::string_view name) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!at_once(name) && std::chrono::steady_clock::now() < end) (void)look(name);
    return at_once(name);
  };
  const auto found = becomes_known("Dir\\File");
  ASSERT_TRUE(found);
  EXPECT_EQ(std::get<Found>(*found).attributes.key, known->attributes.key);
  EXPECT_EQ(std::get<Found>(*found).path, known->path);
  EXPECT_TRUE(becomes_known("Dir"));
  EXPECT_TRUE(becomes_known(""));
  for (const char* name : {"dir\\File", "Dir\\file", "Dir\\none", "none\\File", "Dir\\link",
                           "Dir\\link\\x", "Dir\\File\\x"}) {
    const auto missed = at_once(name);
    ASSERT_FALSE(missed) << name;
    EXPECT_EQ(missed.error(), Error::os(EAGAIN)) << name;
  }
}

// Name and inode may be in memory, and the block of its attributes on a disk that hangs.
TEST_F(Posix, ReadsNoAttributesWhereItMayNotWait) {
  struct statfs file_system{};
  ASSERT_EQ(::statfs(share_.c_str(), &file_system), 0);
  if (!volume_->features().at_once || file_system.f_type == TMPFS_MAGIC) {
    GTEST_SKIP() << "the kernel cannot tell here, or has them in memory";
  }
  outside("f");
  const auto found = look("f");
  ASSERT_TRUE(found);
  auto file = volume_->open(server_credentials(), *found, {}).value();
  const auto is_told = [&] {
    const ScopedAtOnce scope;
    const auto seen = volume_->find(server_credentials(), path("f"));
    const auto told = file->stat();
    const bool is_known = seen.has_value();
    EXPECT_EQ(told.has_value(), is_known);
    EXPECT_EQ(file->is_examined_at_once(), is_known);
    if (!is_known) EXPECT_EQ(seen.error(), Error::os(EAGAIN));
    if (!is_known) EXPECT_EQ(told.error(), Error::os(EAGAIN));
    // Of those there is no end.
    EXPECT_EQ(file->get_xattr("user.x").error(), Error::os(EAGAIN));
    EXPECT_EQ(volume_->find(server_credentials(), path("f"), {.pin_parent = true}).error(),
              Error::os(EAGAIN));
    return is_known;
  };
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  // Not what was read when one more change might have left its change time as it was.
  while (!is_told()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    (void)look("f");
  }
  // One memory serves all volumes, as there may be many: what one has read another need not.
  const auto other = open_posix_volume(share_).value();
  {
    const ScopedAtOnce scope;
    EXPECT_TRUE(other->find(server_credentials(), path("f")));
  }
  set_xattr("f", "user.x", "new");
  EXPECT_FALSE(is_told());
}

TEST_F(Posix, GlanceSeesWhatALookupFinds) {
  fs::create_directories(share_ + "/Dir");
  outside("Dir/File", "four");
  fs::create_symlink("Dir/File", share_ + "/link");
  const auto& who = server_credentials();
  for (const char* name : {"Dir\\File", "dir\\FILE", "Dir", "", "link"}) {
    const Attributes found = volume_->find(who, path(name)).value().attributes;
    const auto seen = volume_->glance(who, path(name));
    ASSERT_TRUE(seen) << name;
    EXPECT_EQ(seen->key, found.key) << name;
    EXPECT_EQ(seen->kind, found.kind) << name;
    EXPECT_EQ(seen->born, found.born) << name;
    EXPECT_EQ(seen->size, found.size) << name;
    EXPECT_EQ(seen->write_time, found.write_time) << name;
  }
  EXPECT_EQ(volume_->glance(who, path("Dir\\none")).error(), Error::os(ENOENT));
  EXPECT_EQ(volume_->glance(who, path(".braid")).error(), Error::os(EACCES));
}

// One thread swaps a directory for a link out of the share and moves it about; whatever is found
// must be what lies inside.
TEST_F(Posix, NothingOutsideIsFoundWhileNamesChange) {
  const std::string outside_folder = folder_ + "/outside";
  fs::create_directory(outside_folder);
  fs::create_directories(share_ + "/a/Dir");
  std::ofstream(outside_folder + "/File") << "outside";
  std::ofstream(share_ + "/a/Dir/File") << "in";
  struct stat bad{};
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
  UniqueFd root(::open(share_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
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
  for (const char* name :
       {"a\xef\x86\xff", "\x86\xef\x86\x86", "b\xef\x80\xa2", "b:", "dot.", "c:d "}) {
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
  fs::create_directories(share_ + "/d/.braid/streams");
  for (const char* text : {".braid", ".BRAID\\streams", "d\\.braid", "D\\.Braid\\streams"}) {
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
  hidden = {missing("d\\new").place.parent, ".braid"};
  EXPECT_TRUE(
      volume_->rename(server_credentials(), place, key, hidden, true).error().is_os(EACCES));
  EXPECT_TRUE(volume_->remove(server_credentials(), hidden, key).error().is_os(EACCES));
  const auto posix =
      volume_->lookup(server_credentials(), path(".braid"), {.rules = NameRules::kPosix});
  EXPECT_FALSE(posix);
  auto list = volume_->open(server_credentials(), *look("d"), {.access = {.read = true}}).value();
  auto names = list->enumerate().value();
  std::vector<DirectoryEntry> entries;
  EXPECT_TRUE(names->next(100, nullptr, entries));
  EXPECT_EQ(entries.size(), 2u) << "only the dots";
}

// A directory that is made with what may be refused has such a name until it is whole.
TEST_F(Posix, WhatIsBeingMadeCannotBeReached) {
  fs::create_directory(share_ + "/d");
  auto made = volume_
                  ->create(server_credentials(), missing("d\\new"),
                           {.access = {.read = true}, .directory = true, .unnamed = true})
                  .value();
  ASSERT_EQ(std::distance(fs::directory_iterator(share_ + "/d"), fs::directory_iterator()), 1);
  const std::string name = fs::directory_iterator(share_ + "/d")->path().filename();
  EXPECT_TRUE(look("d\\" + name).error().is_os(EACCES));
  EXPECT_TRUE(look("D\\" + wire::fold(name) + "\\x").error().is_os(EACCES));
  auto list = volume_->open(server_credentials(), *look("d"), {.access = {.read = true}}).value();
  auto names = list->enumerate().value();
  std::vector<DirectoryEntry> entries;
  EXPECT_TRUE(names->next(100, nullptr, entries));
  EXPECT_EQ(entries.size(), 2u) << "only the dots";
  EXPECT_FALSE(names->find(name)->has_value());
  // Nor is anything called so.
  outside("f");
  const auto f = look("f");
  EXPECT_TRUE(volume_
                  ->rename(server_credentials(), f->place, f->attributes.key,
                           {missing("d\\new").place.parent, ".braid-new-1"}, true)
                  .error()
                  .is_os(EACCES));
  // What only begins so is anybody's.
  outside("d/.braid-new-ideas");
  EXPECT_TRUE(look("d\\.braid-new-ideas"));
  made.reset();
  EXPECT_FALSE(fs::exists(share_ + "/d/" + name));
}

// What a server that was killed has left keeps no directory from being removed; what is being made
// does.
TEST_F(Posix, LeftoversGoWithTheirDirectory) {
  fs::create_directories(share_ + "/d/.braid-new-1");
  outside("d/.braid-new-2", "");
  const auto remove = [this] {
    const auto d = look("d");
    return volume_->remove(server_credentials(), d->place, d->attributes.key);
  };
  EXPECT_TRUE(remove().error().is_os(ENOTEMPTY));
  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (const char* name : {"/d/.braid-new-1", "/d/.braid-new-2"}) {
    fs::last_write_time(share_ + name, long_ago);
  }
  outside("d/mine");
  EXPECT_TRUE(remove().error().is_os(ENOTEMPTY));
  EXPECT_TRUE(fs::exists(share_ + "/d/.braid-new-1"));
  fs::remove(share_ + "/d/mine");
  EXPECT_TRUE(remove());
  EXPECT_FALSE(fs::exists(share_ + "/d"));
}

}  // namespace
}  // namespace braid::vfs
