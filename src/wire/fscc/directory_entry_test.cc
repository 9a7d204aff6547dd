#include "wire/fscc/directory_entry.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/fscc/captured_testing.h"
#include "wire/fscc/file_attributes.h"

namespace braid::wire {
namespace {

constexpr FileInfoClass kAllClasses[] = {FileInfoClass::kDirectory,
                                         FileInfoClass::kFullDirectory,
                                         FileInfoClass::kBothDirectory,
                                         FileInfoClass::kNames,
                                         FileInfoClass::kIdBothDirectory,
                                         FileInfoClass::kIdFullDirectory,
                                         FileInfoClass::kIdExtdDirectory,
                                         FileInfoClass::kId64ExtdDirectory,
                                         FileInfoClass::kIdAllExtdDirectory,
                                         FileInfoClass::kId64ExtdBothDirectory,
                                         FileInfoClass::kIdAllExtdBothDirectory};

Bytes encode(FileInfoClass info_class, const std::vector<DirectoryEntry>& entries, size_t limit) {
  Bytes out;
  EntryListWriter list(out, limit, 8);
  for (const DirectoryEntry& entry : entries) {
    list.begin();
    encode_directory_entry(info_class, entry, list.writer());
    if (!list.end()) break;
  }
  return out;
}

TEST(DirectoryEntry, CapturedListingsDecode) {
  const std::pair<FileInfoClass, const char*> listings[] = {
      {FileInfoClass::kDirectory, captured::kDirectory},
      {FileInfoClass::kIdBothDirectory, captured::kIdBothDirectory},
      {FileInfoClass::kIdFullDirectory, captured::kIdFullDirectory},
      {FileInfoClass::kNames, captured::kNames}};
  for (const auto& [info_class, vector] : listings) {
    const auto entries = decode_directory_entries(info_class, unhex(vector));
    ASSERT_TRUE(entries);
    ASSERT_EQ(entries->size(), 4u);
    EXPECT_EQ((*entries)[0].file_name, ".");
    EXPECT_EQ((*entries)[1].file_name, "..");
    EXPECT_EQ((*entries)[2].file_name, "Ünïcode file.txt");
    EXPECT_EQ((*entries)[3].file_name, "adir");
    if (info_class == FileInfoClass::kNames) continue;
    EXPECT_EQ((*entries)[2].end_of_file, 11u);
    EXPECT_EQ((*entries)[3].file_attributes, file_attribute::kDirectory);
    if (info_class != FileInfoClass::kDirectory) {
      EXPECT_EQ((*entries)[2].file_id, 0xa74086u);
    }
  }
}

TEST(DirectoryEntry, OurEncodingOfTheCapturedEntriesDecodesTheSame) {
  const auto entries =
      decode_directory_entries(FileInfoClass::kIdBothDirectory, unhex(captured::kIdBothDirectory));
  ASSERT_TRUE(entries);
  // Samba leaves 16 more bytes of room in the middle entry, so the bytes themselves differ.
  const Bytes ours = encode(FileInfoClass::kIdBothDirectory, *entries, SIZE_MAX);
  const auto again = decode_directory_entries(FileInfoClass::kIdBothDirectory, ours);
  ASSERT_TRUE(again);
  ASSERT_EQ(again->size(), entries->size());
  for (size_t i = 0; i < entries->size(); ++i) {
    EXPECT_EQ((*again)[i].file_name, (*entries)[i].file_name);
    EXPECT_EQ((*again)[i].file_id, (*entries)[i].file_id);
    EXPECT_EQ((*again)[i].change_time, (*entries)[i].change_time);
  }
}

TEST(DirectoryEntry, NameStandsAtTheOffsetOfItsClass) {
  DirectoryEntry entry;
  entry.file_name = "Z";
  entry.short_name = "SHORT.NAM";
  for (FileInfoClass info_class : kAllClasses) {
    const Bytes out = encode(info_class, {entry}, SIZE_MAX);
    const size_t offset = directory_name_offset(info_class).value();
    ASSERT_EQ(out.size(), offset + 2) << int(info_class);
    EXPECT_EQ(out[offset], 'Z') << int(info_class);
  }
}

TEST(DirectoryEntry, ReparseTagTakesThePlaceOfEaSizeInOlderClasses) {
  DirectoryEntry entry;
  entry.file_attributes = file_attribute::kReparsePoint;
  entry.reparse_tag = reparse_tag::kSymlink;
  entry.ea_size = 77;
  entry.file_name = "link";
  for (FileInfoClass info_class : kAllClasses) {
    if (info_class == FileInfoClass::kNames || info_class == FileInfoClass::kDirectory) continue;
    const auto back = decode_directory_entries(info_class, encode(info_class, {entry}, SIZE_MAX));
    ASSERT_TRUE(back);
    EXPECT_EQ((*back)[0].reparse_tag, reparse_tag::kSymlink) << int(info_class);
  }
}

TEST(DirectoryEntry, EntryOverTheLimitIsTakenBackWhole) {
  DirectoryEntry a, b;
  a.file_name = "one";
  b.file_name = "two";
  const size_t one = encode(FileInfoClass::kDirectory, {a}, SIZE_MAX).size();
  const size_t both = encode(FileInfoClass::kDirectory, {a, b}, SIZE_MAX).size();
  EXPECT_EQ(encode(FileInfoClass::kDirectory, {a, b}, both).size(), both);
  const Bytes cut = encode(FileInfoClass::kDirectory, {a, b}, both - 1);
  EXPECT_EQ(cut, encode(FileInfoClass::kDirectory, {a}, one));
  EXPECT_TRUE(encode(FileInfoClass::kDirectory, {a, b}, one - 1).empty());
}

TEST(EntryList, OffsetsThatDoNotAdvanceOrOverrunAreMalformed) {
  for (const char* vector : {"01000000 00000000", "02000000 00000000", "09000000 00000000",
                             "fcffffff 00000000", "000000"}) {
    const Bytes bytes = unhex(vector);
    EntryListReader list(bytes, 1);
    ByteView entry;
    while (list.next(entry)) {
    }
    EXPECT_FALSE(list.finish()) << vector;
  }
}

}  // namespace
}  // namespace braid::wire
