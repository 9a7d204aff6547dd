#include "wire/fscc/path_name.h"

#include <gtest/gtest.h>

namespace braid::wire {
namespace {

using namespace std::literals;

const Error kInvalid(NtStatus::kObjectNameInvalid);

TEST(PathName, ComponentsAreSplitAtBackslashes) {
  const auto path = parse_path("dir\\sub dir\\Ünïcode.txt");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->components, (std::vector<std::string>{"dir", "sub dir", "Ünïcode.txt"}));
  EXPECT_EQ(path->posix(), "dir/sub dir/Ünïcode.txt");
  EXPECT_FALSE(path->has_stream_syntax);
}

TEST(PathName, EmptyPathIsTheRoot) {
  const auto path = parse_path("");
  ASSERT_TRUE(path);
  EXPECT_TRUE(path->components.empty());
  EXPECT_EQ(path->posix(), "");
}

TEST(PathName, LeadingBackslashIsInvalidParameter) {
  EXPECT_EQ(parse_path("\\dir").error(), Error(NtStatus::kInvalidParameter));
}

TEST(PathName, TrailingBackslashIsNoted) {
  const auto path = parse_path("dir\\");
  ASSERT_TRUE(path);
  EXPECT_TRUE(path->trailing_separator);
  EXPECT_EQ(path->components.size(), 1u);
}

TEST(PathName, DotsAreTakenOut) {
  const std::pair<const char*, const char*> paths[] = {
      {"a\\.\\b", "a/b"},       {".\\a", "a"},       {".", ""},     {"a\\.", "a"},
      {"a\\b\\..\\c", "a/c"},   {"a\\b\\..", "a"},   {"a\\..", ""}, {"a/./b/../c", "a/c"},
      {"a\\b\\..\\..\\c", "c"}, {".\\a\\..\\b", "b"}};
  for (const auto& [text, posix] : paths) {
    const auto path = parse_path(text);
    ASSERT_TRUE(path) << text;
    EXPECT_EQ(path->posix(), posix) << text;
  }
  EXPECT_TRUE(parse_path("a\\.")->trailing_separator);
  EXPECT_TRUE(parse_path("a\\b\\..")->trailing_separator);
  EXPECT_FALSE(parse_path(".")->trailing_separator);
}

TEST(PathName, ASubfolderLeftAtOnceIsAnInvalidParameter) {
  for (const char* text : {"a\\..\\b", "a/../b", "a\\..\\..\\b", "a\\..\\b\\c"}) {
    EXPECT_EQ(parse_path(text).error(), Error(NtStatus::kInvalidParameter)) << text;
  }
}

TEST(PathName, ClimbingOutIsBadSyntax) {
  for (const char* text : {"..", "..\\a", ".\\..\\a", "a\\b\\..\\..\\..\\c", "../../etc/passwd"}) {
    EXPECT_EQ(parse_path(text).error(), Error(NtStatus::kObjectPathSyntaxBad)) << text;
  }
}

TEST(PathName, EmptyComponentsLeadNowhere) {
  EXPECT_EQ(parse_path("a\\\\b").error(), Error(NtStatus::kObjectPathNotFound));
  EXPECT_EQ(parse_path("a\\\\").error(), kInvalid);
  EXPECT_EQ(parse_path("\\\\").error(), Error(NtStatus::kInvalidParameter));
}

TEST(PathName, DotsWithAStreamAreInvalid) {
  for (const char* text : {"a\\..:s", ".:s", "a\\.::$DATA"}) {
    EXPECT_EQ(parse_path(text).error(), kInvalid) << text;
  }
}

TEST(PathName, ASlashSeparatesToo) {
  const auto path = parse_path("dir/sub\\file");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->posix(), "dir/sub/file");
  EXPECT_EQ(parse_path("/dir").error(), Error(NtStatus::kInvalidParameter));
  EXPECT_TRUE(parse_path("dir/")->trailing_separator);
}

TEST(PathName, ForbiddenCharactersAreInvalid) {
  for (const char* text : {"a*", "a?", "a<b", "a>b", "a\"b", "a|b", "a\x01", "a\tb"}) {
    EXPECT_EQ(parse_path(text).error(), kInvalid) << text;
  }
  EXPECT_EQ(parse_path(std::string_view("a\0b", 3)).error(), kInvalid);
  EXPECT_EQ(parse_path("a\xff").error(), kInvalid);
}

TEST(PathName, WildcardsAreAllowedInPatternsOnly) {
  EXPECT_TRUE(validate_component("a*?<>\"", Wildcards::kAllow));
  EXPECT_FALSE(validate_component("a*"));
  EXPECT_FALSE(validate_component("a|b", Wildcards::kAllow));
  EXPECT_TRUE(validate_stream_name("a*b"));
  for (const std::string_view name : {"a/b"sv, "a\\b"sv, "a:b"sv, "a\0b"sv}) {
    EXPECT_FALSE(validate_stream_name(name)) << name;
  }
}

TEST(PathName, ComponentLengthCountsUtf16Units) {
  std::string units;  // two units each
  for (int i = 0; i < 127; ++i) units += "\xF0\x9F\x98\x80";
  EXPECT_TRUE(parse_path(units + "x"));
  EXPECT_EQ(parse_path(units + "xx").error(), kInvalid);
  EXPECT_EQ(parse_path(std::string(256, 'a')).error(), kInvalid);
}

TEST(PathName, StreamsAreSplitOff) {
  struct Case {
    const char* path;
    const char* file;
    const char* stream;
  };
  for (const Case& c :
       {Case{"f:s", "f", "s"}, Case{"f:s:$DATA", "f", "s"}, Case{"f:s:$data", "f", "s"},
        Case{"f::$DATA", "f", ""}, Case{"d\\f:s*<>|\"?", "d/f", "s*<>|\"?"}}) {
    const auto path = parse_path(c.path);
    ASSERT_TRUE(path) << c.path;
    EXPECT_EQ(path->posix(), c.file);
    EXPECT_EQ(path->stream, c.stream);
    EXPECT_TRUE(path->has_stream_syntax);
  }
}

TEST(PathName, StreamOfTheRootHasNoComponents) {
  const auto path = parse_path(":s");
  ASSERT_TRUE(path);
  EXPECT_TRUE(path->components.empty());
  EXPECT_EQ(path->stream, "s");
}

TEST(PathName, DirectoryIndexIsKnown) {
  EXPECT_TRUE(parse_path("d::$INDEX_ALLOCATION")->is_directory_index);
  EXPECT_TRUE(parse_path("d:$I30:$INDEX_ALLOCATION")->is_directory_index);
  EXPECT_EQ(parse_path("d:x:$INDEX_ALLOCATION").error(), Error(NtStatus::kInvalidParameter));
}

TEST(PathName, BadStreamSyntaxIsInvalid) {
  for (const char* text :
       {"f:", "f::", "f:s:", "f:s:$BAD", "f:s:$DATA:x", "f:a:b:c", "d:s\\f", "f:s/t"}) {
    EXPECT_EQ(parse_path(text).error(), kInvalid) << text;
  }
}

}  // namespace
}  // namespace braid::wire
