#include "smb2/notify/lost_changes.h"

#include <gtest/gtest.h>

namespace braid::smb2 {
namespace {

using wire::FileAction;
using Lost = ChangeEvent::Lost;

ChangeEvent change(std::string path, uint32_t filter = 1) {
  return {.changes = {{FileAction::kAdded, filter, std::move(path)}}};
}

TEST(LostChanges, SaysInWhichDirectoriesAndOfWhatKind) {
  LostChanges lost;
  lost.add(change("/srv/a/x", 1));
  lost.add(change("/srv/a/y", 4));
  lost.add(change("/srv/b/x", 2));
  EXPECT_EQ(lost.take().lost, (std::vector<Lost>{{5, false, "/srv/a"}, {2, false, "/srv/b"}}));
  EXPECT_TRUE(lost.empty());
}

TEST(LostChanges, DirectoryThatMovedIsLostWithAllBelow) {
  LostChanges lost;
  lost.add({.moved_from = "/srv/a", .moved_to = "/srv/b"});
  lost.add({.going = "/srv/c"});
  EXPECT_EQ(lost.take().lost, (std::vector<Lost>{{~0u, true, "/srv/a"}, {~0u, false, "/srv/c"}}));
}

TEST(LostChanges, CanBeAddedAgain) {
  LostChanges first, second;
  first.add(change("/srv/a/x", 4));
  first.add({.moved_from = "/srv/b", .moved_to = "/srv/c"});
  const ChangeEvent event = first.take();
  second.add(event);
  EXPECT_EQ(second.take(), event);
}

TEST(LostChanges, LongPathIsCutToADirectoryAboveIt) {
  LostChanges lost;
  const std::string name(200, 'n');
  lost.add(change("/srv/" + name + "/" + name + "/" + name + "/" + name));
  EXPECT_EQ(lost.take().lost, (std::vector<Lost>{{1, true, "/srv/" + name + "/" + name}}));
}

TEST(LostChanges, TooManyBecomeThoseAboveThem) {
  LostChanges lost;
  for (int i = 0; i < 1000; ++i) lost.add(change("/srv/a/" + std::to_string(i) + "/x"));
  lost.add(change("/srv/b/x", 2));
  EXPECT_EQ(lost.take().lost, (std::vector<Lost>{{1, true, "/srv/a"}, {2, false, "/srv/b"}}));
  for (int i = 0; i < 1000; ++i) {
    lost.add(change("/" + std::to_string(i) + std::string(1000, '/') + "x"));
  }
  const ChangeEvent event = lost.take();
  EXPECT_LE(event.lost.size(), LostChanges::kPlacesMax);
  EXPECT_LE(event.encode().size(), 20u << 10);
}

}  // namespace
}  // namespace braid::smb2
