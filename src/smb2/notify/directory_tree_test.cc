#include "smb2/notify/directory_tree.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace braid::smb2 {
namespace {

struct DirectoryTreeTest : testing::Test {
  DirectoryTree::PlaceRef watch(std::string_view directory, bool tree = true) {
    auto place = std::make_shared<DirectoryTree::Place>();
    place->tree = tree;
    place->filter = 1;
    EXPECT_TRUE(tree_.add(place, directory));
    return place;
  }
  // Whether a change of `path` concerns it.
  bool hears(const DirectoryTree::PlaceRef& place, const std::string& path) {
    const PathChange change{.filter = 1, .path = path};
    const auto hits = tree_.find({&change, 1});
    return std::ranges::count(hits, place, &DirectoryTree::Hit::place) == 1;
  }

  DirectoryTree tree_;
};

TEST_F(DirectoryTreeTest, MovedDirectoryTakesAllBelowAlong) {
  const auto above = watch("/srv/a"), at = watch("/srv/a/b"), below = watch("/srv/a/b/c/d");
  tree_.moved("/srv/a/b", "/srv/new/name");
  EXPECT_TRUE(hears(above, "/srv/a/x"));
  EXPECT_FALSE(hears(at, "/srv/a/b/x"));
  EXPECT_TRUE(hears(at, "/srv/new/name/x"));
  EXPECT_TRUE(hears(below, "/srv/new/name/c/d/x"));
  tree_.remove(*below);
  EXPECT_FALSE(hears(below, "/srv/new/name/c/d/x"));
}

TEST_F(DirectoryTreeTest, DirectoryMovedOntoAnotherJoinsIt) {
  const auto old = watch("/srv/to/c"), moved = watch("/srv/from/c"), more = watch("/srv/from/e");
  tree_.moved("/srv/from", "/srv/to");
  for (const auto& each : {old, moved}) EXPECT_TRUE(hears(each, "/srv/to/c/x"));
  EXPECT_TRUE(hears(more, "/srv/to/e/x"));
  EXPECT_EQ(tree_.places_at("/srv/to", true).size(), 3u);
  EXPECT_EQ(tree_.places_at("/srv/from", true).size(), 0u);
  for (const auto& each : {old, moved, more}) tree_.remove(*each);
  EXPECT_EQ(tree_.places_at("/srv", true).size(), 0u);
}

TEST_F(DirectoryTreeTest, DirectoryMovesToItsOwnParentsName) {
  const auto below = watch("/srv/a/b/c");
  tree_.moved("/srv/a/b", "/srv/a");
  EXPECT_TRUE(hears(below, "/srv/a/c/x"));
  tree_.moved("/srv/a", "/srv/a/inside");
  EXPECT_TRUE(hears(below, "/srv/a/c/x")) << "no directory goes into itself";
}

// Also that of a share below another one, which has watches of its own.
TEST_F(DirectoryTreeTest, PrivateFolderIsToldToNobodyAbove) {
  const auto share = watch("/srv"), deep = watch("/srv/a");
  EXPECT_FALSE(hears(share, "/srv/.braid/x"));
  EXPECT_FALSE(hears(share, "/srv/.braid"));
  EXPECT_FALSE(hears(share, "/srv/a/.braid/streams/x"));
  EXPECT_FALSE(hears(deep, "/srv/a/.braid/x"));
  EXPECT_TRUE(hears(deep, "/srv/a/.braid-new/.braided/x"));
  const auto inside = watch("/srv/.braid/share");
  EXPECT_TRUE(hears(inside, "/srv/.braid/share/x"));
  EXPECT_FALSE(hears(share, "/srv/.braid/share/x"));
  tree_.moved("/srv", "/other");
  EXPECT_FALSE(hears(share, "/other/.braid/x"));
  EXPECT_TRUE(hears(share, "/other/.braided"));
  const auto joins = watch("/srv");
  tree_.moved("/srv", "/other");
  EXPECT_FALSE(hears(joins, "/other/.braid/x"));
  EXPECT_FALSE(hears(share, "/other/.braid/x"));
}

TEST_F(DirectoryTreeTest, PlaceThatEndedIsNeverTaken) {
  auto place = std::make_shared<DirectoryTree::Place>();
  place->filter = 1;
  tree_.remove(*place);
  EXPECT_TRUE(tree_.add(place, "/srv/a"));
  EXPECT_FALSE(hears(place, "/srv/a/x"));
}

TEST_F(DirectoryTreeTest, DepthIsBoundedAndMovesMakeItDeeper) {
  std::string path = "/srv";
  for (size_t i = 2; i < DirectoryTree::kDepthMax; ++i) path += "/x";
  const auto deep = watch(path);
  EXPECT_GE(DirectoryTree::cost_of(path), DirectoryTree::kDepthMax * DirectoryTree::kNodeSize);
  auto deeper = std::make_shared<DirectoryTree::Place>();
  EXPECT_FALSE(tree_.add(deeper, path + "/x"));
  for (int i = 0; i < 100; ++i) {
    const std::string top = "/srv" + std::to_string(i);
    tree_.moved("/srv/x", top + "/y");
    tree_.moved(top, "/srv/x");
  }
  const std::string below = path.substr(std::string("/srv/x").size());
  std::string to = "/srv/x";
  for (int i = 0; i < 100; ++i) to += "/y";
  EXPECT_TRUE(hears(deep, to + below + "/z"));
}

}  // namespace
}  // namespace braid::smb2
