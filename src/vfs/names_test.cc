#include "vfs/names.h"

#include <gtest/gtest.h>

#include "vfs/path.h"

namespace braid::vfs {
namespace {

TEST(Names, PlainNamesStay) {
  for (const char* name : {"a", "\xc3\xa4.txt", "\xf0\x9f\x98\x80", "\xed\xa0\x80", ".hidden"}) {
    EXPECT_TRUE(is_plain(name)) << name;
    EXPECT_EQ(to_client(name), name);
    EXPECT_EQ(to_disk(name), name);
  }
}

// U+F001 to U+F029: the characters that Mac and Linux clients use for these.
TEST(Names, ReservedCharactersAreMappedBothWays) {
  const std::pair<std::string, std::string> cases[] = {
      {"\x01", "\xef\x80\x81"},  {"\x1f", "\xef\x80\x9f"}, {"\"", "\xef\x80\xa0"},
      {"*", "\xef\x80\xa1"},     {":", "\xef\x80\xa2"},    {"<", "\xef\x80\xa3"},
      {">", "\xef\x80\xa4"},     {"?", "\xef\x80\xa5"},    {"\\", "\xef\x80\xa6"},
      {"|", "\xef\x80\xa7"},     {"a ", "a\xef\x80\xa8"},  {"a.", "a\xef\x80\xa9"},
      {"a .", "a \xef\x80\xa9"}, {"a. b", "a. b"},
  };
  for (const auto& [disk, client] : cases) {
    EXPECT_EQ(to_client(disk), client);
    EXPECT_EQ(to_disk(client), disk);
  }
}

TEST(Names, BytesThatAreNotUtf8ComeBack) {
  for (const char* disk : {"\xff", "a\x80z", "\xc3", "\xc0\xaf", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    const std::string shown = to_client(disk);
    EXPECT_NE(shown, disk);
    EXPECT_EQ(to_disk(shown), disk);
  }
}

// Or the two names of each row could not be told apart.
TEST(Names, CharactersOfTheMappingOnDiskAreShownAsTheirBytes) {
  const std::pair<std::string, std::string> cases[] = {
      {"a:", "a\uF022"},  // as many bytes as each takes on disk
      {"a\uF022", "a\uF1EF\uF180\uF1A2"},
      {"\uF1FF", "\uF1EF\uF187\uF1BF"},
      {"\xff", "\uF1FF"},
      {"a\uF028", "a\uF1EF\uF180\uF1A8"},
      {"\uF029", "\uF1EF\uF180\uF1A9"},
      {"\uF029a", "\uF029a"},  // stands for a dot at the end only
      {"\uF000\uF02A\uF100\uF17F", "\uF000\uF02A\uF100\uF17F"},
      {"\xed\xa0\x80\xed\xb0\x80", "\uF1ED\uF1A0\uF180\xed\xb0\x80"},  // U+10000 in UTF-16
      {"\U00010000", "\U00010000"},
  };
  for (const auto& [disk, client] : cases) {
    EXPECT_EQ(to_client(disk), client);
    EXPECT_EQ(to_disk(client), disk);
    EXPECT_EQ(is_plain(disk), disk == client);
  }
  EXPECT_EQ(to_posix_client("a:\uF022"), "a\uF022\uF1EF\uF180\uF1A2");
}

TEST(Names, MappedDotsNeverNameADirectory) {
  EXPECT_NE(to_disk("\xef\x80\xa9"), ".");
  EXPECT_NE(to_disk(".\xef\x80\xa9"), "..");
}

TEST(Names, AnEndThatIsShownOtherwiseIsKnownPlain) {
  EXPECT_EQ(with_plain_end(to_client("g1.")), "g1.");
  EXPECT_EQ(with_plain_end(to_client("g1 ")), "g1 ");
  EXPECT_EQ(with_plain_end("g1"), std::nullopt);
  EXPECT_EQ(with_plain_end("\uF029g"), std::nullopt);
}

TEST(Names, StreamsAreKnownByTheirFoldedName) {
  EXPECT_EQ(stream_key("Zone.Identifier"), stream_key("ZONE.identifier"));
  EXPECT_NE(stream_key("a"), stream_key("b"));
  EXPECT_EQ(fold_hash("\xc3\xa4"), fold_hash("\xc3\x84"));
}

TEST(Names, LengthCountsUtf16Units) {
  EXPECT_EQ(utf16_units("a\xc3\xa4"), 2u);
  EXPECT_EQ(utf16_units("\xf0\x9f\x98\x80"), 2u);
}

TEST(Path, WindowsNamesAreParsed) {
  const auto parsed = parse_path("dir\\file.txt:stream:$DATA");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->path.text(), "dir\\file.txt");
  EXPECT_EQ(parsed->path.name(), "file.txt");
  EXPECT_EQ(parsed->path.parent().text(), "dir");
  EXPECT_EQ(parsed->stream, "stream");
  EXPECT_TRUE(parse_path("")->path.is_root());
}

TEST(Path, WaysUpAndOutAreRefused) {
  struct Way {
    std::string_view text;
    NtStatus status;  // of Windows names
  };
  const Way ways[] = {{"..", NtStatus::kObjectPathSyntaxBad},
                      {"a\\..\\b", NtStatus::kInvalidParameter},
                      {"a\\\\b", NtStatus::kObjectPathNotFound},
                      {"../b", NtStatus::kObjectPathSyntaxBad},
                      {{"a\0b", 3}, NtStatus::kObjectNameInvalid},
                      {"..\\..\\etc\\passwd", NtStatus::kObjectPathSyntaxBad}};
  for (const auto& [text, status] : ways) {
    EXPECT_EQ(parse_path(text).error(), Error(status)) << text;
    EXPECT_EQ(parse_path(text, NameRules::kPosix).error(), Error(NtStatus::kObjectNameInvalid))
        << text;
  }
  EXPECT_EQ(parse_path("\\a").error().status(), NtStatus::kInvalidParameter);
  EXPECT_EQ(parse_path("\\a", NameRules::kPosix).error().status(), NtStatus::kInvalidParameter);
  // Where Windows names are spoken a slash separates, as there; in POSIX names it cannot be.
  EXPECT_EQ(parse_path("a/b")->path.text(), "a\\b");
  EXPECT_EQ(parse_path("a/b", NameRules::kPosix).error(), Error(NtStatus::kObjectNameInvalid));
}

TEST(Path, PosixNamesKeepReservedCharacters) {
  EXPECT_EQ(parse_path("a:b\\c?", NameRules::kPosix)->path.name(), "c?");
  EXPECT_EQ(parse_path("c?").error(), Error(NtStatus::kObjectNameInvalid));
}

TEST(Path, ExactNamesAreWhateverTheDiskCanHold) {
  const auto parsed = parse_path("Dir/a:b\\c?./x. ", NameRules::kExact);
  ASSERT_TRUE(parsed);
  const auto names = parsed->path.components();
  ASSERT_EQ(names.size(), 3u);
  EXPECT_EQ(to_disk(names[0]), "Dir");
  EXPECT_EQ(to_disk(names[1]), "a:b\\c?.");
  EXPECT_EQ(to_disk(names[2]), "x. ");
  // As Linux sends it with mapposix, and without.
  EXPECT_EQ(parse_path("a\uF022", NameRules::kExact)->path.text(), "a\uF022");
  EXPECT_EQ(parse_path("a:", NameRules::kExact)->path.text(), "a\uF022");
  EXPECT_FALSE(parsed->has_stream);
  EXPECT_TRUE(parse_path("", NameRules::kExact)->path.is_root());
  EXPECT_TRUE(parse_path("a/", NameRules::kExact)->trailing_separator);
  EXPECT_EQ(parse_path("/a", NameRules::kExact).error(), Error(NtStatus::kInvalidParameter));
  for (const std::string& bad : {std::string(".."), std::string("a/../b"), std::string("./a"),
                                 std::string("a//b"), std::string("a\0b", 3)}) {
    EXPECT_EQ(parse_path(bad, NameRules::kExact).error(), Error(NtStatus::kObjectNameInvalid))
        << bad;
  }
}

TEST(Names, PosixClientsSeeWhatIsOnDisk) {
  EXPECT_EQ(to_posix_client("a:b. "), "a:b. ");
  EXPECT_EQ(to_posix_client("\xE9:"), "\xef\x87\xa9\xef\x80\xa2");  // U+F1E9 U+F022
}

// An open keeps its path, and is charged for the name that the client sent.
TEST(Path, TakesTheMemoryOfItsText) {
  Path path;
  for (size_t i = 0; i < kComponentsMax; ++i) ASSERT_TRUE(path.append("a"));
  EXPECT_FALSE(path.append("a"));
  const Path kept = path;
  static_assert(sizeof kept <= sizeof(std::string) + sizeof(size_t));
  EXPECT_EQ(kept.text().size(), 2 * kComponentsMax - 1);
  EXPECT_LE(kept.text().capacity(), 2 * kComponentsMax);
  EXPECT_EQ(kept.components().size(), kComponentsMax);
  EXPECT_EQ(kept.components().back(), "a");
  Path above = kept.parent();
  EXPECT_EQ(above.components().size(), kComponentsMax - 1);
  EXPECT_TRUE(above.append("b"));
  EXPECT_EQ(above.name(), "b");
  EXPECT_TRUE(parse_path("a")->path.parent().is_root());
  EXPECT_TRUE(Path().components().empty());
}

TEST(Names, LettersAndTheirMarksAreComposed) {
  EXPECT_EQ(composed("cafe\xCC\x81"), "caf\xC3\xA9");
  EXPECT_EQ(composed("caf\xC3\xA9"), "caf\xC3\xA9");
  EXPECT_EQ(composed("plain"), "plain");
  // Two marks in either order; Hangul; a mark with nothing before it.
  EXPECT_EQ(composed("a\xCC\xA3\xCC\x82"), "\xE1\xBA\xAD");
  EXPECT_EQ(composed("a\xCC\x82\xCC\xA3"), "\xE1\xBA\xAD");
  EXPECT_EQ(composed("\xE1\x84\x80\xE1\x85\xA1"), "\xEA\xB0\x80");
  EXPECT_EQ(composed("\xCC\x81"), "\xCC\x81");
  // No UTF-8, and half a pair of UTF-16.
  EXPECT_EQ(composed("e\xCC\x81\xFF"), "e\xCC\x81\xFF");
  EXPECT_EQ(composed("e\xCC\x81\xED\xA0\x80"), "e\xCC\x81\xED\xA0\x80");
}

TEST(Path, LongNamesAreRefused) {
  Path path;
  EXPECT_TRUE(path.append(std::string(255, 'a')));
  EXPECT_EQ(path.append(std::string(256, 'a')).error().status(), NtStatus::kObjectNameInvalid);
}

}  // namespace
}  // namespace braid::vfs
