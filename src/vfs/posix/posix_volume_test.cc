// What only the posix Volume must do: outside changes, hostile links, identities, Samba's forms.
#include "vfs/posix/posix_volume.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>
#include <thread>

#include "runtime/worker_pool.h"
#include "vfs/names.h"
#include "vfs/posix/context.h"
#include "vfs/posix/lookup.h"

namespace braid::vfs {
namespace {

namespace fs = std::filesystem;

class Posix : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/braid-posix-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    share_ = folder_ + "/share";
    fs::create_directory(share_);
    fs::permissions(folder_, fs::perms(0755));
    fs::permissions(share_, fs::perms(0777));
    auto volume = open_posix_volume(share_);
    ASSERT_TRUE(volume) << volume.error().message();
    volume_ = *std::move(volume);
  }
  void TearDown() override {
    ASSERT_TRUE(assume(server_credentials()));
    volume_.reset();
    fs::remove_all(folder_);
  }

  static Path path(std::string_view text) { return parse_path(text).value().path; }
  static Credentials user(uid_t uid) {
    return std::make_shared<const UnixCredentials>(UnixCredentials{uid, uid, {}});
  }
  Result<Found> look(std::string_view text, const Credentials& who) {
    return volume_->find(who, path(text), {.pin_parent = true});
  }
  Result<Found> look(std::string_view text) { return look(text, server_credentials()); }
  Missing missing(std::string_view text, const Credentials& who = server_credentials()) {
    return std::get<Missing>(volume_->lookup(who, path(text)).value());
  }
  Link link_in(std::string_view text) {
    return std::get<Link>(volume_->lookup(server_credentials(), path(text)).value());
  }
  // What local programs do, as the server.
  void mode(const std::string& name, unsigned bits) {
    ASSERT_TRUE(assume(server_credentials()));
    fs::permissions(share_ + "/" + name, fs::perms(bits));
  }
  void outside(const std::string& name, std::string_view text = "x") {
    ASSERT_TRUE(assume(server_credentials()));
    std::ofstream(share_ + "/" + name) << text;
  }
  void set_xattr(const std::string& file, const char* name, std::string_view value) {
    ASSERT_TRUE(assume(server_credentials()));
    ASSERT_EQ(::setxattr((share_ + "/" + file).c_str(), name, value.data(), value.size(), 0), 0);
  }
  std::string get_xattr(const std::string& file, const char* name) {
    EXPECT_TRUE(assume(server_credentials()));
    std::string value(1000, '\0');
    const ssize_t size =
        ::getxattr((share_ + "/" + file).c_str(), name, value.data(), value.size());
    value.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return value;
  }

  // Of the stream "s" when it is large.
  static const char* marker_name() {
    return can_switch_identity() ? "trusted.braid.stream.s" : "user.braid.stream.s";
  }
  Result<std::unique_ptr<File>> open_s(const std::string& file, const Credentials& who,
                                       const StreamHow& how = {}) {
    BRAID_TRY(const auto found, look(file, who));
    BRAID_TRY(const auto base, volume_->open(who, found, {}));
    return base->open_stream("s", how);
  }
  // A file with a stream that is too large to be an attribute.
  void make_large(const std::string& file, const Credentials& who) {
    auto base = volume_->create(who, missing(file, who), {.access = {.write = true}}).value();
    auto stream =
        base->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true})
            .value();
    ASSERT_TRUE(stream->write(0, as_bytes(std::string(100'000, 'x'))));
    ASSERT_TRUE(assume(server_credentials()));
  }
  std::vector<std::string> side_files() {
    std::vector<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(share_ + "/.braid")) {
      if (entry.is_regular_file()) paths.push_back(entry.path().string().substr(share_.size() + 1));
    }
    return paths;
  }

  std::string folder_;
  std::string share_;
  std::unique_ptr<Volume> volume_;
};

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

// user.DOSATTRIB as smbd 4.17.12 wrote it for a file with R, H and A.
TEST_F(Posix, AttributesWrittenBySmbdAreShown) {
  outside("f");
  set_xattr("f", "user.DOSATTRIB",
            std::string_view("\x00\x00\x05\x00\x05\x00\x00\x00\x11\x00\x00\x00\x23\x00\x00\x00"
                             "\x8e\xda\xfe\x4c\x1e\x7b\xdd\x01",
                             24));
  const auto found = look("f");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->attributes.dos_attributes, dos::kReadonly | dos::kHidden | dos::kArchive);
  EXPECT_EQ(found->attributes.creation_time, FileTime{0x01dd7b1e4cfeda8e});
}

TEST_F(Posix, NamesOfTheConfigurationAreShownAsHidden) {
  volume_ = open_posix_volume(share_, {.hidden_names = {".*", "lost+found", "*.tmp"}}).value();
  for (const char* name : {".dot", "Lost+Found", "a.TMP", "plain"}) outside(name);
  const auto hidden = [&](const char* name) {
    const auto found = look(name);
    return found && (found->attributes.dos_attributes & dos::kHidden) != 0;
  };
  EXPECT_TRUE(hidden(".dot"));
  EXPECT_TRUE(hidden("Lost+Found"));
  EXPECT_TRUE(hidden("a.TMP"));
  EXPECT_FALSE(hidden("plain"));
  auto directory = volume_->open(server_credentials(), *look(""), {.access = {.read = true}});
  ASSERT_TRUE(directory);
  std::vector<DirectoryEntry> entries;
  ASSERT_TRUE((*directory)->enumerate(NameRules::kWindows).value()->next(10, nullptr, entries));
  ASSERT_EQ(entries.size(), 6u);
  for (const DirectoryEntry& entry : entries) {
    const bool expected = entry.name != "." && entry.name != ".." && entry.name != "plain";
    EXPECT_EQ((entry.attributes.dos_attributes & dos::kHidden) != 0, expected) << entry.name;
    EXPECT_EQ(entry.attributes.hidden_by_name, expected) << entry.name;
  }
  // It is the name alone: nothing is kept with the file, and a new one is shown so at once.
  auto made = volume_->create(server_credentials(), missing(".new"), {.access = {.write = true}});
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->stat()->dos_attributes, dos::kHidden | dos::kArchive);
  EXPECT_TRUE((*made)->stat()->hidden_by_name);
  volume_ = open_posix_volume(share_).value();
  EXPECT_FALSE(hidden(".new"));
}

TEST_F(Posix, WithoutStreamsThoseOnDiskAreNotShown) {
  outside("f");
  set_xattr("f", "user.DosStream.str:$DATA", std::string_view("hello\n\0", 7));
  volume_ = open_posix_volume(share_, {.streams = false}).value();
  EXPECT_FALSE(volume_->features().streams);
  auto file = volume_->open(server_credentials(), *look("f"), {});
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->streams().error().is_os(ENOTSUP));
  EXPECT_TRUE((*file)->open_stream("str", {}).error().is_os(ENOTSUP));
}

// What ext4 keeps in a block of its own is not data; on other file systems it was never counted.
TEST_F(Posix, AttributesTakeNoPlaceInTheAllocationSize) {
  outside("empty", "");
  outside("small");
  for (const char* name : {"empty", "small"}) {
    const std::string large(500, 'x');
    set_xattr(name, "user.large", large);
    ::sync();
    auto file = volume_->open(server_credentials(), *look(name), {.access = {.write = true}});
    ASSERT_TRUE(file);
    const auto now = (*file)->stat();
    ASSERT_TRUE(now);
    EXPECT_EQ(now->allocation_size, (now->size + 4095) / 4096 * 4096) << name;
    EXPECT_EQ(look(name)->attributes.allocation_size, now->allocation_size) << name;
  }
  auto file = volume_->open(server_credentials(), *look("empty"), {.access = {.write = true}});
  ASSERT_TRUE((*file)->allocate(8192));
  EXPECT_EQ((*file)->stat()->allocation_size, 8192u);
}

// A stream as streams_xattr of smbd 4.17.12 kept it: the bytes and a NUL.
TEST_F(Posix, StreamWrittenBySmbdIsReadAndKeptInItsForm) {
  outside("f");
  set_xattr("f", "user.DosStream.str:$DATA", std::string_view("hello\n\0", 7));
  auto file = volume_->open(server_credentials(), *look("f"), {});
  ASSERT_TRUE(file);
  auto stream = (*file)->open_stream("STR", {.write = true});
  ASSERT_TRUE(stream);
  EXPECT_EQ((*stream)->stat()->size, 6u);
  ASSERT_TRUE((*stream)->write(6, as_bytes("more")));
  EXPECT_EQ(get_xattr("f", "user.DosStream.str:$DATA"), std::string("hello\nmore\0", 11));
}

TEST_F(Posix, AllWhoHaveAStreamOpenFollowItsRename) {
  using How = StreamHow;
  outside("f");
  auto base = volume_->open(server_credentials(), *look("f"), {}).value();
  auto first = base->open_stream("a", {.disposition = How::Disposition::kCreate, .write = true});
  ASSERT_TRUE(first);
  // Through another share of the folder, too.
  auto volume = open_posix_volume(share_).value();
  const auto found = volume->find(server_credentials(), path("f")).value();
  auto second =
      volume->open(server_credentials(), found, {}).value()->open_stream("A", {.write = true});
  ASSERT_TRUE(second);
  ASSERT_TRUE((*first)->rename_stream("a", "b", false));
  auto later = base->open_stream("a", {.disposition = How::Disposition::kCreate, .write = true});
  ASSERT_TRUE(later);
  ASSERT_TRUE((*second)->write(0, as_bytes("text")));
  EXPECT_EQ((*later)->stat()->size, 0u);
  EXPECT_EQ((*first)->stat()->size, 4u);
  EXPECT_EQ((*second)->stream_name()->text(), "b");
}

// At no moment of its rename a stream is without a name, however little room attributes have.
TEST_F(Posix, StreamThatFitsOnceIsRenamed) {
  outside("f");
  auto base = volume_->open(server_credentials(), *look("f"), {}).value();
  auto stream =
      base->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true})
          .value();
  const std::string text(900, 'x');
  ASSERT_TRUE(stream->write(0, as_bytes(text)));
  ASSERT_FALSE(get_xattr("f", "user.DosStream.s:$DATA").empty());
  bool is_full = false;
  for (int i = 0; i < 60 && !is_full; ++i) {
    is_full = ::setxattr((share_ + "/f").c_str(), ("user.pad" + std::to_string(i)).c_str(),
                         std::string(300, 'p').data(), 300, 0) != 0;
  }
  ASSERT_TRUE(stream->rename_stream("s", "t", false));
  EXPECT_EQ(stream->stat()->size, 900u);
  uint8_t byte[1];
  EXPECT_EQ(stream->read(899, byte).value(), 1u);
  const auto list = base->streams().value();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].name, "t");
  if (is_full) EXPECT_TRUE(get_xattr("f", "user.DosStream.t:$DATA").empty());
}

// As a crash leaves it between the two steps, or a disk that is full: the marker is where the bytes
// of the stream were.
TEST_F(Posix, MarkerInThePlaceOfTheBytesIsOne) {
  make_large("f", server_credentials());
  const std::string marker = get_xattr("f", marker_name());
  ASSERT_EQ(marker.size(), 32u);
  const std::string inline_marker = marker + '\1';
  for (const bool has_both : {true, false}) {
    set_xattr("f", "user.DosStream.s:$DATA", inline_marker);
    if (!has_both) {
      ASSERT_EQ(::removexattr((share_ + "/f").c_str(), marker_name()), 0);
    }
    const auto file = volume_->open(server_credentials(), *look("f"), {}).value();
    const auto list = file->streams().value();
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0].size, 100'000u);
    const auto stream = open_s("f", server_credentials(), {.write = true}).value();
    EXPECT_EQ(stream->stat()->size, 100'000u);
    ASSERT_TRUE(stream->write(99'999, as_bytes("y")));
  }
  const auto file = volume_->open(server_credentials(), *look("f"), {}).value();
  ASSERT_TRUE(file->rename_stream("s", "t", false));
  EXPECT_EQ(file->streams()->at(0).name, "t");
  ASSERT_TRUE(file->remove_stream("t"));
  EXPECT_TRUE(file->streams()->empty());
  EXPECT_TRUE(side_files().empty());
  EXPECT_EQ(get_xattr("f", "user.DosStream.s:$DATA"), "");
}

// What looks like one and is the bytes of a stream ends in a NUL.
TEST_F(Posix, StreamOfTheFormOfAMarkerIsAStream) {
  make_large("f", server_credentials());
  const std::string marker = get_xattr("f", marker_name());
  outside("g");
  const auto file = volume_->open(server_credentials(), *look("g"), {}).value();
  const StreamHow how{.disposition = StreamHow::Disposition::kCreate, .write = true};
  for (const std::string& text : {marker, marker + '\1', marker.substr(0, 31) + '\1'}) {
    const auto stream = file->open_stream("s", how).value();
    ASSERT_TRUE(stream->write(0, as_bytes(text)));
    EXPECT_EQ(file->streams()->at(0).size, text.size());
    ASSERT_TRUE(file->remove_stream("s"));
  }
}

// However little room attributes have, the bytes or the marker are there at each moment.
TEST_F(Posix, StreamThatFitsOnceIsMovedOut) {
  outside("f");
  auto base = volume_->open(server_credentials(), *look("f"), {}).value();
  auto stream =
      base->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true})
          .value();
  ASSERT_TRUE(stream->write(0, as_bytes(std::string(900, 'x'))));
  bool is_full = false;
  for (const size_t size : {300u, 10u}) {
    is_full = false;
    for (int i = 0; i < 200 && !is_full; ++i) {
      const std::string name = "user.pad" + std::to_string(size) + "." + std::to_string(i);
      is_full = ::setxattr((share_ + "/f").c_str(), name.c_str(), std::string(size, 'p').data(),
                           size, 0) != 0;
    }
  }
  ASSERT_TRUE(stream->write(0, as_bytes(std::string(100'000, 'y'))));
  EXPECT_EQ(stream->stat()->size, 100'000u);
  EXPECT_EQ(open_s("f", server_credentials())->get()->stat()->size, 100'000u);
  EXPECT_EQ(base->streams()->size(), 1u);
}

TEST_F(Posix, RoomOfAStreamIsTaken) {
  outside("f");
  auto base = volume_->open(server_credentials(), *look("f"), {}).value();
  auto stream =
      base->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true})
          .value();
  ASSERT_TRUE(stream->write(0, as_bytes("text")));
  ASSERT_TRUE(stream->allocate(4));
  EXPECT_EQ(get_xattr("f", "user.DosStream.s:$DATA"), std::string("text\0", 5)) << "it has as much";
  ASSERT_TRUE(stream->allocate(1 << 20));
  EXPECT_EQ(stream->stat()->size, 4u);
  EXPECT_GE(stream->stat()->allocation_size, 1u << 20);
  const auto list = base->streams().value();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].size, 4u);
  EXPECT_GE(list[0].allocation_size, 1u << 20);
}

// Only one that is not there may be missing in a list.
TEST_F(Posix, StreamsThatCannotBeLookedAtAreAnError) {
  make_large("f", server_credentials());
  auto file = volume_->open(server_credentials(), *look("f"), {}).value();
  const std::string side = share_ + "/" + side_files().at(0);
  fs::remove(side);
  fs::create_symlink("elsewhere", side);
  EXPECT_TRUE(file->streams().error().is_os(EIO));
  fs::remove(side);
  EXPECT_EQ(file->streams()->size(), 0u);
}

TEST_F(Posix, WhateverIsOpenIsFlushed) {
  fs::create_directory(share_ + "/d");
  outside("f");
  for (const char* name : {"d", "f"}) {
    const auto stat_open = volume_->open(server_credentials(), *look(name), {}).value();
    EXPECT_TRUE(stat_open->flush(Durability::kDataAndMetadata)) << name;
  }
}

// The blocks kept for root are not for what clients store: EACCES alone lets the server do it.
TEST_F(Posix, AttributesAreStoredAsTheUser) {
  if (!can_switch_identity()) GTEST_SKIP() << "needs root";
  outside("own");
  fs::permissions(share_ + "/own", fs::perms(0666));
  ASSERT_EQ(::chown((share_ + "/own").c_str(), 1234, 1234), 0);
  const Credentials who = user(1234);
  auto file = volume_->open(who, *look("own", who), {.access = {.write = true}}).value();
  EXPECT_TRUE(file->change({.dos_attributes = dos::kHidden}));
  EXPECT_TRUE(file->set_xattr("security.NTACL", as_bytes("x"), Actor::kServer));
  mode("own", 0400);
  EXPECT_TRUE(file->change({.dos_attributes = dos::kSystem}));
}

// Where they are on, tests/vm looks at what they say.
TEST_F(Posix, QuotasThatAreOffTellNothingAndTakeNothing) {
  Quotas* quotas = volume_->quotas();
  ASSERT_NE(quotas, nullptr);
  if (quotas->state() >= QuotaState::kTracked) GTEST_SKIP() << "they are on here";
  EXPECT_FALSE(quotas->of(1));
  EXPECT_FALSE(quotas->next(0));
  EXPECT_FALSE(quotas->set_limits(1, {.soft = 1, .hard = 2}));
  EXPECT_TRUE(quotas->set_limits(0, {}).error().is_os(EINVAL));
}

TEST_F(Posix, StreamsOfACopiedFileAreItsOwn) {
  outside("f");
  auto file = volume_->open(server_credentials(), *look("f"), {}).value();
  auto stream =
      file->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true})
          .value();
  const std::string big(100'000, 'x');
  ASSERT_TRUE(stream->write(0, as_bytes(big)));
  outside("copy");
  set_xattr("copy", marker_name(), get_xattr("f", marker_name()));
  auto copy = volume_->open(server_credentials(), *look("copy"), {}).value();
  auto other = copy->open_stream("s", {.write = true}).value();
  ASSERT_TRUE(other->write(0, as_bytes("changed")));
  uint8_t byte[1];
  ASSERT_EQ(stream->read(0, byte).value(), 1u);
  EXPECT_EQ(byte[0], 'x');
  ASSERT_EQ(other->read(50'000, byte).value(), 1u);
  EXPECT_EQ(byte[0], 'x');
}

// The server died after the marker was put there and before the attribute went.
TEST_F(Posix, StreamThatACrashLeftTwiceIsThereOnce) {
  make_large("f", server_credentials());
  set_xattr("f", "user.DosStream.s:$DATA", std::string("small\0", 6));
  auto file = volume_->open(server_credentials(), *look("f"), {.access = {.write = true}}).value();
  ASSERT_EQ(file->streams()->size(), 1u);
  EXPECT_EQ(file->streams()->at(0).size, 5u);
  auto stream = file->open_stream("s", {.write = true}).value();
  ASSERT_TRUE(stream->write(0, as_bytes(std::string(100'000, 'y'))));
  ASSERT_EQ(file->streams()->size(), 1u);
  EXPECT_EQ(file->streams()->at(0).size, 100'000u);
  EXPECT_EQ(side_files().size(), 1u) << "the one left over is gone";
  set_xattr("f", "user.DosStream.s:$DATA", std::string("small\0", 6));
  ASSERT_TRUE(file->remove_stream("s"));
  EXPECT_TRUE(file->streams()->empty());
  EXPECT_TRUE(side_files().empty());
}

TEST_F(Posix, ZeroedPartsOfALargeStreamAreHoles) {
  outside("f");
  auto file = volume_->open(server_credentials(), *look("f"), {.access = {.write = true}}).value();
  auto stream =
      file->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true})
          .value();
  ASSERT_TRUE(stream->write(0, as_bytes(std::string(1 << 20, 'x'))));
  ASSERT_TRUE(stream->zero_range({65536, 1 << 19}));
  const auto ranges = stream->allocated_ranges({0, 1 << 20}, 10);
  ASSERT_TRUE(ranges);
  EXPECT_EQ(*ranges, (std::vector<Range>{{0, 65536}, {65536 + (1 << 19), (1 << 19) - 65536}}));
  uint8_t bytes[2];
  ASSERT_EQ(stream->read(65535, bytes).value(), 2u);
  EXPECT_EQ(bytes[0], 'x');
  EXPECT_EQ(bytes[1], 0);
  EXPECT_EQ(stream->stat()->size, 1u << 20);
}

TEST_F(Posix, HolesAreNotAllocated) {
  outside("f", "");
  auto file =
      volume_->open(server_credentials(), *look("f"), {.access = {.read = true, .write = true}})
          .value();
  ASSERT_TRUE(file->write(1 << 20, as_bytes("end")));
  ASSERT_TRUE(file->write(0, as_bytes("start")));
  const auto ranges = file->allocated_ranges({0, 2 << 20}, 10).value();
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[0].offset, 0u);
  EXPECT_EQ(ranges[1].offset, 1u << 20);
  EXPECT_EQ(file->allocated_ranges({0, 2 << 20}, 1)->size(), 1u);
}

TEST_F(Posix, PipesOpenWithoutDataOnly) {
  ASSERT_EQ(::mkfifo((share_ + "/pipe").c_str(), 0666), 0);
  const auto found = look("pipe");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->attributes.reparse_tag, kReparseTagNfs);
  EXPECT_TRUE(volume_->open(server_credentials(), *found, {}));
  EXPECT_TRUE(volume_->open(server_credentials(), *found, {.access = {.read = true}})
                  .error()
                  .is_os(EACCES));
}

TEST_F(Posix, OpenGetsWhatWasFoundNotWhatTookItsName) {
  outside("f", "old");
  const auto found = look("f");
  ASSERT_TRUE(found);
  fs::remove(share_ + "/f");
  outside("f", "new!");
  auto file = volume_->open(server_credentials(), *found, {.access = {.read = true}});
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->stat()->size, 3u);
}

class PosixUsers : public Posix {
 protected:
  void SetUp() override {
    if (!can_switch_identity()) GTEST_SKIP() << "needs root";
    Posix::SetUp();
  }
};

TEST_F(PosixUsers, FileOfAnotherUserIsRefusedOnEveryThread) {
  outside("secret", "top");
  mode("secret", 0600);
  const auto try_open = [&](const Credentials& who) -> Result<void> {
    BRAID_TRY(const Found found, volume_->find(who, path("secret")));
    BRAID_TRY(const auto file, volume_->open(who, found, {.access = {.read = true}}));
    return {};
  };
  std::atomic<int> wrong = 0;
  WorkerPool pool(2);
  std::deque<WorkerPool::Seat> seats;
  for (int i = 0; i < 500; ++i) {
    seats.emplace_back(pool, WorkOwner{}).post([&, i] {
      const auto opened = try_open(i % 2 ? user(12345) : server_credentials());
      if (i % 2) {
        wrong += opened || !opened.error().is_os(EACCES);
      } else {
        wrong += !opened;
      }
    });
  }
  for (int i = 0; i < 500; ++i) wrong += !try_open(server_credentials());
  pool.stop();
  EXPECT_EQ(wrong, 0);
}

TEST_F(PosixUsers, CreatedFileBelongsToTheUserAndKeepsItsAttributes) {
  // A mode without write permission does not keep the server from its book-keeping.
  auto file = volume_->create(
      user(12345), missing("mine", user(12345)),
      {.access = {.read = true, .write = true}, .mode = 0444, .dos_attributes = dos::kHidden});
  ASSERT_TRUE(file) << file.error().message();
  const Attributes now = (*file)->stat().value();
  EXPECT_EQ(now.uid, 12345u);
  EXPECT_EQ(now.dos_attributes, dos::kHidden | dos::kArchive);
}

TEST_F(PosixUsers, WhatIsMadeWithoutANameInheritsAndIsTheUsers) {
  ASSERT_TRUE(assume(server_credentials()));
  ASSERT_EQ(::chown(share_.c_str(), 0, 777), 0);
  mode("", 02777);
  for (const bool directory : {false, true}) {
    const std::string name = directory ? "d" : "f";
    const Missing place = missing(name, user(12345));
    // Its maker may not open it by its name.
    auto file = volume_->create(user(12345), place,
                                {.access = {.read = true, .write = !directory},
                                 .directory = directory,
                                 .mode = directory ? 0700u : 0u,
                                 .unnamed = true});
    ASSERT_TRUE(file) << file.error().message();
    const auto now = volume_->publish(user(12345), place, **file);
    ASSERT_TRUE(now) << now.error().message();
    EXPECT_EQ(now->uid, 12345u);
    EXPECT_EQ(now->gid, 777u);
    EXPECT_EQ(volume_->name_of(**file)->text(), name);
    if (!directory) EXPECT_TRUE((*file)->write(0, as_bytes("x")));
  }
}

// Nothing is left of a stream that got no room, and of a file that was made for it.
TEST_F(Posix, StreamWithoutRoomWasNeverThere) {
  outside("f");
  const StreamHow how{.disposition = StreamHow::Disposition::kCreate,
                      .write = true,
                      .allocation = uint64_t{1} << 50};
  EXPECT_TRUE(open_s("f", server_credentials(), how).error().is_os(ENOSPC));
  EXPECT_TRUE(open_s("f", server_credentials()).error().is_os(ENOENT));
  EXPECT_TRUE(side_files().empty());
  auto base = volume_
                  ->create(server_credentials(), missing("g"),
                           {.access = {.read = true, .write = true}, .unnamed = true})
                  .value();
  ASSERT_TRUE(base->open_stream(
      "s", {.disposition = how.disposition, .write = true, .allocation = 100'000}));
  EXPECT_EQ(side_files().size(), 1u);
  base.reset();
  EXPECT_TRUE(side_files().empty());
  EXPECT_FALSE(look("g"));
}

TEST_F(PosixUsers, AttributesAreChangedByWritersOnly) {
  outside("f");
  const FileTime when{0x01d9000012345678};
  mode("f", 0644);
  auto reader = volume_->open(user(12345), *look("f"), {.access = {.read = true}}).value();
  EXPECT_TRUE(reader->change({.dos_attributes = dos::kHidden}).error().is_os(EACCES));
  EXPECT_TRUE(reader->change({.write_time = when}).error().is_os(EACCES));
  EXPECT_FALSE(reader->change({.mode = 0777}));
  EXPECT_TRUE(
      reader->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true})
          .error()
          .is_os(EACCES));
  EXPECT_FALSE(reader->remove_stream("s"));
  mode("f", 0666);
  // Windows lets whoever may write attributes choose the times.
  auto writer = volume_->open(user(12345), *look("f"), {}).value();
  EXPECT_TRUE(writer->change({.dos_attributes = dos::kHidden, .write_time = when}));
  EXPECT_EQ(writer->stat()->write_time, when);
}

TEST_F(PosixUsers, ServerAttributesAreOutOfTheUsersReach) {
  auto file =
      volume_->create(user(12345), missing("mine", user(12345)), {.access = {.write = true}})
          .value();
  EXPECT_FALSE(file->set_xattr("security.NTACL", as_bytes("x"), Actor::kOpener));
  ASSERT_TRUE(file->set_xattr("security.NTACL", as_bytes("x"), Actor::kServer));
  EXPECT_EQ(as_text(file->get_xattr("security.NTACL", Actor::kServer).value()), "x");
}

// Whoever owns a file locally can put a marker on it with whatever it says.
TEST_F(PosixUsers, MarkerMadeByAUserLeadsToNothingOfOthers) {
  make_large("theirs", user(12345));
  const std::string marker = get_xattr("theirs", "trusted.braid.stream.s");
  ASSERT_EQ(marker.size(), 32u);
  EXPECT_EQ(get_xattr("theirs", "user.braid.stream.s"), "");
  for (const uid_t owner : {12346u, 12345u}) {
    const std::string name = "forged" + std::to_string(owner);
    auto file = volume_
                    ->create(user(owner), missing(name, user(owner)),
                             {.access = {.write = true}, .mode = 0666})
                    .value();
    mode(name, 0666);
    std::string forged = marker;
    const uint64_t inode = file->key().inode;
    forged.replace(8, 8, reinterpret_cast<const char*>(&inode), 8);
    set_xattr(name, "user.braid.stream.s", forged);
    EXPECT_TRUE(file->streams()->empty());
    EXPECT_TRUE(open_s(name, user(owner), {.write = true}).error().is_os(ENOENT));
    EXPECT_TRUE(file->rename_stream("s", "t", false).error().is_os(ENOENT));
    // One of the same name takes its place.
    ASSERT_TRUE(open_s(name, user(owner), {.disposition = StreamHow::Disposition::kOpenOrCreate}));
    EXPECT_EQ(file->streams()->at(0).size, 0u);
    set_xattr(name, "user.braid.stream.s", forged);
    ASSERT_TRUE(volume_->remove(user(owner), look(name, user(owner))->place, file->key()));
  }
  EXPECT_EQ(open_s("theirs", user(12345))->get()->stat()->size, 100'000u);
}

// The id is known, and the file has got the inode number of the one that had the stream.
TEST_F(PosixUsers, MarkerOfAnEarlierFileIsNotBelieved) {
  make_large("f", user(12345));
  const std::string marker = get_xattr("f", "trusted.braid.stream.s");
  const std::string side = side_files().front();
  std::string base = get_xattr(side, "user.braid.base");
  ASSERT_EQ(base.size(), 24u);
  ASSERT_EQ(::removexattr((share_ + "/f").c_str(), "trusted.braid.stream.s"), 0);
  set_xattr("f", "user.braid.stream.s", marker);
  mode("f", 0666);
  base[16] = static_cast<char>(base[16] + 1);
  set_xattr(side, "user.braid.base", base);
  EXPECT_TRUE(open_s("f", user(12345)).error().is_os(ENOENT));
  base[16] = static_cast<char>(base[16] - 1);
  ASSERT_TRUE(assume(server_credentials()));
  set_xattr(side, "user.braid.base", base);
  EXPECT_TRUE(open_s("f", user(12345)));
}

TEST_F(PosixUsers, SideFileMadeBeforeItNamedItsFileIsKnownByItsOwner) {
  make_large("f", user(12345));
  const std::string side = side_files().front();
  const std::string marker = get_xattr("f", "trusted.braid.stream.s");
  const auto age = [&] {
    ASSERT_TRUE(assume(server_credentials()));
    ::removexattr((share_ + "/f").c_str(), "trusted.braid.stream.s");
    ::removexattr((share_ + "/" + side).c_str(), "user.braid.base");
    set_xattr("f", "user.braid.stream.s", marker);
  };
  age();
  EXPECT_EQ(open_s("f", user(12345))->get()->stat()->size, 100'000u);
  EXPECT_EQ(get_xattr("f", "trusted.braid.stream.s"), marker);
  EXPECT_EQ(get_xattr("f", "user.braid.stream.s"), "");
  EXPECT_EQ(get_xattr(side, "user.braid.base").size(), 24u);
  // Who else may write the file can have put the marker of another one there.
  age();
  mode("f", 0664);
  EXPECT_TRUE(open_s("f", user(12345)).error().is_os(ENOENT));
  mode("f", 0644);
  EXPECT_TRUE(open_s("f", user(12345)));
  age();
  ASSERT_EQ(::chown((share_ + "/f").c_str(), 12346, 12346), 0);
  EXPECT_TRUE(open_s("f", user(12346)).error().is_os(ENOENT));
}

// Made by root, as whoever restores a backup.
TEST_F(PosixUsers, SideFileFollowsTheOwnerOfItsFile) {
  make_large("f", user(12345));
  struct stat st {};
  ASSERT_EQ(::stat((share_ + "/" + side_files().front()).c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 12345u);
  ASSERT_EQ(::chown((share_ + "/f").c_str(), 12346, 12346), 0);
  ASSERT_TRUE(open_s("f", user(12346))->get()->stat());
  ASSERT_TRUE(assume(server_credentials()));
  ASSERT_EQ(::stat((share_ + "/" + side_files().front()).c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 12346u);
}

TEST_F(PosixUsers, CaseIsIgnoredInDirectoriesThatCannotBeRead) {
  fs::create_directory(share_ + "/Dir");
  outside("Dir/File");
  mode("Dir", 0711);
  EXPECT_EQ(look("dIR\\fILE", user(12345))->path.text(), "Dir\\File");
  mode("Dir", 0700);
  EXPECT_TRUE(look("Dir\\File", user(12345)).error().is_os(EACCES));
  EXPECT_TRUE(look("dIR\\fILE", user(12345)).error().is_os(EACCES));
}

}  // namespace
}  // namespace braid::vfs
