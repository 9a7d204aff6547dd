// What a node's changes say must be all that has changed: another worker sees nothing else.
#include "filestate/file_node.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "filestate/file_node_testing.h"
#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

// Whose file it is when a worker ends.
TEST(PartTable, HolderIsWhoHasAnOpenOrAWait) {
  PartTable parts;
  OpenRecord open;
  const auto has_holder = [&] { return parts.any_holder([](store::WorkerTag) { return true; }); };
  const uint32_t head = parts.add(StreamHead{}, 0);
  EXPECT_FALSE(has_holder());
  const uint32_t first = parts.add(&open, 0, {1}), second = parts.add(&open, 0, {2});
  EXPECT_TRUE(has_holder());
  parts.remove(first);
  EXPECT_TRUE(has_holder());
  parts.remove(second);
  EXPECT_FALSE(has_holder());
  parts.remove(head);
  EXPECT_EQ(parts.size(), 0u);
}

// Random events on one node, whose changes a second one takes.
class Mirrored {
 public:
  explicit Mirrored(uint64_t seed) : random_(seed) {}

  std::string run(size_t events) {
    for (size_t i = 0; i < events; ++i) {
      step();
      NodeChanges changes;
      node_.encode_changes(changes);
      NodeImage image = image_;
      image.apply(changes);
      std::vector<FileNode::PartValue> values;
      for (const store::PartChange& each : changes.parts) {
        values.emplace_back(each.part, each.value);
      }
      const std::string at = "event " + std::to_string(i) + " (" + std::to_string(last_) + ")";
      if (!mirror_.take(changes.head, values)) return at + ": refused";
      if (whole(node_) != image) return at + ": something was changed and not touched";
      if (whole(mirror_) != image) return at + ": the mirror is not the same";
      // Back, as when there is no room, and forth again.
      if (below(4) == 0) {
        std::vector<FileNode::PartValue> before;
        for (const store::PartChange& each : changes.parts) {
          const auto old = image_.parts.find(each.part);
          before.emplace_back(each.part,
                              old == image_.parts.end() ? ByteView{} : ByteView(old->second));
        }
        if (!image_.head.empty()) {
          if (!mirror_.take(image_.head, before)) return at + ": does not go back";
          if (whole(mirror_) != image_) return at + ": is not what it was";
          if (!mirror_.take(changes.head, values)) return at + ": does not come again";
          if (whole(mirror_) != image) return at + ": is not what it became";
        }
      }
      image_ = std::move(image);
    }
    return {};
  }

 private:
  struct Known {
    OpenToken token;
    uint64_t stream;
  };
  uint64_t below(uint64_t limit) { return random_() % limit; }
  std::string name() { return "name" + std::to_string(below(6)); }
  Deleter somebody() {
    return make_deleter(std::make_shared<const UnixCredentials>(UnixCredentials{
                            .uid = static_cast<uid_t>(below(3)), .gid = 1, .groups = {2, 3}}),
                        below(2) == 0 ? "" : "docs", name());
  }
  FileKey key(uint64_t stream) const { return {1, 100, stream}; }

  void open() {
    const uint64_t stream = below(3);
    OpenRequest request;
    request.token = {++last_token_};
    request.client_guid = client(static_cast<uint8_t>(below(3)));
    request.user = {below(2)};
    request.session_id = {below(5)};
    request.account = Account{static_cast<uint32_t>(below(4))};
    constexpr uint32_t kAccess[] = {kReadWriteAccess, kFileReadData, kFileReadAttributes, kDelete};
    request.granted_access = kAccess[below(4)];
    request.share_access = below(6) == 0 ? static_cast<uint32_t>(below(8)) : kShareAll;
    request.overwrites = below(8) == 0;
    request.is_directory = below(10) == 0;
    request.delete_on_close = below(30) == 0;
    if (below(2) == 0) request.deleter = somebody();
    constexpr OplockLevel kLevels[] = {OplockLevel::kNone, OplockLevel::kLevelII,
                                       OplockLevel::kBatch, OplockLevel::kLease};
    request.requested_oplock = kLevels[below(4)];
    if (request.requested_oplock == OplockLevel::kLease) {
      request.lease = LeaseRequest{.key = lease_key(static_cast<uint8_t>(below(4) * 8 + stream)),
                                   .state = static_cast<Caching>(below(8)),
                                   .version = static_cast<uint8_t>(1 + below(2))};
      if (below(2) == 0) request.lease->parent_key = lease_key(9);
    }
    request.path = std::make_shared<const std::string>(name());
    request.is_sole_name = below(4) == 0;
    FileState& state = node_.find_or_add_called(key(stream), 0);
    if (state.open(request, out_).decision.verdict == Verdict::kGo) {
      opens_.push_back({request.token, state.key().stream});
    }
    if (request.lease) leases_.push_back(lease_of(request));
  }

  void step() {
    last_ = 0;
    if (opens_.empty() || below(4) == 0) return open();
    const size_t which = below(opens_.size());
    const Known known = opens_[which];
    FileState* const found = node_.find(key(known.stream));
    if (!found || !found->find(known.token)) {  // purged, or its stream is gone
      opens_.erase(opens_.begin() + static_cast<ptrdiff_t>(which));
      return;
    }
    FileState& state = *found;
    const LockRange range{below(8), 1 + below(4), below(2) == 0};
    const LockRange ranges[] = {range, {20 + below(9), 1, true}};
    std::optional<LockSequence> sequence;
    if (below(2) == 0) {
      sequence = LockSequence{static_cast<uint8_t>(1 + below(3)), static_cast<uint8_t>(below(16)),
                              static_cast<uint16_t>(below(3))};
    }
    last_ = 1 + below(18);
    switch (last_) {
      case 1:
        state.close(known.token, out_);
        break;
      case 2:
        state.prepare(known.token, static_cast<Operation>(below(7)), out_);
        break;
      case 3:
      case 4:
        state.lock(known.token, {ranges, 1 + below(2)}, below(2) == 0, {++last_lock_}, sequence,
                   out_);
        break;
      case 5:
        state.unlock(known.token, {ranges, 1}, sequence, out_);
        break;
      case 6:
        state.cancel_lock(known.token, {1 + below(last_lock_ + 1)});
        break;
      case 7:
        state.set_delete_pending(known.token, below(4) == 0, static_cast<DeleteSemantics>(below(2)),
                                 out_, below(2) == 0 ? somebody() : nullptr);
        break;
      case 8:
      case 9:
        if (!leases_.empty()) {
          state.ack_lease(leases_[below(leases_.size())], static_cast<Caching>(below(8)), out_);
        }
        break;
      case 10:
        state.ack_oplock(known.token, static_cast<OplockLevel>(below(3) * 4), out_);
        break;
      case 11:
        state.set_durability(known.token, static_cast<Durability>(below(4)));
        break;
      case 12:
        state.disconnect(known.token, out_);
        break;
      case 13:
        state.reconnect(known.token, {below(9)}, out_);
        break;
      case 14:
        if (state.take_over(known.token, {++last_token_}, {below(9)}, out_)) {
          opens_[which].token = {last_token_};
        }
        break;
      case 15:
        state.child_changed(std::nullopt, out_);
        state.break_timed_out(1 + below(state.last_break_serial() + 1), out_);
        break;
      case 16: {
        const uint64_t gone = below(8);
        state.drop([&](OpenToken token) { return token.value % 8 == gone; }, out_);
        state.end_delete(name());
        break;
      }
      case 17:
        if (below(3) == 0) {
          node_.main.links().set_removed(name());
        } else if (below(2) == 0) {
          const uint64_t to = 1 + below(3);
          if (known.stream != 0 && !node_.find_called(key(to))) state.set_name(to);
        } else {
          node_.renamed({key(known.stream), known.token},
                        std::make_shared<const std::string>(name()));
        }
        break;
      default:
        outputs(known);
    }
    if (below(4) == 0) drop_idle_streams();
  }

  void outputs(const Known& known) {
    if (below(3) == 0) {
      const store::WorkerTag to{static_cast<uint32_t>(below(3))};
      node_.take_outputs([&](const Output& each) { return each.to == to; });
      return;
    }
    for (const Break& each : std::exchange(out_.breaks, {})) {
      node_.put_out({static_cast<uint32_t>(below(3))}, key(known.stream), each);
    }
    for (const Completion& each : std::exchange(out_.completions, {})) {
      node_.put_out({static_cast<uint32_t>(below(3))}, key(known.stream), each);
    }
    node_.put_out({1}, key(known.stream),
                  PurgedOpen{{key(known.stream), known.token},
                             true,
                             key(0),
                             below(2) == 0,
                             std::make_shared<const std::string>(name())});
    if (below(3) == 0) {
      node_.deleting.push_back({key(0),
                                std::make_shared<const std::string>(name()),
                                {1},
                                static_cast<FileNode::Deletion::Why>(below(3))});
    }
  }

  void drop_idle_streams() {
    std::erase_if(node_.streams, [](const auto& stream) {
      if (stream->has_opens()) return false;
      stream->remove_parts();
      return true;
    });
  }

  std::mt19937_64 random_;
  FileNode node_{{1, 100, 0}, 0, FileNode::Sharing::kSeveral};
  FileNode mirror_{{1, 100, 0}, 0, FileNode::Sharing::kSeveral};
  NodeImage image_;
  Outcome out_;
  std::vector<Known> opens_;
  std::vector<LeaseId> leases_;
  uint64_t last_token_ = 0, last_lock_ = 0, last_ = 0;
};

// BRAID_SIMULATOR_SEEDS in the environment runs more of them.
TEST(FileNode, ChangesSayAllThatAnEventChanged) {
  const char* wanted = std::getenv("BRAID_SIMULATOR_SEEDS");
  const uint64_t seeds = wanted ? std::strtoull(wanted, nullptr, 10) : 100;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    ASSERT_EQ(Mirrored(seed).run(400), "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace braid::filestate
