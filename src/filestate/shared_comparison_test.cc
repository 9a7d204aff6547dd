// The same random events for two workers and for one table that has all opens: all they say is the
// same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <sstream>

#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

// The same random events for two workers and for one table that has all opens: decisions, breaks
// and completions are the same.
class Comparison {
 public:
  explicit Comparison(uint64_t seed) : random_(seed) {}

  std::string run(size_t events) {
    for (size_t i = 0; i < events; ++i) {
      const std::string event = step();
      for (size_t w = 0; w < 2; ++w) shared_.tables[w]->catch_up();
      const std::string difference = compare();
      if (!difference.empty()) {
        return "event " + std::to_string(i) + ", " + event + ": " + difference;
      }
    }
    return {};
  }

 private:
  struct Known {
    size_t worker;
    OpenRequest request;
    FileKey file;
    bool disconnected = false;
  };

  uint64_t below(uint64_t limit) { return random_() % limit; }

  template <class Do>
  auto both(size_t worker, Do act) {
    auto in_one = act(single_);
    auto in_many = act(*shared_.tables[worker]);
    return std::pair(in_one, in_many);
  }
  void expect(bool same, const char* what) {
    if (!same && difference_.empty()) difference_ = what;
  }
  void check(const std::pair<Decision, Decision>& decisions) {
    expect(decisions.first.verdict == decisions.second.verdict, "verdict");
    expect(decisions.first.status == decisions.second.status, "status");
  }

  std::string open(Known known) {
    const auto [a, b] =
        both(known.worker, [&](FileTable& table) { return table.open(known.file, known.request); });
    check({a.decision, b.decision});
    expect(a.oplock == b.oplock, "oplock");
    expect(a.lease.has_value() == b.lease.has_value(), "lease");
    if (a.lease && b.lease) {
      expect(a.lease->state == b.lease->state && a.lease->epoch == b.lease->epoch, "lease state");
    }
    if (a.decision.verdict == Verdict::kGo) opens_.push_back(known);
    if (a.decision.verdict == Verdict::kWait) waiting_.push_back(known);
    return "open";
  }

  std::string step() {
    if (!waiting_.empty() && below(4) == 0) {
      const Known again = waiting_[below(waiting_.size())];
      std::erase_if(waiting_,
                    [&](const Known& each) { return each.request.token == again.request.token; });
      if (below(3) == 0) {
        const auto [a, b] = both(again.worker, [&](FileTable& table) {
          return table.cancel_wait({again.file, again.request.token});
        });
        expect(a == b, "cancelled");
        return "cancel";
      }
      both(again.worker,
           [&](FileTable& table) { return table.cancel_wait({again.file, again.request.token}); });
      return open(again);
    }
    if (opens_.size() < 3 || (opens_.size() < 12 && below(3) == 0)) {
      const size_t worker = below(2);
      Known known{worker, shared_.request(worker), {1, 7 + below(2), below(3) == 0 ? 5u : 0u}};
      constexpr uint32_t kAccess[] = {kFileReadAttributes, kFileReadData, kReadWriteAccess,
                                      kDelete | kFileReadData};
      known.request.granted_access = kAccess[below(4)];
      if (below(4) == 0) known.request.share_access = static_cast<uint32_t>(below(8));
      known.request.overwrites = below(6) == 0;
      known.request.delete_on_close = below(30) == 0;
      constexpr OplockLevel kLevels[] = {OplockLevel::kNone, OplockLevel::kLevelII,
                                         OplockLevel::kBatch, OplockLevel::kLease,
                                         OplockLevel::kLease};
      known.request.requested_oplock = kLevels[below(5)];
      if (known.request.requested_oplock == OplockLevel::kLease) {
        // A key for each file: one key on two files is an error that is tested elsewhere.
        const auto key = static_cast<uint8_t>(known.file.inode * 8 + known.file.stream);
        known.request.lease = LeaseRequest{.key = lease_key(key),
                                           .state = static_cast<Caching>(below(8)),
                                           .version = static_cast<uint8_t>(1 + below(2))};
      }
      return open(known);
    }
    const size_t which = below(opens_.size());
    Known& known = opens_[which];
    const OpenRef of{known.file, known.request.token};
    const LockRange range{below(8), 1 + below(4), below(2) == 0};
    switch (below(9)) {
      case 0: {
        const auto [a, b] = both(known.worker, [&](FileTable& table) { return table.close(of); });
        expect(a.delete_now == b.delete_now && a.file == b.file, "close");
        opens_.erase(opens_.begin() + static_cast<ptrdiff_t>(which));
        return "close";
      }
      case 1: {
        const auto operation = static_cast<Operation>(below(7));
        const IoRange io{range.offset, range.length};
        const size_t ranges = operation == Operation::kRead || operation == Operation::kWrite;
        check(both(known.worker,
                   [&](FileTable& table) { return table.begin_io(of, operation, {&io, ranges}); }));
        return "begin_io";
      }
      case 2: {
        const bool at_once = below(2) == 0;
        const LockId id{++last_lock_};
        check(both(known.worker,
                   [&](FileTable& table) { return table.lock(of, {&range, 1}, at_once, id); }));
        return "lock";
      }
      case 3: {
        const auto [a, b] =
            both(known.worker, [&](FileTable& table) { return table.unlock(of, {&range, 1}); });
        expect(a == b, "unlock");
        return "unlock";
      }
      case 4: {
        const bool pending = below(3) == 0;
        check(both(known.worker,
                   [&](FileTable& table) { return table.set_delete_pending(of, pending); }));
        return "set_delete_pending";
      }
      case 5: {
        if (known.request.lease) {
          const LeaseId id = lease_of(known.request);
          const auto state = static_cast<Caching>(below(8));
          const auto [a, b] =
              both(known.worker, [&](FileTable& table) { return table.ack_lease(id, state); });
          expect(a.status == b.status && a.state == b.state, "ack_lease");
        } else {
          const auto level = below(2) == 0 ? OplockLevel::kLevelII : OplockLevel::kNone;
          const auto [a, b] =
              both(known.worker, [&](FileTable& table) { return table.ack_oplock(of, level); });
          expect(a.status == b.status && a.level == b.level, "ack_oplock");
        }
        return "ack";
      }
      case 6: {
        both(known.worker,
             [&](FileTable& table) { return table.set_durability(of, Durability::kDurable); });
        const auto [a, b] =
            both(known.worker, [&](FileTable& table) { return table.disconnect(of); });
        expect(a == b, "disconnect");
        return "disconnect";
      }
      case 7: {
        const auto [a, b] = both(known.worker, [&](FileTable& table) {
          return table.reconnect(of, SessionId{known.worker});
        });
        expect(a == b, "reconnect");
        return "reconnect";
      }
      default: {
        const auto [a, b] = both(known.worker, [&](FileTable& table) {
          return table.check_io(of, range.offset, range.length, range.exclusive);
        });
        expect(a == b, "check_io");
        return "check_io";
      }
    }
  }

  // What the sinks were told, in an order that does not depend on the worker.
  static void write_down(RecordingSink& sink, std::vector<std::string>& lines) {
    for (const Break& each : std::exchange(sink.breaks, {})) {
      std::ostringstream line;
      line << "break " << each.holder.value << ' ' << each.is_lease << ' ' << each.ack_required
           << ' ' << static_cast<int>(each.current_state) << ' ' << static_cast<int>(each.new_state)
           << ' ' << each.new_epoch << ' ' << static_cast<int>(each.new_level) << ' '
           << each.session.value;
      lines.push_back(line.str());
    }
    for (const Completion& each : std::exchange(sink.completions, {})) {
      std::ostringstream line;
      line << "completion " << each.token.value << ' ' << static_cast<int>(each.kind) << ' '
           << each.lock.value << ' ' << static_cast<uint32_t>(each.status);
      lines.push_back(line.str());
    }
    for (auto& [open, closed] : std::exchange(sink.purges, {})) {
      lines.push_back("purged " + std::to_string(open.token.value) +
                      (closed.delete_now ? " and deleted" : ""));
    }
  }
  std::string compare() {
    std::vector<std::string> one, many;
    write_down(single_sink_, one);
    for (RecordingSink& sink : shared_.sinks) write_down(sink, many);
    std::ranges::sort(one);
    std::ranges::sort(many);
    if (one != many && difference_.empty()) {
      difference_ = "told";
      for (const auto& line : one) difference_ += "\n  one:  " + line;
      for (const auto& line : many) difference_ += "\n  many: " + line;
    }
    return difference_;
  }

  std::mt19937_64 random_;
  SharedTables shared_;
  RecordingSink single_sink_;
  FileTable single_{single_sink_};
  std::vector<Known> opens_;
  std::vector<Known> waiting_;
  uint64_t last_lock_ = 0;
  std::string difference_;
};

// BRAID_SIMULATOR_SEEDS in the environment runs more of them.
TEST(SharedFileTable, TwoWorkersDecideAsOneTableWould) {
  const char* wanted = std::getenv("BRAID_SIMULATOR_SEEDS");
  const uint64_t seeds = wanted ? std::strtoull(wanted, nullptr, 10) : 100;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    ASSERT_EQ(Comparison(seed).run(500), "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace braid::filestate
