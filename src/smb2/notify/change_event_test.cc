#include "smb2/notify/change_event.h"

#include <gtest/gtest.h>

namespace braid::smb2 {
namespace {

using wire::FileAction;

TEST(ChangeEvent, RenameComesBackAsItWas) {
  const ChangeEvent event{.notes = {{true, "/srv/a"}, {true, "/srv/b"}},
                          .changes = {{FileAction::kRenamedOldName, 2, "/srv/a"},
                                      {FileAction::kRenamedNewName, 2, "/srv/b"}},
                          .moved_from = "/srv/a",
                          .moved_to = "/srv/b"};
  const auto decoded = ChangeEvent::decode(event.encode());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, event);
}

// Each path is there once, and every one keeps its number while the list of them grows.
TEST(ChangeEvent, ManyPathsKeepTheirPlaces) {
  ChangeEvent event;
  for (int i = 0; i < 80; ++i) {
    const std::string path = "/srv/" + std::string(static_cast<size_t>(i), 'n');
    event.notes.push_back({i % 2 == 0, path});
    event.changes.push_back({FileAction::kModified, static_cast<uint32_t>(i), path});
    event.changes.push_back({FileAction::kAdded, 1, path + "/x"});
  }
  event.going = "/srv/nnn";
  const auto decoded = ChangeEvent::decode(event.encode());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, event);
}

TEST(ChangeEvent, LossComesBackAsItWas) {
  const ChangeEvent event{.lost = {{1, false, "/srv/a"}, {~0u, true, "/srv/b"}}};
  const auto decoded = ChangeEvent::decode(event.encode());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, event);
}

TEST(ChangeEvent, LongPathIsSentOnce) {
  const std::string path(90'000, 'n');
  const ChangeEvent event{.notes = {{true, path}},
                          .changes = {{FileAction::kAdded, 1, path}},
                          .moved_from = path,
                          .going = path};
  EXPECT_LT(event.encode().size(), path.size() + 100);
  EXPECT_EQ(*ChangeEvent::decode(event.encode()), event);
}

TEST(ChangeEvent, NumberOfNoPathIsRefused) {
  Bytes whole = ChangeEvent{.going = "/srv/b"}.encode();
  whole.end()[-2] = 2;  // before the number of places that were lost
  EXPECT_FALSE(ChangeEvent::decode(whole));
}

TEST(ChangeEvent, CutMessageIsRefused) {
  const Bytes whole = ChangeEvent{.notes = {{true, "/srv/a"}}, .going = "/srv/b"}.encode();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ChangeEvent::decode(ByteView(whole).first(size))) << size;
  }
}

}  // namespace
}  // namespace braid::smb2
