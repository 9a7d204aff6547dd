#include "smb2/notify/own_changes.h"

#include <gtest/gtest.h>

namespace braid::smb2 {
namespace {

using namespace std::chrono_literals;
using Kind = LocalChange::Kind;

const OwnChanges::Time kNow = OwnChanges::Time{} + 1h;

TEST(OwnChanges, ChangeWithoutANoteIsSomebodyElses) {
  OwnChanges own;
  own.note_name("/srv/a", kNow);
  EXPECT_FALSE(own.is_echo({.kind = Kind::kAdded, .path = "/srv/b"}, kNow));
  EXPECT_TRUE(own.is_echo({.kind = Kind::kAdded, .path = "/srv/a"}, kNow));
}

TEST(OwnChanges, NoteOfANameAnswersForOneEvent) {
  OwnChanges own;
  own.note_name("/srv/a", kNow);
  EXPECT_TRUE(own.is_echo({.kind = Kind::kAdded, .path = "/srv/a"}, kNow));
  EXPECT_FALSE(own.is_echo({.kind = Kind::kRemoved, .path = "/srv/a"}, kNow));
}

TEST(OwnChanges, NoteAnswersForEveryModificationWhileItLives) {
  OwnChanges own;
  own.note_modification("/srv/a", kNow);
  const LocalChange modified{.kind = Kind::kModified, .path = "/srv/a"};
  EXPECT_TRUE(own.is_echo(modified, kNow));
  EXPECT_TRUE(own.is_echo(modified, kNow + 1s));
  EXPECT_FALSE(own.is_echo(modified, kNow + OwnChanges::kLife + 1s));
}

TEST(OwnChanges, RenameIsKnownByEitherName) {
  OwnChanges own;
  own.note_name("/srv/a", kNow);
  own.note_name("/srv/b", kNow);
  const LocalChange renamed{.kind = Kind::kRenamed, .path = "/srv/a", .new_path = "/srv/b"};
  EXPECT_TRUE(own.is_echo(renamed, kNow));
  EXPECT_FALSE(own.is_echo(renamed, kNow));
}

TEST(OwnChanges, LossIsNeverAnEcho) {
  OwnChanges own;
  EXPECT_FALSE(own.is_echo({.kind = Kind::kLost}, kNow));
}

TEST(OwnChanges, NotesAreBounded) {
  OwnChanges own;
  own.note_name("/srv/first", kNow);
  for (size_t i = 0; i < OwnChanges::kNotesMax + 1; ++i) {
    own.note_name("/srv/" + std::to_string(i), kNow + 1ms);
  }
  EXPECT_FALSE(own.is_echo({.kind = Kind::kAdded, .path = "/srv/first"}, kNow));
  EXPECT_EQ(own.size(), OwnChanges::kNotesMax);
}

// A client that writes one file all the time pushes out no other note.
TEST(OwnChanges, FileHasOneNoteHoweverOftenItIsChanged) {
  OwnChanges own;
  EXPECT_TRUE(own.note_name("/srv/first", kNow));
  for (size_t i = 0; i < OwnChanges::kNotesMax + 1; ++i) {
    EXPECT_FALSE(own.note_modification("/srv/a", kNow));
  }
  EXPECT_EQ(own.size(), 2u);
  EXPECT_TRUE(own.is_echo({.kind = Kind::kAdded, .path = "/srv/first"}, kNow));
}

TEST(OwnChanges, NotesExpireWithoutAnotherOne) {
  OwnChanges own;
  own.note_name("/srv/a", kNow);
  own.note_modification("/srv/b", kNow + 1s);
  EXPECT_TRUE(own.expire(kNow + OwnChanges::kLife));
  EXPECT_EQ(own.size(), 2u);
  EXPECT_TRUE(own.expire(kNow + OwnChanges::kLife + 1s));
  EXPECT_EQ(own.size(), 1u);
  EXPECT_FALSE(own.expire(kNow + OwnChanges::kLife + 2s));
  EXPECT_EQ(own.size(), 0u);
}

}  // namespace
}  // namespace braid::smb2
