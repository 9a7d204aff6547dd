#include "wire/fscc/directory_entry.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/fscc/captured_testing.h"
#include "wire/fscc/file_attributes.h"
#include "wire/golden_testing.h"

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

Bytes encode_u32(uint32_t value) {
  Bytes out;
  Writer(out).u32(value);
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

TEST(DirectoryEntry, PosixEntryIsAsItStands) {
  DirectoryEntry entry;
  entry.end_of_file = 0x0102030405060708;
  entry.file_id = 0x1112131415161718;
  entry.device_id = 0x21222324;
  entry.number_of_links = 3;
  entry.reparse_tag = 0x31323334;
  entry.mode = PosixMode::kFifo | 01644;
  entry.owner = sids::kUnixUsers.with_rid(7);
  entry.group = sids::kUnixGroups.with_rid(9);
  entry.file_name = "a:b";
  const Bytes out = encode(FileInfoClass::kPosix, {entry}, SIZE_MAX);
  ASSERT_EQ(directory_name_offset(FileInfoClass::kPosix), 124u);
  EXPECT_EQ(hex_of(ByteView(out).first(8)), "0000000000000000");
  EXPECT_EQ(hex_of(ByteView(out).subspan(40)),
            "0807060504030201"
            "0000000000000000"
            "00000000"
            "1817161514131211"
            "24232221"
            "00000000"
            "03000000"
            "34333231"
            "A4530000"
            "0102000000000016"
            "0100000007000000"
            "0102000000000016"
            "0200000009000000"
            "06000000"
            "61003A006200");
  entry.creation_time = {1};
  entry.last_access_time = {2};
  entry.last_write_time = {3};
  entry.change_time = {4};
  const auto back = decode_directory_entries(FileInfoClass::kPosix,
                                             encode(FileInfoClass::kPosix, {entry}, SIZE_MAX));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->front().creation_time, entry.creation_time);
  EXPECT_EQ(back->front().last_access_time, entry.last_access_time);
  EXPECT_EQ(back->front().last_write_time, entry.last_write_time);
  EXPECT_EQ(back->front().change_time, entry.change_time);
  EXPECT_EQ(back->front().mode, entry.mode);
  EXPECT_EQ(back->front().owner, entry.owner);
  EXPECT_EQ(back->front().group, entry.group);
  EXPECT_EQ(back->front().file_name, "a:b");
  EXPECT_FALSE(decode_directory_entries(FileInfoClass::kPosix, ByteView(out).first(123)));
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

// Every class with every field, as the sections of [MS-FSCC] 2.4 lay them out.
TEST(DirectoryEntry, BytesOfEachClassAreThoseOfItsSection) {
  DirectoryEntry entry{.file_index = 0x04030201,
                       .creation_time = {0x1817161514131211},
                       .last_access_time = {0x2827262524232221},
                       .last_write_time = {0x3837363534333231},
                       .change_time = {0x4847464544434241},
                       .end_of_file = 0x5857565554535251,
                       .allocation_size = 0x6867666564636261,
                       .file_attributes = 0x74737271,
                       .ea_size = 0x84838281,
                       .reparse_tag = 0x94939291,
                       .file_id = 0xA8A7A6A5A4A3A2A1,
                       .file_id_128 = id_from<FileId128>(0xB0),
                       .short_name = "xy",
                       .file_name = "ab"};
  const std::string ea = "81828384 ";
  const std::string id = "A1A2A3A4A5A6A7A8 ";
  const std::string id_128 = "B0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF ";
  const std::string short_name = "04 00 78007900" + std::string(40, '0');
  const auto check = [&](FileInfoClass info_class, const std::string& special) {
    const std::string fixed =
        "00000000 01020304 1112131415161718 2122232425262728 3132333435363738 4142434445464748"
        "5152535455565758 6162636465666768" +
        hex_of(encode_u32(entry.file_attributes)) + "04000000";
    const Bytes bytes = unhex(fixed + special + "61006200");
    EXPECT_EQ(hex_of(encode(info_class, {entry}, SIZE_MAX)), hex_of(bytes)) << int(info_class);
    const auto decoded = decode_directory_entries(info_class, bytes);
    ASSERT_TRUE(decoded) << int(info_class);
    EXPECT_EQ(hex_of(encode(info_class, *decoded, SIZE_MAX)), hex_of(bytes)) << int(info_class);
    for (size_t size = 4; size < bytes.size(); ++size) {
      EXPECT_EQ(decode_directory_entries(info_class, ByteView(bytes).first(size)).error(),
                Error::truncated())
          << int(info_class) << " cut to " << size;
    }
  };
  for (const bool is_reparse_point : {false, true}) {
    if (is_reparse_point) entry.file_attributes |= file_attribute::kReparsePoint;
    const std::string tag = is_reparse_point ? "91929394 " : "00000000 ";
    const std::string ea_or_tag = is_reparse_point ? tag : ea;
    using enum FileInfoClass;
    check(kDirectory, "");
    check(kFullDirectory, ea_or_tag);
    check(kIdFullDirectory, ea_or_tag + "00000000" + id);
    check(kBothDirectory, ea_or_tag + short_name);
    check(kIdBothDirectory, ea_or_tag + short_name + "0000" + id);
    check(kIdExtdDirectory, ea + tag + id_128);
    check(kId64ExtdDirectory, ea + tag + id);
    check(kId64ExtdBothDirectory, ea + tag + id + short_name);
    check(kIdAllExtdDirectory, ea + tag + id + id_128);
    check(kIdAllExtdBothDirectory, ea + tag + id + id_128 + short_name);
  }
}

TEST(DirectoryEntry, ShortNameStaysWithinItsField) {
  DirectoryEntry entry;
  entry.short_name = "ABCDEFGH.IJK";
  entry.file_name = "a";
  constexpr auto kClass = FileInfoClass::kBothDirectory;
  Bytes bytes = encode(kClass, {entry}, SIZE_MAX);
  constexpr size_t kShortNameLengthAt = 68;
  EXPECT_EQ(bytes[kShortNameLengthAt], 24);
  EXPECT_EQ(decode_directory_entries(kClass, bytes).value()[0].short_name, entry.short_name);
  bytes[kShortNameLengthAt] = 26;
  EXPECT_EQ(decode_directory_entries(kClass, bytes).error(), Error::truncated());
  bytes[kShortNameLengthAt] = 23;
  EXPECT_EQ(decode_directory_entries(kClass, bytes).error(), Error::malformed());
  entry.short_name += 'L';  // is sent as none
  bytes = encode(kClass, {entry}, SIZE_MAX);
  EXPECT_EQ(decode_directory_entries(kClass, bytes).value()[0].short_name, "");
  EXPECT_EQ(decode_directory_entries(kClass, bytes).value()[0].file_name, "a");
}

TEST(DirectoryEntry, OtherClassesHaveNoEntries) {
  EXPECT_EQ(decode_directory_entries(FileInfoClass::kBasic, {}).error(), Error::unsupported());
  EXPECT_TRUE(decode_directory_entries(FileInfoClass::kNames, {}).value().empty());
}

TEST(EntryList, OffsetOfTheHeadAloneIsTaken) {
  const Bytes bytes = unhex("04000000 00000000");
  EntryListReader list(bytes, 4);
  ByteView entry;
  EXPECT_TRUE(list.next(entry));
  EXPECT_TRUE(entry.empty());
  EXPECT_TRUE(list.next(entry));
  EXPECT_EQ(list.entry_position(), 4u);
  EXPECT_FALSE(list.next(entry));
  EXPECT_FALSE(list.next(entry));
  EXPECT_TRUE(list.finish());
}

}  // namespace
}  // namespace braid::wire
