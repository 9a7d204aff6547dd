// Renames on file systems that take no flags.
#include "vfs/posix/renaming.h"

#include "vfs/posix/posix_volume_testing.h"

namespace braid::vfs {
namespace {

// renameat2() of NFS and others.
int asked = 0;
int refuse_flags(int, const char*, int, const char*, unsigned) {
  ++asked;
  errno = EINVAL;
  return -1;
}

using Renaming = Posix;

TEST_F(Renaming, NeedsNoFlags) {
  asked = 0;
  volume_ = open_posix_volume(share_, {.rename = refuse_flags}).value();
  outside("f", "text");
  outside("taken", "other");
  fs::create_directories(share_ + "/d/below");
  const auto rename = [&](std::string_view from, const Place& to) {
    const auto found = look(from).value();
    return volume_->rename(server_credentials(), found.place, found.attributes.key, to, false);
  };
  const Place root{missing("new").place.parent, ""};
  const auto in_root = [&](const char* name) { return Place{root.parent, name}; };
  auto open = volume_->open(server_credentials(), *look("f"), {.access = {.read = true}}).value();
  EXPECT_TRUE(rename("f", in_root("taken")).error().is_os(EEXIST));
  EXPECT_EQ(look("taken")->attributes.size, 5u);
  ASSERT_TRUE(rename("f", in_root("new")));
  EXPECT_EQ(look("new")->attributes.size, 4u);
  EXPECT_FALSE(look("f"));
  // Who has it open is told where it is now.
  EXPECT_EQ(volume_->locate(server_credentials(), *open)->place.name, "new");
  ASSERT_TRUE(rename("new", in_root("NEW"))) << "only the case of it";
  EXPECT_TRUE(rename("d", in_root("taken")).error().is_os(EEXIST));
  EXPECT_TRUE(rename("d", {look("d\\below")->node, "d"}).error().is_os(EINVAL));
  EXPECT_FALSE(look("d\\below\\d"));
  ASSERT_TRUE(rename("d", in_root("e")));
  EXPECT_TRUE(look("e\\below"));
  EXPECT_EQ(asked, 1) << "the file system is asked once";
  // What is made under a name of its own gets the other one so, too.
  auto made = volume_->create(server_credentials(), missing("made"),
                              {.access = {.read = true}, .directory = true, .unnamed = true});
  ASSERT_TRUE(made);
  ASSERT_TRUE(volume_->publish(server_credentials(), missing("made"), **made));
  EXPECT_TRUE(look("made"));
}

}  // namespace
}  // namespace braid::vfs
