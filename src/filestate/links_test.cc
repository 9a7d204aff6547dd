// The names of a file. [MS-FSA] 2.1.1.4 "Per Link".
#include "filestate/links.h"

#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

struct LinksTest : testing::Test {
  PartTable parts;
  Links links{&parts};

  Link& add(const char* name, bool is_sole = false, uint32_t opens = 1) {
    Link& link = links.add(path(name), is_sole, Account{3});
    link.opens = opens;
    return link;
  }
  // As another worker reads it. REQUIRES: `into` has none.
  bool copy(Links& into, PartTable& into_parts) {
    bool is_good = true;
    parts.for_each(0, store::kPartsMax, [&](uint32_t number) {
      Bytes bytes;
      wire::Writer w(bytes);
      links.encode_part(*parts.at(number).as<Link>(), w);
      wire::Reader r(bytes);
      into.put(number, r);
      is_good =
          is_good && r.ok() && r.remaining() == 0 && into_parts.at(number).as<Link>() != nullptr;
    });
    Bytes head;
    wire::Writer w(head);
    links.encode_head(w);
    wire::Reader r(head);
    into.decode_head(r);
    return is_good && r.ok() && r.remaining() == 0;
  }
};

// Two opens have the same name where the path is the same, or where the file has one name only.
TEST_F(LinksTest, MeantIsTheSamePathOrTheOnlyName) {
  EXPECT_EQ(links.meant("a", true), nullptr);
  Link& first = add("a", true);
  EXPECT_EQ(links.meant("a", false), &first);
  EXPECT_EQ(links.meant("b", true), &first);
  EXPECT_EQ(links.meant("b", false), nullptr);
  first.is_sole = false;
  EXPECT_EQ(links.meant("b", true), nullptr) << "it had another one";
  first.is_sole = true;
  Link& second = add("c", true);
  EXPECT_EQ(links.meant("b", true), nullptr) << "there are two";
  EXPECT_EQ(links.meant("c", true), &second);
  first.opens = 0;
  links.remove(first);
  EXPECT_EQ(links.meant("b", true), &second) << "the only one, though it was not the first";
  links.set_removed("c");
  EXPECT_EQ(links.meant("b", true), nullptr) << "its name is gone";
}

TEST_F(LinksTest, RemovedOneGoesOnWithoutAName) {
  for (const char* name : {"a", "b"}) {
    Link& link = add(name);
    link.delete_pending = link.unlinks_by_posix = link.is_being_unlinked = true;
    link.deleters.add(make_deleter(std::make_shared<const UnixCredentials>(), "share"));
    EXPECT_TRUE(link.is_at_known_path());
    EXPECT_EQ(links.pending(), 1u);
    links.set_removed(name);
    EXPECT_EQ(links.pending(), 0u);
    EXPECT_EQ(links.find(name), nullptr);
    EXPECT_FALSE(link.is_at_known_path());
    EXPECT_TRUE(link.is_removed);
    EXPECT_FALSE(link.delete_pending || link.unlinks_by_posix || link.is_being_unlinked);
    EXPECT_TRUE(link.deleters.empty());
    EXPECT_EQ(link.opens, 1u);
    links.set_removed(name);
  }
  // Of a name that went twice both are there, and of one that nobody has open none.
  Link& again = add("a");
  links.set_removed("a");
  EXPECT_TRUE(again.is_removed);
  Link& idle = add("idle", false, 0);
  links.set_removed("idle");
  EXPECT_FALSE(idle.is_removed);
  EXPECT_EQ(links.find("idle"), &idle);
}

TEST_F(LinksTest, DeletedByTheLastIsWhatIsPendingAndStillThere) {
  Link link;
  EXPECT_FALSE(link.is_deleted_by_last());
  link.delete_pending = true;
  EXPECT_TRUE(link.is_deleted_by_last());
  link.is_removed = true;
  EXPECT_FALSE(link.is_deleted_by_last());
  link.is_removed = false;
  link.is_being_unlinked = true;
  EXPECT_FALSE(link.is_deleted_by_last());
}

TEST_F(LinksTest, IdleOnesGoUnlessTheyStay) {
  add("open");
  add("stays", false, 0);
  add("goes", false, 0);
  links.remove_unless([](const Link& link) { return link.key() == "stays"; });
  EXPECT_NE(links.find("open"), nullptr);
  EXPECT_NE(links.find("stays"), nullptr);
  EXPECT_EQ(links.find("goes"), nullptr);
  EXPECT_FALSE(links.empty());
  for (const char* name : {"open", "stays"}) links.find(name)->opens = 0;
  links.clear();
  EXPECT_TRUE(links.empty());
  EXPECT_EQ(links.find("open"), nullptr);
  EXPECT_EQ(parts.size(), 0u);
}

// All that is said of a name, of the first and of another.
TEST_F(LinksTest, AreTheSameToAnotherWorker) {
  for (const char* name : {"a", "b"}) {
    for (int flag = 0; flag < 5; ++flag) {
      Link& link = add((std::string(name) + std::to_string(flag)).c_str(), flag == 0);
      link.delete_pending = flag == 1;
      link.unlinks_by_posix = flag == 2;
      link.is_being_unlinked = flag == 3;
      link.is_removed = flag == 4;
      if (flag == 1) link.deleters.add(make_deleter(std::make_shared<UnixCredentials>(), "docs"));
    }
  }
  links.add(nullptr, true, Account{4}).opens = 1;
  PartTable other_parts;
  Links other(&other_parts);
  ASSERT_TRUE(copy(other, other_parts));
  size_t count = 0;
  links.for_each([&](const Link& link) {
    const Link* const there = other.find(link.key());
    ASSERT_NE(there, nullptr) << link.key();
    ++count;
    EXPECT_EQ(there->path == nullptr, link.path == nullptr);
    EXPECT_EQ(there->is_sole, link.is_sole) << link.key();
    EXPECT_EQ(there->delete_pending, link.delete_pending) << link.key();
    EXPECT_EQ(there->unlinks_by_posix, link.unlinks_by_posix) << link.key();
    EXPECT_EQ(there->is_being_unlinked, link.is_being_unlinked) << link.key();
    EXPECT_EQ(there->is_removed, link.is_removed) << link.key();
    EXPECT_EQ(there->account, link.account);
    EXPECT_EQ(there->deleters.empty(), link.deleters.empty());
    EXPECT_EQ(there->opens, 0u) << "each worker counts the opens that it was told of";
  });
  EXPECT_EQ(count, 11u);
}

// Which files have to be asked, for what is open below a directory.
TEST_F(LinksTest, MayHaveAPathWhatHasItOrHasSeveral) {
  const auto may_have = [&](std::string_view wanted) {
    Bytes head;
    wire::Writer w(head);
    links.encode_head(w);
    wire::Reader r(head);
    return Links::may_have_path(r, [&](std::string_view path) { return path == wanted; });
  };
  EXPECT_FALSE(may_have(""));
  Link& first = add("a");
  EXPECT_TRUE(may_have("a"));
  EXPECT_FALSE(may_have("b"));
  Link& second = add("b");
  EXPECT_TRUE(may_have("c")) << "of the others nothing is known";
  second.opens = 0;
  links.remove(second);
  EXPECT_FALSE(may_have("c"));
  first.opens = 0;
  links.remove(first);
  EXPECT_FALSE(may_have("a"));
  wire::Reader nothing(ByteView{});
  EXPECT_FALSE(Links::may_have_path(nothing, [](std::string_view) { return true; }));
}

TEST_F(LinksTest, ChangePlacesInOneEvent) {
  add("first");
  Link& a = add("a");
  Link& b = add("b");
  PartTable other_parts;
  Links other(&other_parts);
  ASSERT_TRUE(copy(other, other_parts));
  links.set_path(a, path("c"));
  links.set_path(b, path("a"));
  links.set_path(a, path("b"));
  for (const uint32_t number : {a.part, b.part}) other.blank(*other_parts.at(number).as<Link>());
  ASSERT_TRUE(copy(other, other_parts));
  EXPECT_EQ(other.find("b")->part, a.part);
  EXPECT_EQ(other.find("a")->part, b.part);
}

}  // namespace
}  // namespace braid::filestate
