// What another worker has changed in a file's record, taken by one who knew it before.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "filestate/file_node_testing.h"
#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

struct RecordChanges : testing::Test {
  static FileKey key(uint64_t stream) { return {1, 100, stream}; }
  FileState& open(uint64_t token, const char* name, uint64_t stream = 0) {
    OpenRequest request;
    request.token = {token};
    request.granted_access = kReadWriteAccess;
    request.share_access = kShareAll;
    request.path = path(name);
    request.is_sole_name = false;
    FileState& state = node.find_or_add_called(key(stream), 0);
    EXPECT_EQ(state.open(request, out).decision.verdict, Verdict::kGo);
    return state;
  }
  bool copy() {
    NodeChanges changes;
    node.encode_changes(changes);
    std::vector<FileNode::PartValue> values;
    for (const store::PartChange& each : changes.parts) values.emplace_back(each.part, each.value);
    return mirror.take(changes.head, values).has_value() && whole(mirror) == whole(node);
  }

  FileNode node{key(0), 0, FileNode::Sharing::kSeveral};
  FileNode mirror{key(0), 0, FileNode::Sharing::kSeveral};
  Outcome out;
};

TEST_F(RecordChanges, NamesMayChangePlaces) {
  for (const auto& [token, name] : {std::pair(1, "a"), {2, "b"}, {3, "c"}, {4, "d"}}) {
    open(static_cast<uint64_t>(token), name);
  }
  ASSERT_TRUE(copy());
  node.renamed({key(0), {2}}, path("elsewhere"));
  node.renamed({key(0), {3}}, path("b"));
  node.renamed({key(0), {2}}, path("c"));
  ASSERT_TRUE(copy());
  EXPECT_EQ(*mirror.main.find({2})->link->path, "c");
  EXPECT_EQ(*mirror.main.find({3})->link->path, "b");
  EXPECT_EQ(*mirror.main.find({4})->link->path, "d");
}

TEST_F(RecordChanges, StreamThatHasEndedLeavesTheOthers) {
  open(1, "f");
  for (uint64_t stream = 7; stream < 10; ++stream) open(stream, "f", stream);
  ASSERT_TRUE(copy());
  FileState* const ended = node.find(key(8));
  ended->close({8}, out);
  ended->remove_parts();
  std::erase_if(node.streams, [&](const auto& stream) { return stream.get() == ended; });
  ASSERT_TRUE(copy());
  EXPECT_NE(mirror.find(key(7)), nullptr);
  EXPECT_EQ(mirror.find(key(8)), nullptr);
  EXPECT_NE(mirror.find(key(9)), nullptr);
}

// Each is told what happened in the order in which it did, whatever others were told in between.
TEST_F(RecordChanges, OutputsAreTakenInTheirOrder) {
  const auto tag = [](const Output& output) { return output.to.value; };
  for (const uint32_t to : {1, 2, 1, 2, 1, 1}) {
    node.put_out({to}, key(0), Completion{.kind = Completion::Kind::kLock, .token = {to}});
  }
  const auto orders_of = [&](uint32_t to) {
    std::vector<uint64_t> orders;
    for (const auto& each :
         node.take_outputs([&](const Output& output) { return tag(output) == to; })) {
      orders.push_back(each->order);
    }
    return orders;
  };
  EXPECT_EQ(orders_of(2), (std::vector<uint64_t>{2, 4}));
  EXPECT_EQ(orders_of(1), (std::vector<uint64_t>{1, 3, 5, 6}));
  EXPECT_TRUE(node.outbox.empty());
}

}  // namespace
}  // namespace braid::filestate
