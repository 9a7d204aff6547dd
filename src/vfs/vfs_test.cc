// What every Volume must do, run over each of them.
#include "vfs/vfs.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <latch>
#include <set>
#include <thread>

#include "vfs/fault/fault_volume.h"
#include "vfs/memory/memory_volume.h"
#include "vfs/posix/posix_volume.h"

namespace braid::vfs {
namespace {

struct Backend {
  const char* name;
  std::function<std::unique_ptr<Volume>(const std::string& folder)> make;
};

std::ostream& operator<<(std::ostream& out, const Backend& backend) { return out << backend.name; }

class AnyVolume : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/braid-vfs-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    volume_ = GetParam().make(folder_);
    ASSERT_NE(volume_, nullptr);
  }
  void TearDown() override {
    volume_.reset();
    std::filesystem::remove_all(folder_);
  }

  static Path path(std::string_view text) { return parse_path(text).value().path; }
  // What is there; throws when nothing is.
  Found look(std::string_view text) {
    return volume_->find(who_, path(text), {.pin_parent = true}).value();
  }
  Missing missing(std::string_view text) {
    return std::get<Missing>(volume_->lookup(who_, path(text)).value());
  }
  std::unique_ptr<File> make(std::string_view text, bool directory = false) {
    auto file = volume_->create(who_, missing(text),
                                {.access = {.read = true, .write = true},
                                 .directory = directory,
                                 .mode = directory ? 0755u : 0644u});
    EXPECT_TRUE(file) << text << ": " << file.error().message();
    return file ? *std::move(file) : nullptr;
  }
  std::unique_ptr<File> open(std::string_view text,
                             DataAccess access = {.read = true, .write = true}) {
    auto file = volume_->open(who_, look(text), {.access = access});
    EXPECT_TRUE(file) << text << ": " << file.error().message();
    return file ? *std::move(file) : nullptr;
  }
  bool exists(std::string_view text) { return volume_->find(who_, path(text)).has_value(); }
  static std::string content(File& file) {
    std::string text(1 << 20, '\0');
    const auto got = file.read(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()});
    EXPECT_TRUE(got) << got.error().message();
    text.resize(got.value_or(0));
    return text;
  }
  static std::set<std::string> names(File& directory) {
    auto walk = directory.enumerate();
    EXPECT_TRUE(walk);
    std::set<std::string> out;
    for (bool more = true; more;) {
      std::vector<DirectoryEntry> batch;
      more = (*walk)->next(3, nullptr, batch).value();
      for (const DirectoryEntry& entry : batch) out.insert(entry.name);
    }
    return out;
  }

  const Credentials who_ = server_credentials();
  std::string folder_;
  std::unique_ptr<Volume> volume_;
};

INSTANTIATE_TEST_SUITE_P(
    Vfs, AnyVolume,
    testing::Values(Backend{"posix",
                            [](const std::string& folder) {
                              auto volume = open_posix_volume(folder);
                              return volume ? *std::move(volume) : nullptr;
                            }},
                    Backend{"memory", [](const std::string&) { return make_memory_volume(); }},
                    Backend{"fault",
                            [](const std::string&) {
                              return make_fault_volume(make_memory_volume(), make_fault_plan());
                            }}),
    [](const auto& backend) { return backend.param.name; });

TEST_P(AnyVolume, RootIsADirectoryWithoutAPlace) {
  const Found root = look("");
  EXPECT_TRUE(root.attributes.is_directory());
  EXPECT_FALSE(root.place.parent);
  EXPECT_TRUE(root.attributes.dos_attributes & dos::kDirectory);
  EXPECT_FALSE(volume_->remove(who_, root.place, root.attributes.key));
}

TEST_P(AnyVolume, CreatedFileIsFoundWithItsAttributes) {
  auto file = make("a.txt");
  ASSERT_TRUE(file->write(0, as_bytes("hello")));
  const Found found = look("a.txt");
  EXPECT_EQ(found.attributes.key, file->key());
  EXPECT_EQ(found.attributes.size, 5u);
  EXPECT_EQ(found.attributes.dos_attributes, dos::kArchive);
  EXPECT_EQ(found.path.text(), "a.txt");
  EXPECT_EQ(content(*open("A.TXT")), "hello");
}

TEST_P(AnyVolume, SecondCreateFailsWithEexist) {
  const Missing place = missing("a");
  ASSERT_TRUE(volume_->create(who_, place, {}));
  const auto again = volume_->create(who_, place, {});
  ASSERT_FALSE(again);
  EXPECT_TRUE(again.error().is_os(EEXIST));
}

TEST_P(AnyVolume, WhatHasNoNameYetIsNotThere) {
  for (const bool directory : {false, true}) {
    const std::string name = directory ? "dir" : "file";
    const CreateHow how{.access = {.read = true, .write = !directory},
                        .directory = directory,
                        .mode = directory ? 0755u : 0644u,
                        .dos_attributes = dos::kHidden,
                        .unnamed = true};
    const Missing place = missing(name);
    auto refused = volume_->create(who_, place, how).value();
    EXPECT_FALSE(exists(name));
    refused.reset();
    const auto made = volume_->create(who_, place, how).value();
    ASSERT_TRUE(made->set_xattr("user.x", as_bytes("y")));
    const auto late = volume_->create(who_, place, how).value();
    const auto published = volume_->publish(who_, place, *made);
    ASSERT_TRUE(published) << published.error().message();
    EXPECT_EQ(published->key, made->key());
    EXPECT_TRUE(published->dos_attributes & dos::kHidden);
    EXPECT_EQ(look(name).attributes.key, made->key());
    EXPECT_EQ(as_text(open(name, {})->get_xattr("user.x").value()), "y");
    EXPECT_TRUE(volume_->publish(who_, place, *late).error().is_os(EEXIST));
    EXPECT_EQ(look(name).attributes.key, made->key());
    if (!directory) EXPECT_TRUE(made->write(0, as_bytes("through what made it")));
  }
  EXPECT_EQ(names(*open("", {.read = true})), (std::set<std::string>{".", "..", "dir", "file"}));
}

TEST_P(AnyVolume, MissingParentIsNotMissingName) {
  make("file");
  EXPECT_EQ(missing("none").path.text(), "none");
  EXPECT_TRUE(volume_->find(who_, path("none")).error().is_os(ENOENT));
  for (const char* text : {"none\\b", "none\\b\\c", "file\\b", "FILE\\b"}) {
    const auto found = volume_->lookup(who_, path(text));
    ASSERT_FALSE(found) << text;
    EXPECT_EQ(found.error().status(), NtStatus::kObjectPathNotFound) << text;
  }
}

TEST_P(AnyVolume, NamesMatchWithoutCaseAndKeepTheirSpelling) {
  make("Dir", true);
  make(
      "Dir\\Stra\xc3\x9f"
      "e \xc3\x84.txt");
  const Found found = look(
      "dIR\\STRA\xc3\x9f"
      "E \xc3\xa4.TXT");
  EXPECT_EQ(found.path.text(),
            "Dir\\Stra\xc3\x9f"
            "e \xc3\x84.txt");
  EXPECT_EQ(missing("DIR\\New").path.text(), "Dir\\New");
  const auto posix =
      volume_->lookup(who_, path("dir"), {.rules = NameRules::kPosix, .pin_parent = false});
  ASSERT_TRUE(posix);
  EXPECT_TRUE(std::holds_alternative<Missing>(*posix));
}

TEST_P(AnyVolume, RenameChangesCaseOnly) {
  auto file = make("readme");
  const Found from = look("readme");
  Found to = look("README");
  EXPECT_EQ(to.place.name, "readme");
  EXPECT_EQ(to.wanted_name, "README");
  to.place.name = to.wanted_name;
  ASSERT_TRUE(volume_->rename(who_, from.place, file->key(), to.place, false));
  EXPECT_EQ(look("readme").path.text(), "README");
}

TEST_P(AnyVolume, RenameReplacesOnlyWhenAsked) {
  auto a = make("a");
  ASSERT_TRUE(a->write(0, as_bytes("A")));
  make("b");
  const auto refused = volume_->rename(who_, look("a").place, a->key(), look("b").place, false);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_os(EEXIST));
  ASSERT_TRUE(volume_->rename(who_, look("a").place, a->key(), look("b").place, true));
  EXPECT_FALSE(exists("a"));
  EXPECT_EQ(content(*open("b")), "A");
}

TEST_P(AnyVolume, RenameMovesBetweenDirectoriesAndSetsArchive) {
  make("from", true);
  make("to", true);
  auto file = make("from\\x");
  ASSERT_TRUE(file->change({.dos_attributes = dos::kHidden}));
  ASSERT_TRUE(
      volume_->rename(who_, look("from\\x").place, file->key(), missing("to\\y").place, false));
  EXPECT_FALSE(exists("from\\x"));
  EXPECT_EQ(look("to\\y").attributes.dos_attributes, dos::kHidden | dos::kArchive);
}

TEST_P(AnyVolume, RenameOfAnotherFileFailsWithEstale) {
  auto a = make("a");
  make("b");
  const auto renamed = volume_->rename(who_, look("b").place, a->key(), missing("c").place, false);
  ASSERT_FALSE(renamed);
  EXPECT_TRUE(renamed.error().is_os(ESTALE));
}

TEST_P(AnyVolume, RemoveTakesFilesAndEmptyDirectories) {
  auto directory = make("d", true);
  auto file = make("d\\f");
  const auto full = volume_->remove(who_, look("d").place, directory->key());
  ASSERT_FALSE(full);
  EXPECT_TRUE(full.error().is_os(ENOTEMPTY));
  const auto wrong = volume_->remove(who_, look("d\\f").place, directory->key());
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().is_os(ESTALE));
  ASSERT_TRUE(volume_->remove(who_, look("d\\f").place, file->key()));
  ASSERT_TRUE(volume_->remove(who_, look("d").place, directory->key()));
  EXPECT_FALSE(exists("d"));
}

// Asked of what is open, not of its name, which may have gone to another.
TEST_P(AnyVolume, EmptinessIsToldByTheOpenDirectory) {
  make("d", true);
  make("d\\f");
  const auto directory = open("d", {});
  EXPECT_EQ(directory->is_empty(), false);
  EXPECT_TRUE(open("d\\f", {})->is_empty().error().is_os(ENOTDIR));
  ASSERT_TRUE(volume_->rename(who_, look("d").place, directory->key(), missing("e").place, false));
  make("d", true);
  EXPECT_EQ(directory->is_empty(), false);
  ASSERT_TRUE(volume_->remove(who_, look("e\\f").place, look("e\\f").attributes.key));
  EXPECT_EQ(directory->is_empty(), true);
  ASSERT_TRUE(volume_->remove(who_, look("e").place, directory->key()));
  EXPECT_EQ(directory->is_empty(), true);
}

TEST_P(AnyVolume, RemovedFileStaysUsable) {
  auto file = make("f");
  ASSERT_TRUE(volume_->remove(who_, look("f").place, file->key()));
  ASSERT_TRUE(file->write(0, as_bytes("still")));
  EXPECT_EQ(content(*file), "still");
  EXPECT_EQ(file->stat()->nlink, 0u);
}

TEST_P(AnyVolume, HardLinkIsTheSameFile) {
  auto file = make("one");
  ASSERT_TRUE(file->write(0, as_bytes("data")));
  ASSERT_TRUE(volume_->link(who_, *file, missing("two").place, false));
  EXPECT_EQ(look("two").attributes.key, file->key());
  EXPECT_EQ(file->stat()->nlink, 2u);
  make("three");
  const auto taken = volume_->link(who_, *file, look("three").place, false);
  ASSERT_FALSE(taken);
  EXPECT_TRUE(taken.error().is_os(EEXIST));
  ASSERT_TRUE(volume_->link(who_, *file, look("three").place, true));
  EXPECT_EQ(file->stat()->nlink, 3u);
  // Renaming one name of a file onto another leaves one.
  ASSERT_TRUE(volume_->rename(who_, look("two").place, file->key(), look("three").place, true));
  EXPECT_FALSE(exists("two"));
  EXPECT_EQ(file->stat()->nlink, 2u);
}

TEST_P(AnyVolume, AttributesAndTimesAreKept) {
  auto file = make("f");
  const FileTime creation{0x01d9000012345678};
  const FileTime access{0x01d9000012345670};
  const FileTime written{0x01d9000012345671};
  ASSERT_TRUE(file->change({.dos_attributes = dos::kReadonly | dos::kHidden | dos::kDirectory,
                            .creation_time = creation,
                            .access_time = access,
                            .write_time = written}));
  const Attributes now = file->stat().value();
  EXPECT_EQ(now.dos_attributes, dos::kReadonly | dos::kHidden);
  EXPECT_EQ(now.creation_time, creation);
  EXPECT_EQ(now.access_time, access);
  EXPECT_EQ(now.write_time, written);
  ASSERT_TRUE(file->change({.dos_attributes = dos::kNormal}));
  EXPECT_EQ(look("f").attributes.dos_attributes, dos::kNormal);
  EXPECT_EQ(look("f").attributes.creation_time, creation);
  ASSERT_TRUE(file->write(0, as_bytes("x")));
}

// Each of two who change attributes at one time knows of its own bits only.
TEST_P(AnyVolume, ChangeLeavesTheAttributesThatItDoesNotName) {
  auto file = make("f");
  ASSERT_TRUE(file->change({.dos_attributes = dos::kHidden}));
  ASSERT_TRUE(file->change({.dos_attributes = DosChange(dos::kSparse, dos::kSparse)}));
  EXPECT_EQ(file->stat()->dos_attributes, dos::kHidden | dos::kSparse);
  ASSERT_TRUE(file->change({.dos_attributes = DosChange(dos::kSystem, dos::kSettable)}));
  EXPECT_EQ(file->stat()->dos_attributes, dos::kSystem | dos::kSparse);
  ASSERT_TRUE(file->change({.dos_attributes = DosChange(0, dos::kSparse)}));
  EXPECT_EQ(file->stat()->dos_attributes, dos::kSystem);
  ASSERT_TRUE(file->change({.dos_attributes = DosChange(dos::kNormal, dos::kSettable)}));
  EXPECT_EQ(file->stat()->dos_attributes, dos::kNormal);
}

// Whoever asks whether a file is still as it was is not told of times that somebody chose or keeps.
TEST_P(AnyVolume, ChangedMovesWhateverTimesAreShown) {
  auto file = make("f");
  auto other = open("f", {.write = true});
  const FileTime chosen{0x01d9000012345678};
  ASSERT_TRUE(file->change({.write_time = chosen, .change_time = chosen}));
  file->set_time_rules({.write = TimeRule::kKept, .change = TimeRule::kKept});
  for (File* const writer : {file.get(), other.get()}) {
    const FileTime before = file->stat()->changed;
    EXPECT_NE(before, chosen);
    // Not within the same tick of the clock that the kernel takes for it.
    do {
      ASSERT_TRUE(writer->write(0, as_bytes("x")));
    } while (file->stat()->changed == before &&
             system_clock().now().ticks - before.ticks < kTicksPerSecond);
    EXPECT_NE(file->stat()->changed, before);
  }
}

TEST_P(AnyVolume, FirstWriteSetsArchive) {
  ASSERT_TRUE(make("f")->change({.dos_attributes = dos::kSystem}));
  auto file = open("f");
  EXPECT_EQ(file->stat()->dos_attributes, dos::kSystem);
  ASSERT_TRUE(file->write(0, as_bytes("x")));
  EXPECT_EQ(file->stat()->dos_attributes, dos::kSystem | dos::kArchive);
}

// A backup takes the attribute away; whoever writes then, however long it has had the file open,
// puts the file down for the next one.
TEST_P(AnyVolume, EveryChangeAfterABackupSetsArchiveAgain) {
  auto file = make("f");
  ASSERT_TRUE(file->write(0, as_bytes("text")));
  auto backup = open("f", {.read = true});
  const auto is_set_by = [&](const std::function<void()>& change) {
    EXPECT_TRUE(backup->change({.dos_attributes = DosChange(0, dos::kArchive)}));
    EXPECT_FALSE(backup->stat()->dos_attributes & dos::kArchive);
    change();
    return (backup->stat()->dos_attributes & dos::kArchive) != 0;
  };
  EXPECT_TRUE(is_set_by([&] { EXPECT_TRUE(file->write(0, as_bytes("x"))); }));
  EXPECT_TRUE(is_set_by([&] { EXPECT_TRUE(file->write(0, as_bytes("y"))); }));
  EXPECT_TRUE(is_set_by([&] { EXPECT_TRUE(file->truncate(2)); }));
  EXPECT_TRUE(is_set_by([&] { EXPECT_TRUE(file->zero_range({0, 1})); }));
  EXPECT_TRUE(is_set_by([&] { EXPECT_TRUE(file->note_modified()); }));
  auto source = make("source");
  ASSERT_TRUE(source->write(0, as_bytes("other")));
  EXPECT_TRUE(is_set_by([&] { EXPECT_TRUE(file->copy_range(*source, 0, 0, 5)); }));
  auto stream =
      file->open_stream("s", {.disposition = StreamHow::Disposition::kCreate, .write = true});
  ASSERT_TRUE(stream);
  EXPECT_TRUE(is_set_by([&] { EXPECT_TRUE((*stream)->write(0, as_bytes("z"))); }));
  EXPECT_TRUE(is_set_by([&] { EXPECT_TRUE((*stream)->write(0, as_bytes("Z"))); }));
}

TEST_P(AnyVolume, WhatIsReadAndWrittenBackIsOneStep) {
  ASSERT_TRUE(make("f")->set_xattr("user.count", as_bytes("0")));
  constexpr int kTimes = 500;
  std::latch both(2);
  const auto count = [&] {
    auto file = open("f");
    both.arrive_and_wait();
    for (int i = 0; i < kTimes; ++i) {
      EXPECT_TRUE(file->exclusively([&]() -> Result<void> {
        BRAID_TRY(const Bytes now, file->get_xattr("user.count"));
        const std::string next = std::to_string(std::stoi(std::string(as_text(now))) + 1);
        // What is called inside takes the same lock.
        BRAID_CHECK(file->change({.dos_attributes = dos::kHidden}));
        return file->set_xattr("user.count", as_bytes(next));
      }));
    }
  };
  std::thread other(count);
  count();
  other.join();
  EXPECT_EQ(as_text(open("f")->get_xattr("user.count").value()), std::to_string(2 * kTimes));
}

TEST_P(AnyVolume, ModeChanges) {
  auto file = make("f");
  ASSERT_TRUE(file->change({.mode = 0600}));
  EXPECT_EQ(file->stat()->mode, 0600u);
}

TEST_P(AnyVolume, StatOpenNeitherReadsNorWrites) {
  make("f");
  auto file = open("f", {});
  uint8_t byte[1] = {};
  EXPECT_TRUE(file->stat());
  EXPECT_TRUE(file->read(0, byte).error().is_os(EBADF));
  EXPECT_TRUE(file->write(0, byte).error().is_os(EBADF));
  EXPECT_TRUE(file->change({.dos_attributes = dos::kHidden}));
}

TEST_P(AnyVolume, PiecesAreWrittenInOrder) {
  auto file = make("f");
  const ByteView pieces[] = {as_bytes("ab"), {}, as_bytes("cde"), as_bytes("f")};
  EXPECT_EQ(file->write(1, pieces).value(), 6u);
  EXPECT_EQ(content(*file), std::string("\0abcdef", 7));
  uint8_t rest[10];
  EXPECT_EQ(file->read(5, rest).value(), 2u);
  EXPECT_EQ(file->read(7, rest).value(), 0u);
}

// Through handles of their own, as clients have them.
TEST_P(AnyVolume, TruncateAllocateAndZero) {
  auto file = make("f");
  ASSERT_TRUE(file->write(0, as_bytes("0123456789")));
  ASSERT_TRUE(file->truncate(6));
  ASSERT_TRUE(file->zero_range({2, 100}));
  EXPECT_EQ(content(*file), std::string("01\0\0\0\0", 6));
  ASSERT_TRUE(file->allocate(1 << 16));
  EXPECT_EQ(file->stat()->size, 6u);
  EXPECT_GE(file->stat()->allocation_size, 1u << 16);
  ASSERT_TRUE(file->allocate(0));
  EXPECT_LT(file->stat()->allocation_size, 1u << 16);
  ASSERT_TRUE(file->flush(Durability::kData));
  ASSERT_TRUE(file->flush(Durability::kDataAndMetadata));
  const auto ranges = file->allocated_ranges({0, 1000}, 10);
  ASSERT_TRUE(ranges);
  for (const Range& range : *ranges) EXPECT_LE(range.offset + range.length, 6u);
  EXPECT_TRUE(file->allocated_ranges({6, 10}, 10)->empty());
}

TEST_P(AnyVolume, CopyRangeAlsoWithinOneFile) {
  auto from = make("from");
  ASSERT_TRUE(from->write(0, as_bytes("0123456789")));
  auto to = make("to");
  EXPECT_EQ(to->copy_range(*from, 2, 1, 100).value(), 8u);
  EXPECT_EQ(content(*to), std::string("\00023456789", 9));
  EXPECT_EQ(from->copy_range(*from, 0, 2, 8).value(), 8u);
  EXPECT_EQ(content(*from), "0101234567");
  const auto cloned = to->clone_range(*from, 0, 0, 4096);
  EXPECT_EQ(cloned.has_value(), false);
}

TEST_P(AnyVolume, EnumerationShowsDotsAndAll) {
  make("d", true);
  make("d\\one");
  make("d\\Two");
  make("d\\three", true);
  auto directory = open("d", {.read = true});
  EXPECT_EQ(names(*directory), (std::set<std::string>{".", "..", "one", "Two", "three"}));

  auto walk = directory->enumerate().value();
  std::vector<DirectoryEntry> batch;
  ASSERT_TRUE(walk->next(2, nullptr, batch));
  EXPECT_EQ(batch[0].name, ".");
  EXPECT_EQ(batch[1].name, "..");
  EXPECT_EQ(batch[0].attributes.key, directory->key());
  EXPECT_EQ(batch[1].attributes.key, look("").attributes.key);
  batch.clear();
  ASSERT_TRUE(walk->next(10, [](std::string_view n) { return n.starts_with('t'); }, batch));
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch[0].name, "three");
  EXPECT_TRUE(batch[0].attributes.is_directory());
  make("d\\later");
  ASSERT_TRUE(walk->restart());
  batch.clear();
  EXPECT_FALSE(walk->next(100, nullptr, batch).value());
  EXPECT_EQ(batch.size(), 6u);
}

TEST_P(AnyVolume, EnumerationLooksAtNoMoreNamesThanAsked) {
  make("d", true);
  for (int i = 0; i < 20; ++i) make("d\\f" + std::to_string(i));
  auto walk = open("d", {.read = true})->enumerate().value();
  std::vector<DirectoryEntry> none;
  size_t asked = 0;
  const auto refuse = [&asked](std::string_view) { return ++asked == 0; };
  EXPECT_TRUE(walk->next(5, refuse, none).value());
  EXPECT_EQ(asked, 5u);
  EXPECT_TRUE(walk->next(10, refuse, none).value());
  EXPECT_EQ(asked, 15u);
  EXPECT_FALSE(walk->next(10, refuse, none).value());
  EXPECT_EQ(asked, 22u);
  EXPECT_TRUE(none.empty());
}

TEST_P(AnyVolume, ReplaceTurnsAFileIntoALinkAndBack) {
  make("d", true);
  make("d\\x");
  const auto file_key = look("d\\x");
  ASSERT_TRUE(volume_->replace(who_, file_key.place, file_key.attributes.key,
                               Replacement::link_to("target")));
  const auto link = look("d\\x");
  EXPECT_EQ(link.symlink_target, "target");
  EXPECT_TRUE(
      volume_->replace(who_, link.place, file_key.attributes.key, Replacement::link_to("other"))
          .error()
          .is_os(ESTALE));
  EXPECT_EQ(look("d\\x").symlink_target, "target");
  ASSERT_TRUE(volume_->replace(who_, link.place, link.attributes.key, {}));
  EXPECT_EQ(look("d\\x").attributes.kind, Kind::kFile);

  // A directory that is not empty stays, with all that is in it and nothing else.
  const auto directory = look("d");
  EXPECT_TRUE(
      volume_
          ->replace(who_, directory.place, directory.attributes.key, Replacement::link_to("target"))
          .error()
          .is_os(ENOTEMPTY));
  EXPECT_TRUE(look("d").attributes.is_directory());
  EXPECT_TRUE(exists("d\\x"));
}

TEST_P(AnyVolume, ReplaceMakesWhatHasNoData) {
  for (const Kind kind : {Kind::kFifo, Kind::kSocket}) {
    make("x");
    const auto file = look("x");
    ASSERT_TRUE(
        volume_->replace(who_, file.place, file.attributes.key, {.kind = kind, .mode = 0640}));
    const auto made = look("x");
    EXPECT_EQ(made.attributes.kind, kind);
    EXPECT_EQ(made.attributes.mode, 0640u);
    EXPECT_EQ(made.attributes.reparse_tag, kReparseTagNfs);
    EXPECT_TRUE(made.attributes.dos_attributes & dos::kReparsePoint);
    EXPECT_TRUE(volume_->open(who_, made, {}));
    // Nobody is at the other end, so that an open of a pipe would never return.
    for (const DataAccess access : {DataAccess{.read = true}, DataAccess{.write = true}}) {
      EXPECT_TRUE(volume_->open(who_, made, {.access = access}).error().is_os(EACCES));
    }
    ASSERT_TRUE(volume_->replace(who_, made.place, made.attributes.key, {.mode = 0600}));
    const auto back = look("x");
    EXPECT_EQ(back.attributes.kind, Kind::kFile);
    EXPECT_TRUE(volume_->replace(who_, back.place, back.attributes.key, {.kind = Kind::kDirectory})
                    .error()
                    .is_os(EINVAL));
    ASSERT_TRUE(volume_->remove(who_, back.place, back.attributes.key));
  }
}

TEST_P(AnyVolume, SymlinkIsShownNotFollowed) {
  make("d", true);
  ASSERT_TRUE(volume_->make_symlink(who_, missing("link").place, "d/../../etc"));
  const Found link = look("LINK");
  EXPECT_TRUE(link.attributes.is_symlink());
  EXPECT_EQ(link.attributes.reparse_tag, kReparseTagSymlink);
  EXPECT_EQ(link.symlink_target, "d/../../etc");
  const auto beyond = std::get<Link>(volume_->lookup(who_, path("link\\passwd\\x")).value());
  EXPECT_EQ(beyond.target, "d/../../etc");
  EXPECT_EQ(beyond.path.text(), "link");
  EXPECT_EQ(volume_->find(who_, path("link\\passwd\\x")).error().status(),
            NtStatus::kObjectPathNotFound);
  const auto data = volume_->open(who_, link, {.access = {.read = true}});
  ASSERT_FALSE(data);
  EXPECT_TRUE(data.error().is_os(EACCES));
  EXPECT_EQ(open("link", {})->read_link().value(), "d/../../etc");
  ASSERT_TRUE(volume_->remove(who_, link.place, link.attributes.key));
}

TEST_P(AnyVolume, ExtendedAttributes) {
  auto file = make("f");
  EXPECT_TRUE(file->get_xattr("user.x").error().is_os(ENODATA));
  ASSERT_TRUE(file->set_xattr("user.x", as_bytes("value")));
  EXPECT_EQ(as_text(file->get_xattr("user.x", Actor::kServer).value()), "value");
  const auto list = file->list_xattrs().value();
  EXPECT_EQ(std::ranges::count(list, "user.x"), 1);
  ASSERT_TRUE(file->remove_xattr("user.x"));
  EXPECT_FALSE(file->remove_xattr("user.x"));
}

TEST_P(AnyVolume, StreamsOfAnySize) {
  using How = StreamHow;
  for (const char* owner : {"file", "folder"}) {
    make(owner, std::string_view(owner) == "folder");
    auto base = open(owner, {});
    EXPECT_TRUE(base->open_stream("s", {}).error().is_os(ENOENT));
    auto stream =
        base->open_stream("Notes", {.disposition = How::Disposition::kCreate, .write = true});
    ASSERT_TRUE(stream) << stream.error().message();
    EXPECT_TRUE(
        base->open_stream("notes", {.disposition = How::Disposition::kCreate, .write = true})
            .error()
            .is_os(EEXIST));
    ASSERT_TRUE((*stream)->write(0, as_bytes("small")));
    EXPECT_EQ(content(**stream), "small");
    EXPECT_NE((*stream)->key().stream, 0u);
    EXPECT_EQ((*stream)->key().inode, base->key().inode);
    EXPECT_FALSE((*stream)->is_directory());

    // Beyond what an attribute holds.
    auto other = base->open_stream("NOTES", {.write = true}).value();
    EXPECT_EQ(other->key(), (*stream)->key());
    const std::string big(300'000, 'x');
    ASSERT_TRUE(other->write(5, as_bytes(big)));
    EXPECT_EQ(content(**stream), "small" + big);
    EXPECT_EQ((*stream)->stat()->size, 300'005u);
    ASSERT_TRUE((*stream)->flush(Durability::kData));
    ASSERT_TRUE((*stream)->truncate(3));
    EXPECT_EQ(content(*other), "sma");

    auto list = base->streams().value();
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0].name, "Notes");
    EXPECT_EQ(list[0].size, 3u);

    ASSERT_TRUE((*stream)->rename_stream("notes", "Other", false));
    EXPECT_EQ(content(**stream), "sma");
    EXPECT_EQ(base->streams()->at(0).name, "Other");
    ASSERT_TRUE(base->open_stream("third",
                                  {.disposition = How::Disposition::kOpenOrCreate, .write = true}));
    EXPECT_TRUE(base->rename_stream("other", "THIRD", false).error().is_os(EEXIST));
    ASSERT_TRUE(base->rename_stream("other", "THIRD", true));
    ASSERT_TRUE(base->remove_stream("third"));
    EXPECT_TRUE(base->streams()->empty());
    ASSERT_TRUE(volume_->remove(who_, look(owner).place, base->key()));
  }
  EXPECT_EQ(names(*open("", {.read = true})), (std::set<std::string>{".", ".."}));
}

TEST_P(AnyVolume, ReservedCharactersComeBack) {
  const std::string shown =
      "a\xef\x80\xa2"   // U+F022, a colon on disk
      "b\xef\x80\xa9";  // U+F029, a dot at the end
  make(shown);
  EXPECT_EQ(look(shown).place.name, "a:b.");
  EXPECT_TRUE(names(*open("", {.read = true})).contains(shown));
  Path raw;
  ASSERT_TRUE(raw.append("a:b."));
  EXPECT_TRUE(volume_->find(who_, raw, {.rules = NameRules::kPosix}));
}

TEST_P(AnyVolume, ExactNamesDifferByCase) {
  const LookupOptions exact{.rules = NameRules::kExact, .pin_parent = true};
  const auto exactly = [](std::string_view name) {
    return parse_path(name, NameRules::kExact)->path;
  };
  make("file");
  const auto missing = volume_->lookup(who_, exactly("FILE"), exact);
  ASSERT_TRUE(missing && std::holds_alternative<Missing>(*missing));
  const auto& where = std::get<Missing>(*missing);
  EXPECT_TRUE(where.place.is_exact);
  auto made = volume_->create(who_, where, {.access = {.read = true, .write = true}});
  ASSERT_TRUE(made) << made.error().message();
  const auto other = volume_->find(who_, exactly("FILE"), exact);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->attributes.key, (*made)->key());
  EXPECT_NE(volume_->find(who_, exactly("file"), exact)->attributes.key, (*made)->key());
  EXPECT_FALSE(volume_->find(who_, exactly("File"), exact));
  EXPECT_TRUE(volume_->find(who_, exactly("File")));
  const auto listing = (*open("", {.read = true})).enumerate(NameRules::kExact);
  ASSERT_TRUE(listing);
  EXPECT_TRUE((*listing)->find("FILE").value());
  EXPECT_FALSE((*listing)->find("File").value());
  // And each can be given the other's name.
  ASSERT_TRUE(volume_->rename(who_, other->place, other->attributes.key,
                              {other->place.parent, "file", true}, true));
  EXPECT_EQ(volume_->find(who_, exactly("file"), exact)->attributes.key, (*made)->key());
  EXPECT_FALSE(volume_->find(who_, exactly("FILE"), exact));
}

TEST_P(AnyVolume, ExactNamesMayHoldWhatWindowsReserves) {
  const auto path = parse_path("a:b\\c.", NameRules::kExact)->path;
  const LookupOptions exact{.rules = NameRules::kExact};
  const auto missing = volume_->lookup(who_, path, exact);
  ASSERT_TRUE(missing && std::holds_alternative<Missing>(*missing));
  EXPECT_EQ(std::get<Missing>(*missing).place.name, "a:b\\c.");
  ASSERT_TRUE(volume_->create(who_, std::get<Missing>(*missing), {}));
  const auto found = volume_->find(who_, path, exact);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->place.name, "a:b\\c.");
  EXPECT_EQ(found->path.text(), path.text());
}

// A name with a colon, and one with the character by which clients know a colon.
TEST_P(AnyVolume, NamesWithPrivateCharactersAreOthers) {
  const std::string colon = "a\uF022", character = to_client("a\uF022");
  const LookupOptions exact{.rules = NameRules::kExact};
  make(colon);
  EXPECT_FALSE(volume_->find(who_, parse_path(character)->path));
  EXPECT_FALSE(volume_->find(who_, parse_path(character, NameRules::kExact)->path, exact));
  make(character);
  EXPECT_EQ(look(colon).place.name, "a:");
  EXPECT_EQ(look(character).place.name, "a\uF022");
  EXPECT_NE(look(colon).attributes.key, look(character).attributes.key);
  const auto of = [&](std::string_view name) {
    return volume_->find(who_, parse_path(name, NameRules::kExact)->path, exact);
  };
  EXPECT_EQ(of("a:")->place.name, "a:");
  EXPECT_EQ(of(colon)->place.name, "a:");
  EXPECT_EQ(of(character)->place.name, "a\uF022");
  EXPECT_EQ(names(*open("", {.read = true})), (std::set<std::string>{".", "..", colon, character}));
  for (const auto rules : {NameRules::kWindows, NameRules::kExact}) {
    const auto listing = (*open("", {.read = true})).enumerate(rules);
    ASSERT_TRUE(listing);
    EXPECT_EQ((*(*listing)->find(colon))->disk_name, "a:");
    EXPECT_EQ((*(*listing)->find(character))->disk_name, "a\uF022");
  }
}

TEST_P(AnyVolume, SpaceIsKnown) {
  const auto space = volume_->space(who_);
  ASSERT_TRUE(space);
  EXPECT_GT(space->total_blocks, 0u);
  EXPECT_LE(space->available_blocks, space->total_blocks);
  EXPECT_TRUE(volume_->features().streams);
}

}  // namespace
}  // namespace braid::vfs
