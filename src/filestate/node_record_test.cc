// What is taken from a file's record: all that an event can leave there, and nothing that none can.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "filestate/file_node_testing.h"
#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

// A record with a part of each kind, and what is largest in each.
struct RecordOfAll : testing::Test {
  // The numbers of PartThing, with which each part begins, and where its body does.
  enum PartKind : uint8_t { kHead = 1, kHeld, kLockWait, kLease, kOpen, kWait, kOutput, kLink };
  static constexpr size_t kStreamAt = 1, kBody = 9;

  static FileKey key(uint64_t stream) { return {1, 100, stream}; }
  static OpenRequest request(uint64_t token, const char* name,
                             OplockLevel level = OplockLevel::kNone) {
    OpenRequest request;
    request.token = {token};
    request.client_guid = client(1);
    request.granted_access = kReadWriteAccess;
    request.share_access = kShareAll;
    request.path = path(name);
    request.is_sole_name = false;
    request.requested_oplock = level;
    return request;
  }

  NodeImage record;

  RecordOfAll() {
    FileNode node(key(0), 0, FileNode::Sharing::kSeveral);
    Outcome out;
    const auto open = [&](uint64_t stream, const OpenRequest& request) -> FileState& {
      FileState& state = node.find_or_add_called(key(stream), 0);
      EXPECT_NE(state.open(request, out).decision.verdict, Verdict::kFail);
      return state;
    };
    OpenRequest with_lease = request(1, "first", OplockLevel::kLease);
    with_lease.lease = LeaseRequest{
        .key = lease_key(1), .state = caching("RWH"), .version = 2, .parent_key = lease_key(2)};
    FileState& main = open(0, with_lease);
    EXPECT_TRUE(main.set_durability({1}, Durability::kPersistent));
    const LockRange range{~uint64_t{0xF}, 5, true};
    EXPECT_EQ(main.lock({1}, {&range, 1}, true, {1}, LockSequence{1, 1, 1}, out).verdict,
              Verdict::kGo);
    open(0, request(2, "second"));  // waits for the end of a break

    OpenRequest deletes = request(3, "second", OplockLevel::kBatch);
    deletes.delete_on_close = true;
    deletes.deleter = make_deleter(
        std::make_shared<const UnixCredentials>(UnixCredentials{.uid = 1, .gid = 2, .groups = {3}}),
        "share", std::string(DeleterRights::kPathMax, 'p'));
    FileState& stream = open(7, deletes);
    EXPECT_EQ(stream.lock({3}, {&range, 1}, true, {1}, std::nullopt, out).verdict, Verdict::kGo);
    open(8, request(4, "second"));
    FileState& other = open(8, request(5, "second", OplockLevel::kLevelII));
    EXPECT_EQ(other.lock({4}, {&range, 1}, true, {1}, std::nullopt, out).verdict, Verdict::kGo);
    EXPECT_EQ(other.lock({5}, {&range, 1}, false, {2}, LockSequence{1, 1, 1}, out).verdict,
              Verdict::kWait);
    // A LOCK that waits for a break.
    FileState& third = open(9, request(6, "second", OplockLevel::kBatch));
    open(9, request(7, "second"));
    EXPECT_EQ(third.cancel_wait({7}), true);
    OpenRequest stat = request(8, "second");
    stat.granted_access = kFileReadAttributes;
    open(9, stat);
    EXPECT_EQ(third.lock({8}, {&range, 1}, true, {3}, LockSequence{1, 2, 3}, out).verdict,
              Verdict::kWait);

    node.put_out({1}, key(0), Break{.id = {key(0), 3}, .ack_required = true});
    node.put_out({1}, key(7), Completion{.kind = Completion::Kind::kLock, .token = {1}});
    node.put_out({1}, key(0), PurgedOpen{{key(0), {1}}, true, key(0), true, path("p"), {}, {}});
    node.deleting.push_back({key(7), path("second"), {1}, FileNode::Deletion::Why::kReplaced});
    record = whole(node);
  }

  // The part of this kind, the first or a later one.
  uint32_t number_of(PartKind kind, size_t which = 0) const {
    for (const auto& [number, bytes] : record.parts) {
      if (bytes[0] == kind && which-- == 0) return number;
    }
    ADD_FAILURE() << "no part of kind " << int{kind};
    return 0;
  }
  static bool is_taken(const NodeImage& image) {
    FileNode node(key(0), 0, FileNode::Sharing::kSeveral);
    return node.take(image.head, image.values()).has_value();
  }
};

TEST_F(RecordOfAll, IsTakenAndTheSameThen) {
  FileNode node(key(0), 0, FileNode::Sharing::kSeveral);
  ASSERT_TRUE(node.take(record.head, record.values()));
  EXPECT_EQ(whole(node), record);
  for (const PartKind kind : {kHead, kHeld, kLockWait, kLease, kOpen, kWait, kOutput, kLink}) {
    number_of(kind);
  }
}

TEST_F(RecordOfAll, IsRefusedWhereAByteIsMissingOrTooMany) {
  for (size_t size = 0; size < record.head.size(); ++size) {
    NodeImage cut = record;
    cut.head.resize(size);
    EXPECT_FALSE(is_taken(cut)) << "head of " << size;
  }
  NodeImage longer = record;
  longer.head.push_back(0);
  EXPECT_FALSE(is_taken(longer)) << "head";
  for (const auto& [number, bytes] : record.parts) {
    const int kind = bytes[0];
    for (size_t size = 1; size < bytes.size(); ++size) {
      NodeImage cut = record;
      cut.parts[number].resize(size);
      EXPECT_FALSE(is_taken(cut)) << "part of kind " << kind << ", " << size << " bytes";
    }
    longer = record;
    longer.parts[number].push_back(0);
    EXPECT_FALSE(is_taken(longer)) << "part of kind " << kind;
  }
}

// Of one part, found by its kind, what a value must not be.
TEST_F(RecordOfAll, IsRefusedWithAValueThatNobodyWrites) {
  struct Row {
    const char* what;
    PartKind kind;
    size_t which;  // of the parts of this kind
    size_t at;     // in the part
    uint8_t value;
  };
  constexpr size_t kToken = 8, kGuid = 16, kNumber = 4, kLeaseId = 2 * kGuid + kToken;
  constexpr size_t kOpenFlags = kBody + 5 * kToken + kGuid - kToken + 3 * kNumber;
  constexpr Row kRows[] = {
      {"a kind", kOutput, 0, 0, 9},
      {"a stream's head of the file", kHead, 0, kStreamAt, 0},
      {"a stream's name", kHead, 0, kBody + kToken + 1, 0},
      {"a lock of no stream", kHeld, 0, kStreamAt, 99},
      {"a lock past the last byte", kHeld, 0, kBody + 2 * kToken - 1, 0xFF},
      {"a wait for a lock past the last byte", kLockWait, 0, kBody + 5 * kToken + kNumber - 1,
       0xFF},
      {"what a lease is", kLease, 0, kBody + kLeaseId, 8},
      {"what a lease breaks to", kLease, 0, kBody + kLeaseId + 2, 8},
      {"what a lease has to break to", kLease, 0, kBody + kLeaseId + 3, 8},
      {"an open of no stream", kOpen, 0, kStreamAt, 99},
      {"how long an open stays", kOpen, 0, kOpenFlags + 1, 4},
      {"the name of an open", kOpen, 0, kOpenFlags + 3, 77},
      {"the lease of an open", kOpen, 0, kOpenFlags + 7, 77},
      {"what an oplock is", kOpen, 1, kOpenFlags + 7, 8},
      {"a wait's kind", kWait, 0, kBody + kToken, 3},
      {"a wait of no stream", kWait, 0, kStreamAt, 99},
      {"an output's kind", kOutput, 0, kBody, 3},
      {"a completion's kind", kOutput, 1, kBody + 1 + kNumber + 2 * kToken, 3},
      {"a name of a stream", kLink, 0, kStreamAt, 7},
      {"a name without a path and with bytes", kLink, 0, kBody, 0},
  };
  for (const Row& row : kRows) {
    NodeImage changed = record;
    Bytes& part = changed.parts[number_of(row.kind, row.which)];
    ASSERT_LT(row.at, part.size()) << row.what;
    ASSERT_NE(part[row.at], row.value) << row.what;
    part[row.at] = row.value;
    EXPECT_FALSE(is_taken(changed)) << row.what;
  }
}

// Behind which nothing comes that would be missing.
TEST_F(RecordOfAll, IsRefusedWithAnOutputOfNoKind) {
  NodeImage changed = record;
  Bytes& output = changed.parts[number_of(kOutput)];
  output.resize(kBody + 1 + 4 + 8 + 8);
  output[kBody] = 3;
  EXPECT_FALSE(is_taken(changed));
}

// Each part counts to the share of who made it.
TEST_F(RecordOfAll, CountsToWhoMadeIt) {
  FileNode node(key(0), 0, FileNode::Sharing::kSeveral);
  Outcome out;
  OpenRequest first = request(1, "first", OplockLevel::kLease);
  first.lease = LeaseRequest{.key = lease_key(1), .state = caching("RWH")};
  first.account = Account{1};
  node.main.open(first, out);
  const LockRange range{0, 1, true};
  node.main.lock({1}, {&range, 1}, true, {1}, std::nullopt, out);
  OpenRequest waits = request(2, "first");
  waits.account = Account{2};
  EXPECT_EQ(node.main.open(waits, out).decision.verdict, Verdict::kWait);
  FileState& stream = node.find_or_add_called(key(7), 0);
  OpenRequest third = request(3, "another");
  third.account = Account{3};
  stream.open(third, out);
  NodeChanges changes;
  node.encode_changes(changes);
  std::vector<uint32_t> counted;
  for (const store::PartChange& each : changes.parts) {
    const auto kind = node.parts->at(each.part).thing.index();
    counted.push_back(static_cast<uint32_t>(kind * 10) + static_cast<uint32_t>(each.account));
  }
  std::ranges::sort(counted);
  // The head of a stream is nobody's.
  EXPECT_EQ(counted,
            (std::vector<uint32_t>{kHead * 10, kHeld * 10 + 1, kLease * 10 + 1, kOpen * 10 + 1,
                                   kOpen * 10 + 3, kWait * 10 + 2, kLink * 10 + 3}));
}

// A lease that took the place of one of the same key has what it was asked for with.
TEST_F(RecordOfAll, LeaseThatCameAnewHasItsOwnParent) {
  FileNode node(key(0), 0, FileNode::Sharing::kSeveral),
      mirror(key(0), 0, FileNode::Sharing::kSeveral);
  Outcome out;
  const auto copy = [&] {
    NodeChanges changes;
    node.encode_changes(changes);
    std::vector<FileNode::PartValue> values;
    for (const store::PartChange& each : changes.parts) values.emplace_back(each.part, each.value);
    ASSERT_TRUE(mirror.take(changes.head, values));
  };
  OpenRequest first = request(1, "f", OplockLevel::kLease);
  first.lease = LeaseRequest{
      .key = lease_key(1), .state = caching("R"), .version = 2, .parent_key = lease_key(9)};
  node.main.open(first, out);
  copy();
  EXPECT_EQ(mirror.main.find({1})->lease->parent_key, lease_key(9));
  node.main.close({1}, out);
  OpenRequest second = first;
  second.token = {2};
  second.lease->parent_key.reset();
  node.main.open(second, out);
  copy();
  EXPECT_EQ(mirror.main.find({2})->lease->parent_key, std::nullopt);
}

// No two are the same, in what makes them one.
TEST_F(RecordOfAll, IsRefusedWhereOneIsThereTwice) {
  for (const PartKind kind : {kLockWait, kLease, kOpen, kWait, kOutput, kLink}) {
    NodeImage twice = record;
    twice.parts[200] = record.parts[number_of(kind)];
    EXPECT_FALSE(is_taken(twice)) << "kind " << int{kind};
  }
  NodeImage names = record;
  names.parts[200] = record.parts[number_of(kLink)];
  names.head[0]++;
  EXPECT_FALSE(is_taken(names)) << "a name, counted";
  // By its order, and by the request that it is of.
  NodeImage twice = record;
  twice.parts[200] = record.parts[number_of(kLockWait)];
  twice.parts[200][kBody]++;
  EXPECT_FALSE(is_taken(twice)) << "a wait for a lock, later";
  twice.parts[200][kBody]--;
  twice.parts[200][kBody + 16]++;
  EXPECT_FALSE(is_taken(twice)) << "a wait for a lock, at the same time";
  twice.parts[200][kBody]++;
  EXPECT_TRUE(is_taken(twice)) << "another wait for a lock";
  std::ranges::fill_n(twice.parts[200].begin() + kBody, 8, uint8_t{0xFF});
  EXPECT_FALSE(is_taken(twice)) << "a wait behind which there is none";
}

// Locks and waits of one open count to one user.
TEST_F(RecordOfAll, IsRefusedWhereAnOpenIsOfTwoUsers) {
  NodeImage changed = record;
  changed.parts[200] = record.parts[number_of(kHeld)];
  changed.parts[200][kBody] = 50;  // elsewhere
  EXPECT_TRUE(is_taken(changed));
  changed.parts[200][kBody + 17 + 8]++;
  EXPECT_FALSE(is_taken(changed)) << "a lock";
  changed = record;
  changed.parts[200] = record.parts[number_of(kLockWait)];
  changed.parts[200][kBody]++;
  changed.parts[200][kBody + 16]++;
  EXPECT_TRUE(is_taken(changed));
  changed.parts[200][kBody + 24]++;
  EXPECT_FALSE(is_taken(changed)) << "a wait";
}

// Nothing is left that what is gone was needed for.
TEST_F(RecordOfAll, IsRefusedWithoutWhatOthersReferTo) {
  NodeImage changed = record;
  const uint32_t open = number_of(kOpen);
  changed.parts.erase(open);
  EXPECT_FALSE(is_taken(changed)) << "a lease without an open";
  for (const PartKind kind : {kHead, kLease, kLink}) {
    changed = record;
    changed.parts.erase(number_of(kind));
    EXPECT_FALSE(is_taken(changed)) << "without kind " << int{kind};
  }
  // The same as a change of what was there.
  for (const PartKind kind : {kHead, kLease, kLink, kOpen}) {
    FileNode before(key(0), 0, FileNode::Sharing::kSeveral);
    ASSERT_TRUE(before.take(record.head, record.values()));
    const FileNode::PartValue gone(number_of(kind), ByteView{});
    EXPECT_FALSE(before.take(record.head, {&gone, 1})) << "kind " << int{kind};
  }
}

TEST_F(RecordOfAll, IsRefusedWithAHeadThatDoesNotFitItsParts) {
  // How many names are parts; the last byte of all is whether the file's own stream is to be
  // deleted, before which stand its serial, in how many workers' logs it is, and the deletion's
  // reason.
  NodeImage changed = record;
  changed.head[0]++;
  EXPECT_FALSE(is_taken(changed)) << "more names than there are";
  const size_t reason = record.head.size() - 1 - 8 - 1 - 1;
  changed = record;
  ASSERT_EQ(changed.head[reason], static_cast<uint8_t>(FileNode::Deletion::Why::kReplaced));
  changed.head[reason]++;
  EXPECT_FALSE(is_taken(changed)) << "why something is deleted";
  const size_t stream = reason - 4 - 6 - 4 - 1 - 8;
  changed = record;
  ASSERT_EQ(changed.head[stream], 7);
  changed.head[stream] = 99;
  EXPECT_FALSE(is_taken(changed)) << "the deletion of a stream that is not there";

  // The name that stands in it: the file is open by it, and no other is the same.
  constexpr size_t kHasName = 4 + 8, kPath = kHasName + 1 + 1 + 4 + 4;
  changed = record;
  ASSERT_EQ(as_text(ByteView(changed.head).subspan(kPath, 5)), "first");
  changed.head.erase(changed.head.begin() + kHasName + 1, changed.head.begin() + kPath + 5 + 1);
  changed.head[kHasName] = 0;
  EXPECT_FALSE(is_taken(changed)) << "an open by no name";
  changed = record;
  changed.head[kPath - 4] = 6;
  changed.head.erase(changed.head.begin() + kPath, changed.head.begin() + kPath + 5);
  const std::string second = "second";
  changed.head.insert(changed.head.begin() + kPath, second.begin(), second.end());
  EXPECT_FALSE(is_taken(changed)) << "one name twice";
}

Deleter deleter_of(uid_t uid, size_t path_size = 0) {
  return make_deleter(
      std::make_shared<const UnixCredentials>(UnixCredentials{.uid = uid, .gid = 0, .groups = {}}),
      "share", std::string(path_size, 'p'));
}

TEST(DeleterBytes, AreOfSoManyAndNoMore) {
  const auto decoded = [](size_t count) {
    Bytes bytes;
    wire::Writer w(bytes);
    w.u8(static_cast<uint8_t>(count));
    for (uid_t uid = 0; uid < count; ++uid) encode_deleter(*deleter_of(uid), w);
    wire::Reader r(bytes);
    const Deleters deleters = decode_deleters(r);
    return r.ok() ? std::ranges::distance(deleters) : -1;
  };
  EXPECT_EQ(decoded(0), 0);
  EXPECT_EQ(decoded(Deleters::kMost), 4);
  EXPECT_EQ(decoded(Deleters::kMost + 1), -1);
}

TEST(DeleterBytes, HaveAPathOfSomeLengthAndSomebodysRights) {
  EXPECT_EQ(deleter_of(1, DeleterRights::kPathMax)->path.size(), DeleterRights::kPathMax);
  EXPECT_EQ(deleter_of(1, DeleterRights::kPathMax + 1)->path.size(), 0u);
  const auto is_taken = [](const DeleterRights& rights) {
    Bytes bytes;
    wire::Writer w(bytes);
    encode_deleter(rights, w);
    wire::Reader r(bytes);
    const Deleter deleter = decode_deleter(r);
    return r.ok() && r.remaining() == 0 && *deleter == rights && deleter->path == rights.path;
  };
  EXPECT_TRUE(is_taken(*deleter_of(1, DeleterRights::kPathMax)));
  DeleterRights changed = *deleter_of(1);
  changed.path = std::string(DeleterRights::kPathMax + 1, 'p');
  EXPECT_FALSE(is_taken(changed));
  changed = *deleter_of(1);
  changed.who = nullptr;
  Bytes bytes;
  wire::Writer w(bytes);
  encode_deleter(changed, w);
  wire::Reader r(bytes);
  decode_deleter(r);
  EXPECT_FALSE(r.ok());
}

TEST(PartTable, NumbersAreTheLowestThatAreFree) {
  PartTable parts;
  for (uint32_t i = 0; i < 200; ++i) EXPECT_EQ(parts.add(StreamHead{}, 5), i);
  EXPECT_EQ(parts.size(), 200u);
  for (const uint32_t number : {150u, 64u, 63u, 3u}) parts.remove(number);
  EXPECT_EQ(parts.size(), 196u);
  for (const uint32_t number : {3u, 63u, 64u, 150u, 200u}) {
    EXPECT_EQ(parts.add(StreamHead{}, 5), number);
  }
  EXPECT_EQ(parts.at(3).stream, 5u);
  EXPECT_TRUE(std::holds_alternative<StreamHead>(parts.at(200).thing));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(parts.at(201).thing));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(parts.at(100'000).thing));
}

TEST(PartTable, VisitsThoseOfARange) {
  PartTable parts;
  for (uint32_t i = 0; i < 300; ++i) parts.add(StreamHead{}, 0);
  for (uint32_t i = 0; i < 300; ++i) {
    if (i % 70 != 0) parts.remove(i);
  }
  const auto visited = [&](uint32_t first, uint32_t end) {
    std::vector<uint32_t> numbers;
    parts.for_each(first, end, [&](uint32_t number) { numbers.push_back(number); });
    return numbers;
  };
  EXPECT_EQ(visited(0, 1000), (std::vector<uint32_t>{0, 70, 140, 210, 280}));
  EXPECT_EQ(visited(70, 210), (std::vector<uint32_t>{70, 140}));
  EXPECT_EQ(visited(71, 211), (std::vector<uint32_t>{140, 210}));
  EXPECT_EQ(visited(1, 70), std::vector<uint32_t>{});
  EXPECT_EQ(visited(281, 1000), std::vector<uint32_t>{});
}

TEST(PartTable, TellsWhatWasTouchedOnceAndInOrder) {
  PartTable parts;
  for (uint32_t i = 0; i < 4; ++i) parts.add(StreamHead{}, 0);
  EXPECT_TRUE(parts.any_touched());
  EXPECT_EQ(parts.take_touched(), (std::vector<uint32_t>{0, 1, 2, 3}));
  EXPECT_FALSE(parts.any_touched());
  EXPECT_EQ(parts.take_touched(), std::vector<uint32_t>{});
  parts.touch(3);
  parts.touch(1);
  parts.touch(3);
  parts.remove(0);
  EXPECT_EQ(parts.take_touched(), (std::vector<uint32_t>{0, 1, 3}));
  parts.put(9, StreamHead{}, 0);
  parts.take_out(9);
  EXPECT_FALSE(parts.any_touched()) << "what another worker did";
}

}  // namespace
}  // namespace braid::filestate
