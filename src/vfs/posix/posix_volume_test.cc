// What only the posix Volume must do: Samba's forms, streams, what the kernel keeps with a file.
#include "vfs/posix/posix_volume.h"

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <future>
#include <thread>

#include "vfs/posix/kept_times.h"
#include "vfs/posix/posix_volume_testing.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

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

constexpr char kOneCharacter[] = "caf\xC3\xA9";
constexpr char kTwoCharacters[] = "cafe\xCC\x81";

TEST_F(Posix, NamesWithMarksAreFoundHoweverTheyAreWritten) {
  outside(kTwoCharacters);
  EXPECT_FALSE(look(kOneCharacter)) << "as they are written";
  for (const size_t index_bytes : {size_t{1} << 20, size_t{1}}) {
    volume_ =
        open_posix_volume(share_, {.index_bytes_max = index_bytes, .composes_names = true}).value();
    for (const char* name : {kOneCharacter, kTwoCharacters, "CAFE\xCC\x81", "CAF\xC3\x89"}) {
      const auto found = look(name);
      ASSERT_TRUE(found) << name;
      EXPECT_EQ(found->path, path(kTwoCharacters)) << name;
    }
    EXPECT_FALSE(look("cafe"));
    // To who makes names as POSIX has them they are two.
    const auto exact =
        volume_->lookup(server_credentials(), path(kOneCharacter), {.rules = NameRules::kPosix});
    ASSERT_TRUE(exact);
    EXPECT_TRUE(std::holds_alternative<Missing>(*exact));
  }
  // Each by its own where there are both.
  outside(kOneCharacter);
  EXPECT_EQ(look(kOneCharacter)->path, path(kOneCharacter));
  EXPECT_EQ(look(kTwoCharacters)->path, path(kTwoCharacters));
}

TEST_F(Posix, NoSecondNameIsMadeThatDiffersInMarksOnly) {
  volume_ = open_posix_volume(share_, {.composes_names = true}).value();
  const Missing one = missing(kOneCharacter);
  const Missing two = missing(kTwoCharacters);
  ASSERT_TRUE(volume_->create(server_credentials(), one, {}));
  EXPECT_TRUE(volume_->create(server_credentials(), two, {}).error().is_os(EEXIST));
  // It can be written another way.
  const Found from = look(kOneCharacter).value();
  Found to = look(kTwoCharacters).value();
  EXPECT_EQ(to.attributes.key, from.attributes.key);
  to.place.name = to.wanted_name;
  ASSERT_TRUE(
      volume_->rename(server_credentials(), from.place, from.attributes.key, to.place, false));
  EXPECT_EQ(look(kOneCharacter)->path, path(kTwoCharacters));
}

TEST_F(Posix, NamesWithMarksAreTheSameInEitherCase) {
  const std::pair<const char*, const char*> same[] = {
      {"t\xCC\x88x", "T\xCC\x88x"}, {"I\xCC\x87", "i\xCC\x87"}, {"\xC4\xB0z", "i\xCC\x87z"}};
  for (const auto& [there, asked] : same) outside(there);
  for (const size_t index_bytes : {size_t{1} << 20, size_t{1}}) {
    volume_ =
        open_posix_volume(share_, {.index_bytes_max = index_bytes, .composes_names = true}).value();
    for (const auto& [there, asked] : same) {
      const auto found = look(asked);
      ASSERT_TRUE(found) << asked;
      EXPECT_EQ(found->path, path(there)) << asked;
    }
  }
  // Nor is the second one made by who has looked before the first was there.
  const Missing one = missing("u\xCC\x88t\xCC\x88");
  const Missing two = missing("\xC3\x9CT\xCC\x88");
  ASSERT_TRUE(volume_->create(server_credentials(), one, {}));
  EXPECT_TRUE(volume_->create(server_credentials(), two, {}).error().is_os(EEXIST));
}

TEST_F(Posix, PatternsAreComparedAsNamesAre) {
  const auto hidden = [&](const char* name) {
    return (look(name)->attributes.dos_attributes & dos::kHidden) != 0;
  };
  const char* const kNames[] = {"ge\xCC\x81heim", "g\xC3\xA9heim", "GE\xCC\x81HEIM", "T\xCC\x88-1"};
  for (const char* name : kNames) outside(name);
  for (const bool composes : {false, true}) {
    const std::vector<std::string> patterns = {"g\xC3\xA9heim", "\xE1\xBA\x97-?", "*.e\xCC\x81"};
    volume_ =
        open_posix_volume(share_, {.hidden_names = patterns, .composes_names = composes}).value();
    EXPECT_TRUE(hidden("g\xC3\xA9heim"));
    EXPECT_EQ(hidden("ge\xCC\x81heim"), composes);
    EXPECT_EQ(hidden("T\xCC\x88-1"), composes);
    volume_ =
        open_posix_volume(share_, {.veto_names = patterns, .composes_names = composes}).value();
    EXPECT_FALSE(look("g\xC3\xA9heim"));
    for (const char* name : {"ge\xCC\x81heim", "GE\xCC\x81HEIM", "T\xCC\x88-1"}) {
      EXPECT_EQ(static_cast<bool>(look(name)), !composes) << name;
    }
    const Missing at = missing("new.\xC3\xA9");
    const auto made = volume_->create(server_credentials(), at, {});
    EXPECT_EQ(made.has_value(), !composes);
  }
}

TEST_F(Posix, VetoedNamesAreNotThere) {
  for (const char* name : {"a.EXE", "plain"}) outside(name);
  fs::create_directory(share_ + "/Secrets");
  outside("Secrets/inner");
  volume_ = open_posix_volume(share_, {.veto_names = {"*.exe", "secrets", "odd*b"}}).value();
  const auto lookup = [&](std::string_view text, const LookupOptions& options = {}) {
    return volume_->lookup(server_credentials(), path(text), options);
  };
  for (const char* name : {"a.EXE", "A.exe", "SECRETS", "new.exe"}) {
    for (const bool pin : {false, true}) {
      const auto found = lookup(name, {.pin_parent = pin});
      ASSERT_TRUE(found) << name;
      ASSERT_TRUE(std::holds_alternative<Missing>(*found)) << name;
      EXPECT_EQ(std::get<Missing>(*found).path, path(name));
    }
    EXPECT_TRUE(lookup(name, {.wait = Wait::kNever}).error().is_os(EAGAIN)) << name;
    EXPECT_TRUE(volume_->glance(server_credentials(), path(name)).error().is_os(ENOENT)) << name;
    // Nothing becomes of the name, by none of the ways to one.
    const Missing at = missing(name);
    EXPECT_TRUE(volume_->create(server_credentials(), at, {}).error().is_os(EACCES)) << name;
    EXPECT_TRUE(
        volume_->create(server_credentials(), at, {.directory = true}).error().is_os(EACCES));
    EXPECT_TRUE(
        volume_->make_symlink(server_credentials(), at.place, "plain").error().is_os(EACCES));
    const Found plain = look("plain").value();
    EXPECT_TRUE(
        volume_->rename(server_credentials(), plain.place, plain.attributes.key, at.place, true)
            .error()
            .is_os(EACCES));
    auto file = volume_->open(server_credentials(), plain, {}).value();
    EXPECT_TRUE(volume_->link(server_credentials(), *file, at.place, true).error().is_os(EACCES));
  }
  EXPECT_EQ(lookup("secrets\\inner").error().status(), NtStatus::kObjectPathNotFound);
  EXPECT_EQ(lookup("plain\\x.exe").error().status(), NtStatus::kObjectPathNotFound);
  EXPECT_EQ(lookup("none\\x.exe").error().status(), NtStatus::kObjectPathNotFound);
  auto folder = volume_->open(server_credentials(), *look(""), {.access = {.read = true}}).value();
  auto listing = folder->enumerate(NameRules::kWindows).value();
  std::vector<DirectoryEntry> entries;
  ASSERT_TRUE(listing->next(10, nullptr, entries));
  EXPECT_EQ(entries.size(), 3u);  // with . and ..
  EXPECT_FALSE(listing->find("a.exe").value());
  EXPECT_TRUE(listing->find("PLAIN").value());
  // As clients spell it: on disk it is a question mark.
  outside("odd?b");
  const auto odd =
      volume_->lookup(server_credentials(), parse_path("odd?b", NameRules::kPosix).value().path,
                      {.rules = NameRules::kPosix});
  EXPECT_TRUE(odd && std::holds_alternative<Missing>(*odd));
  EXPECT_TRUE(fs::exists(share_ + "/a.EXE") && fs::exists(share_ + "/Secrets/inner"));
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

TEST_F(Posix, StreamsThatCannotBeLookedAtAreAnError) {
  make_large("f", server_credentials());
  auto file = volume_->open(server_credentials(), *look("f"), {}).value();
  const std::string side = share_ + "/" + side_files().at(0);
  fs::remove(side);
  fs::create_symlink("elsewhere", side);
  EXPECT_TRUE(file->streams().error().is_os(EIO));
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

// For a user without CAP_MKNOD the kernel says no, and then nothing has changed.
TEST_F(Posix, DevicesAreTheKernelsToAllow) {
  outside("f", "");
  const auto found = look("f");
  ASSERT_TRUE(found);
  const auto who = can_switch_identity()
                       ? std::make_shared<const UnixCredentials>(UnixCredentials{65534, 65534, {}})
                       : server_credentials();
  fs::permissions(share_, fs::perms::all);
  const auto made =
      volume_->replace(who, found->place, found->attributes.key,
                       {.kind = Kind::kBlockDevice, .device = makedev(8, 0), .mode = 0666});
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().is_os(EPERM));
  EXPECT_EQ(look("f")->attributes.kind, Kind::kFile);
  EXPECT_EQ(std::distance(fs::directory_iterator(share_), {}), 1);
}

TEST_F(Posix, PipesHaveNoStreamsAndAreNotOpenedToLookAtThem) {
  ASSERT_EQ(::mkfifo((share_ + "/pipe").c_str(), 0666), 0);
  const auto file = volume_->open(server_credentials(), *look("pipe"), {}).value();
  EXPECT_TRUE(file->open_stream("s", {.disposition = StreamHow::Disposition::kCreate})
                  .error()
                  .is_os(EPERM));
  EXPECT_TRUE(file->open_stream("s", {}).error().is_os(ENOENT));
  EXPECT_TRUE(file->set_compressed(true).error().is_os(EOPNOTSUPP));
  EXPECT_TRUE(file->flush(Durability::kData));
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

// A backup that reads the file and takes ARCHIVE away while a change of the data is under way may
// not have seen it.
TEST_F(Posix, ChangeThatABackupOvertookIsForTheNextOne) {
  outside("f");
  const DataAccess access{.read = true, .write = true};
  const auto file = volume_->open(server_credentials(), *look("f"), {.access = access}).value();
  const auto backup = volume_->open(server_credentials(), *look("f"), {.access = access}).value();
  ASSERT_TRUE(file->write(0, as_bytes("1")));
  const auto is_set_after = [&](KeptTimes::Operation operation) {
    {
      const KeptTimes under_way(dynamic_cast<PosixFile&>(*file), operation);
      EXPECT_TRUE(backup->change({.dos_attributes = DosChange(0, dos::kArchive)}));
      EXPECT_FALSE(backup->stat()->dos_attributes & dos::kArchive);
    }
    return (backup->stat()->dos_attributes & dos::kArchive) != 0;
  };
  EXPECT_TRUE(is_set_after(KeptTimes::Operation::kData));
  EXPECT_FALSE(is_set_after(KeptTimes::Operation::kMetadata));
}

// A disk on which it takes a while until something is there: calls what is to be done meanwhile.
std::function<void()> meanwhile;
int slow_sync(int fd) {
  if (meanwhile) std::exchange(meanwhile, nullptr)();
  return ::fsync(fd);
}

// Whoever waits for the disk with the data of a stream keeps nobody from the file's attributes.
TEST_F(Posix, NobodyWaitsForTheDiskOfALargeStream) {
  volume_ = open_posix_volume(share_, {.sync = slow_sync, .sync_data = slow_sync}).value();
  outside("f");
  const DataAccess access{.read = true, .write = true};
  const auto file = volume_->open(server_credentials(), *look("f"), {.access = access}).value();
  const auto other = volume_->open(server_credentials(), *look("f"), {.access = access}).value();
  const auto changes_meanwhile = [&](const char* what, const std::function<void()>& operation) {
    std::thread worker;
    bool was_called = false, has_changed = false;
    meanwhile = [&] {
      was_called = true;
      std::promise<void> changed;
      auto done = changed.get_future();
      worker = std::thread([&other, changed = std::move(changed)]() mutable {
        EXPECT_TRUE(other->change({.dos_attributes = DosChange(dos::kHidden, 0)}));
        changed.set_value();
      });
      has_changed = done.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
    };
    operation();
    if (worker.joinable()) worker.join();
    EXPECT_TRUE(was_called && has_changed) << what;
  };
  const auto create = [&](const char* name, uint64_t allocation) {
    return file
        ->open_stream(name, {.disposition = StreamHow::Disposition::kCreate,
                             .write = true,
                             .allocation = allocation})
        .value();
  };
  std::unique_ptr<File> stream;
  changes_meanwhile("a CREATE with room", [&] { stream = create("room", 200'000); });
  changes_meanwhile("a FLUSH", [&] { EXPECT_TRUE(stream->flush(Durability::kData)); });
  stream = create("s", 0);
  ASSERT_TRUE(stream->write(0, as_bytes("small")));
  changes_meanwhile("a FLUSH of an inline one",
                    [&] { EXPECT_TRUE(stream->flush(Durability::kData)); });
  const std::string large(100'000, 'x');
  changes_meanwhile("a WRITE that moves it",
                    [&] { EXPECT_TRUE(stream->write(5, as_bytes(large))); });
  EXPECT_EQ(stream->stat()->size, 100'005u);
  stream = create("t", 0);
  changes_meanwhile("a SET_EOF that moves it", [&] { EXPECT_TRUE(stream->truncate(100'000)); });
  stream = create("u", 0);
  changes_meanwhile("room for one", [&] { EXPECT_TRUE(stream->allocate(100'000)); });
}

// What is copied without the lock is taken only if it is still the stream.
TEST_F(Posix, StreamThatChangesWhileItMovesIsMovedAsItIs) {
  volume_ = open_posix_volume(share_, {.sync = slow_sync, .sync_data = slow_sync}).value();
  outside("f");
  const StreamHow how{.disposition = StreamHow::Disposition::kOpenOrCreate, .write = true};
  const auto one = open_s("f", server_credentials(), how).value();
  const auto other = open_s("f", server_credentials(), how).value();
  ASSERT_TRUE(one->write(0, as_bytes("0123456789")));
  meanwhile = [&] { EXPECT_TRUE(other->write(0, as_bytes("NEW"))); };
  ASSERT_TRUE(one->truncate(100'000));
  Bytes now(10);
  ASSERT_EQ(one->read(0, now, Wait::kAllowed).value(), now.size());
  EXPECT_EQ(as_text(now), "NEW3456789");
  ASSERT_EQ(other->read(0, now, Wait::kAllowed).value(), now.size());
  EXPECT_EQ(as_text(now), "NEW3456789");
  EXPECT_EQ(side_files().size(), 1u) << "the one that came too late is gone";

  // However often it changes meanwhile.
  const auto base = volume_->open(server_credentials(), *look("f"), {}).value();
  ASSERT_TRUE(base->remove_stream("s"));
  const auto first = open_s("f", server_credentials(), how).value();
  const auto second = open_s("f", server_credentials(), how).value();
  size_t times = 0;
  std::function<void()> again = [&] {
    if (++times > 4) return;
    EXPECT_TRUE(second->write(0, as_bytes(std::to_string(times))));
    meanwhile = again;
  };
  meanwhile = again;
  ASSERT_TRUE(first->truncate(100'000));
  meanwhile = nullptr;
  ASSERT_EQ(first->read(0, std::span(now).first(1), Wait::kAllowed).value(), 1u);
  EXPECT_EQ(now[0], '4');
  EXPECT_EQ(side_files().size(), 1u);

  // Or is removed.
  ASSERT_TRUE(base->remove_stream("s"));
  const auto last = open_s("f", server_credentials(), how).value();
  meanwhile = [&] { EXPECT_TRUE(base->remove_stream("s")); };
  EXPECT_TRUE(last->truncate(100'000).error().is_os(ENOENT));
  EXPECT_EQ(side_files().size(), 0u);
}

}  // namespace
}  // namespace braid::vfs
