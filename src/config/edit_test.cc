#include "config/edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace braid::config {
namespace {

using testing::HasSubstr;

constexpr std::string_view kText = R"(# Ours.
[server]
workers = 1  # one

# Of the team.
[[share]]
name = "Data"
# Not the old disk.
path = "/srv/data"

# For all.

[[share]]   # last
path = "/srv/pub"
name = "pub"
hidden_names = [
  ".*",
]
# The end.
)";

TEST(Edit, AShareGoesBehindWhatIsThere) {
  const std::string text = with_share(kText, {{"name", "\"x\""}, {"path", "\"/x\""}});
  EXPECT_EQ(text, std::string(kText) + "\n[[share]]\nname = \"x\"\npath = \"/x\"\n");
  EXPECT_EQ(with_share("", {{"name", "\"x\""}}), "[[share]]\nname = \"x\"\n");
  EXPECT_EQ(with_share("[server]", {{"name", "\"x\""}}), "[server]\n\n[[share]]\nname = \"x\"\n");
  ASSERT_TRUE(parse(text, "f"));
  EXPECT_EQ((*parse(text, "f"))->shares.size(), 3u);
}

TEST(Edit, AShareGoesWithoutTheCommentsAroundIt) {
  const auto text = without_share(kText, "DATA");
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, R"(# Ours.
[server]
workers = 1  # one

# Of the team.

# For all.

[[share]]   # last
path = "/srv/pub"
name = "pub"
hidden_names = [
  ".*",
]
# The end.
)");
}

TEST(Edit, TheLastShareGoesToItsLastKey) {
  const auto text = without_share(kText, "pub");
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("path = \"/srv/data\"\n\n# For all.\n\n# The end.\n"));
  ASSERT_TRUE(parse(*text, "f"));
  EXPECT_EQ((*parse(*text, "f"))->shares.size(), 1u);
}

TEST(Edit, WhatWasAddedIsRemovedToTheLastByte) {
  const std::string text = with_share(kText, {{"name", "\"x\""}, {"path", "\"/x\""}});
  EXPECT_EQ(without_share(text, "x"), std::string(kText));
  // The next table may be another's.
  const std::string before = "[[share]]\nname = \"a\"\npath = \"/a\"\n\n[server]\nworkers = 2\n";
  EXPECT_EQ(without_share(before, "a"), "\n[server]\nworkers = 2\n");
}

TEST(Edit, WhatCannotBeTakenOutIsSaid) {
  EXPECT_FALSE(without_share(kText, "nobody"));
  const auto inline_table = without_share("share = [{name = \"a\", path = \"/a\"}]\n", "a");
  ASSERT_FALSE(inline_table);
  EXPECT_THAT(inline_table.error(), HasSubstr("take it out with an editor"));
}

class EditFolder {
 public:
  EditFolder() { path_ = ::mkdtemp(template_); }
  ~EditFolder() { std::filesystem::remove_all(path_); }
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  size_t count() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  char template_[23] = "/tmp/braid-edit.XXXXXX";
  std::string path_;
};

std::string content(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Edit, AFileKeepsItsModeAndALinkToItStaysOne) {
  EditFolder folder;
  std::ofstream(folder.at("real")) << "before";
  ASSERT_EQ(::chmod(folder.at("real").c_str(), 0640), 0);
  ASSERT_EQ(::symlink("real", folder.at("link").c_str()), 0);
  auto change = FileChange::begin(folder.at("link"));
  ASSERT_TRUE(change);
  EXPECT_EQ(change->text(), "before");
  EXPECT_FALSE(change->replace("after"));
  EXPECT_EQ(content(folder.at("real")), "after");
  struct stat status{};
  ASSERT_EQ(::lstat(folder.at("real").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  ASSERT_EQ(::lstat(folder.at("link").c_str(), &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  EXPECT_EQ(folder.count(), 2u);
}

TEST(Edit, AFileThatIsNotThereIsMade) {
  EditFolder folder;
  auto change = FileChange::begin(folder.at("new.toml"));
  ASSERT_TRUE(change);
  EXPECT_EQ(change->text(), "");
  EXPECT_FALSE(change->replace("x = 1\n"));
  EXPECT_EQ(content(folder.at("new.toml")), "x = 1\n");
}

TEST(Edit, AFolderThatIsNotThereIsSaid) {
  EditFolder folder;
  const auto change = FileChange::begin(folder.at("none/new.toml"));
  ASSERT_FALSE(change);
  EXPECT_THAT(change.error().text(), HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace braid::config
