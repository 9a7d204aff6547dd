// Drives a FileState and the naive model with the same random events and compares all they say.
#pragma once

#include <algorithm>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "filestate/file_state.h"
#include "filestate/naive_model_testing.h"

namespace braid::filestate {

// One file with three names, two clients with three lease keys each, up to a dozen opens. The same
// seed gives the same events. Stops at the first difference.
class Simulator {
 public:
  explicit Simulator(uint64_t seed) : seed_(seed), random_(seed) {
    is_directory_ = one_in(6);
    busy_locks_ = one_in(2);
    start();
  }

  // Empty, or what differed, with the seed and the last events.
  std::string run(uint64_t events) {
    for (uint64_t i = 0; i < events && difference_.empty(); ++i) {
      event_ = i;
      step();
      if (difference_.empty()) compare_state();
    }
    if (difference_.empty()) return {};
    std::ostringstream text;
    text << "seed " << seed_ << ", event " << event_ << ": " << difference_ << "\nlast events:\n";
    for (const std::string& line : history_) text << "  " << line << "\n";
    return text.str();
  }

 private:
  static constexpr FileKey kKey{1, 2, 0};

  static auto identity(const Break& each) {
    return std::tuple(each.is_lease, each.lease, each.open, each.session, each.ack_required,
                      each.new_level, each.current_state, each.new_state, each.new_epoch);
  }
  static auto identity(const Completion& each) {
    return std::tuple(each.kind, each.token, each.lock, each.status);
  }
  static auto identity(const CloseResult& each) {
    return std::tuple(each.last_open, each.delete_stream, each.delete_link,
                      each.path ? *each.path : std::string());
  }
  static auto identity(const Outcome::Purged& each) {
    return std::tuple(each.open, identity(each.left));
  }

  void start() {
    state_ = std::make_unique<FileState>(kKey);
    model_ = std::make_unique<NaiveModel>(kKey);
    retries_.clear();
    waiting_opens_.clear();
    breaks_.clear();
    deleting_.clear();
  }

  uint64_t below(uint64_t limit) { return random_() % limit; }
  bool one_in(uint64_t odds) { return below(odds) == 0; }
  template <class T>
  T pick(std::initializer_list<T> from) {
    return *(from.begin() + below(from.size()));
  }

  void note(std::string text) {
    history_.push_back(std::move(text));
    if (history_.size() > 25) history_.erase(history_.begin());
  }
  template <class T>
  void expect(const T& from_state, const T& from_model, const char* what) {
    if (!(from_state == from_model) && difference_.empty()) difference_ = what;
  }

  OpenRequest random_request() {
    OpenRequest request;
    request.token = {++last_token_};
    request.client_guid.bytes[0] = static_cast<uint8_t>(below(2));
    request.user = {one_in(4) ? 1u : 0u};
    request.session_id = {below(3)};
    request.granted_access = pick<uint32_t>(
        {kFileReadAttributes, kReadControl | kSynchronize, kFileReadData, kFileWriteData,
         kFileReadData | kFileWriteData, kDelete, kFileReadData | kDelete, 0x001F01FF});
    request.share_access = one_in(4) ? static_cast<uint32_t>(below(8)) : 7;
    request.overwrites = !is_directory_ && one_in(6);
    request.is_directory = is_directory_;
    request.delete_on_close = one_in(40);
    request.path = std::make_shared<const std::string>(random_name());
    request.is_sole_name = is_directory_ || one_in(3);
    if (request.overwrites) request.needed_access = one_in(2) ? kFileWriteData : kDelete;
    request.allocation_size = below(12);
    request.requested_oplock =
        pick({OplockLevel::kNone, OplockLevel::kLevelII, OplockLevel::kExclusive,
              OplockLevel::kBatch, OplockLevel::kLease, OplockLevel::kLease, OplockLevel::kLease});
    if (request.requested_oplock == OplockLevel::kLease) {
      LeaseRequest lease;
      lease.key.bytes[0] = static_cast<uint8_t>(below(3));
      lease.state = static_cast<Caching>(one_in(3) ? below(8) : 7);
      lease.version = static_cast<uint8_t>(1 + below(2));
      lease.epoch = lease.version == 2 ? static_cast<uint16_t>(random_()) : 0;
      if (lease.version == 2 && one_in(3)) lease.parent_key = LeaseKey{};
      request.lease = lease;
    }
    return request;
  }

  std::string random_name() { return std::string(1, "abc"[is_directory_ ? 0 : below(3)]); }

  // A connected open, mostly; now and then one that does not exist.
  OpenToken random_open() {
    const auto& opens = model_->opens();
    if (opens.empty() || one_in(50)) return {~uint64_t{0}};
    const auto& open = opens[below(opens.size())];
    return open.disconnected ? OpenToken{~uint64_t{0}} : open.request.token;
  }

  LockRange random_range() {
    if (one_in(20)) return {~uint64_t{0} - below(3), below(4), one_in(2)};
    return {below(8), below(4), one_in(2)};
  }
  std::optional<LockSequence> random_sequence() {
    if (!one_in(4)) return std::nullopt;
    return LockSequence{pick<uint8_t>({0, 1, 2, 64, 65}), static_cast<uint8_t>(below(3)),
                        pick<uint16_t>({0, 1, 0xFFFF})};
  }

  void open(const OpenRequest& request) {
    Outcome from_state, from_model;
    const OpenDecision a = state_->open(request, from_state);
    const OpenDecision b = model_->open(request, from_model);
    note("open #" + std::to_string(request.token.value) + " client " +
         std::to_string(request.client_guid.bytes[0]) + " access " +
         std::to_string(request.granted_access) + " share " + std::to_string(request.share_access) +
         " name " + *request.path + (request.is_sole_name ? " alone" : "") +
         (request.overwrites ? " overwrite" : "") +
         (request.delete_on_close ? " delete on close" : "") + " oplock " +
         std::to_string(static_cast<int>(request.requested_oplock)) +
         (request.lease ? " key " + std::to_string(request.lease->key.bytes[0]) + " state " +
                              std::to_string(static_cast<int>(request.lease->state))
                        : "") +
         " -> " + std::string(name_of(b.decision.status)));
    expect(a.decision.verdict, b.decision.verdict, "open: verdict");
    expect(a.decision.status, b.decision.status, "open: status");
    expect(a.oplock, b.oplock, "open: oplock");
    expect(a.lease.has_value(), b.lease.has_value(), "open: lease");
    if (a.lease && b.lease) {
      expect(a.lease->state, b.lease->state, "open: lease state");
      expect(a.lease->epoch, b.lease->epoch, "open: lease epoch");
      expect(a.lease->version, b.lease->version, "open: lease version");
      expect(a.lease->break_in_progress, b.lease->break_in_progress, "open: break in progress");
      expect(a.lease->parent_key, b.lease->parent_key, "open: parent key");
    }
    if (b.decision.verdict == Verdict::kWait) waiting_opens_.push_back(request);
    settle(from_state, from_model);
  }

  void step() {
    if (!retries_.empty() && one_in(2)) {
      const OpenRequest request = retries_.back();
      retries_.pop_back();
      return open(request);
    }
    const OpenToken token = random_open();
    const std::string name = "#" + std::to_string(token.value);
    Outcome a, b;
    switch (below(busy_locks_ ? 30 : 20)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        if (model_->opens().size() < 12) return open(random_request());
        break;
      case 5:
      case 6:
        close(model_->opens().empty() || !one_in(5)
                  ? token
                  : model_->opens()[below(model_->opens().size())].request.token);
        return;
      case 7: {
        const auto [operation, cause] = pick<std::pair<Operation, NaiveModel::Cause>>(
            {{Operation::kRead, NaiveModel::Cause::kRead},
             {Operation::kFlush, NaiveModel::Cause::kRead},
             {Operation::kWrite, NaiveModel::Cause::kWrite},
             {Operation::kSetSize, NaiveModel::Cause::kWrite},
             {Operation::kZeroData, NaiveModel::Cause::kWrite},
             {Operation::kRename, NaiveModel::Cause::kRename},
             {Operation::kSetSecurity, NaiveModel::Cause::kDelete}});
        note("begin to operate on " + name + " operation " +
             std::to_string(static_cast<int>(operation)));
        const IoRange range{below(10), below(5)};
        const auto alone = state_->begin_io_alone(token, operation, {&range, 1});
        const Decision decision = state_->begin_io(token, operation, {&range, 1}, a);
        Decision from_model = model_->operate(token, cause, b);
        const bool writes = operation != Operation::kRead;
        if (from_model.verdict == Verdict::kGo) {
          const NtStatus status = model_->check_io(token, range.offset, range.length, writes);
          if (status != NtStatus::kSuccess) from_model = Decision::fail(status);
        }
        decided(decision, from_model);
        if (alone) {
          decided(*alone, decision);
          expect(a.empty(), true, "something was to be taken");
        }
        break;
      }
      case 8: {
        if (!one_in(6)) return;
        const bool pending = one_in(2);
        note("set delete pending " + name + (pending ? " on" : " off"));
        decided(state_->set_delete_pending(token, pending, DeleteSemantics::kLastClose, a),
                model_->set_delete_pending(token, pending, b));
        break;
      }
      case 9:
      case 10:
      case 11:
      case 12:
        return answer_break();
      case 13: {
        const auto level = pick({OplockLevel::kNone, OplockLevel::kLevelII, OplockLevel::kExclusive,
                                 OplockLevel::kLease});
        return ack_oplock(token, level);
      }
      case 14: {
        if (breaks_.empty()) return;
        // Also of breaks that are long over.
        const Break& stale = breaks_[below(breaks_.size())];
        return time_out(stale);
      }
      case 15: {
        std::optional<LeaseId> actor;
        if (one_in(2)) {
          actor.emplace();
          actor->client.bytes[0] = static_cast<uint8_t>(below(2));
          actor->key.bytes[0] = static_cast<uint8_t>(below(3));
          actor->user = {one_in(4) ? 1u : 0u};
        }
        note("child changed");
        state_->child_changed(actor, a);
        model_->child_changed(actor, b);
        break;
      }
      case 16: {
        const OpenToken waiter =
            waiting_opens_.empty() ? token : waiting_opens_[below(waiting_opens_.size())].token;
        note("cancel wait of #" + std::to_string(waiter.value));
        expect(state_->cancel_wait(waiter), model_->cancel_wait(waiter), "cancel_wait");
        std::erase_if(waiting_opens_, [&](const auto& each) { return each.token == waiter; });
        break;
      }
      case 17:
        return change_connection();
      case 18:
        expect(state_->check_sharing(token, kDelete), model_->check_sharing(token, kDelete),
               "check_sharing");
        break;
      case 19:
        change_name(token);
        break;
      case 20:
        note("cancel lock " + name);
        expect(state_->cancel_lock(token, {last_lock_}), model_->cancel_lock(token, {last_lock_}),
               "cancel_lock");
        break;
      case 21:
      case 22:
      case 23:
      case 24: {
        std::vector<LockRange> ranges(one_in(3) ? 2 : 1);
        for (LockRange& range : ranges) range = random_range();
        const auto sequence = random_sequence();
        note("unlock " + name);
        expect(state_->unlock(token, ranges, sequence, a),
               model_->unlock(token, ranges, sequence, b), "unlock");
        break;
      }
      default: {
        std::vector<LockRange> ranges(one_in(3) ? 2 : 1);
        for (LockRange& range : ranges) range = random_range();
        const auto sequence = random_sequence();
        const bool at_once = one_in(2);
        const LockId id{++last_lock_};
        note("lock " + name + " " + std::to_string(ranges[0].offset) + "+" +
             std::to_string(ranges[0].length));
        decided(state_->lock(token, ranges, at_once, id, sequence, a),
                model_->lock(token, ranges, at_once, id, sequence, b));
        break;
      }
    }
    settle(a, b);
  }

  void decided(const Decision& from_state, const Decision& from_model) {
    expect(from_state.verdict, from_model.verdict, "verdict");
    expect(from_state.status, from_model.status, "status");
  }

  void close(OpenToken token) {
    note("close #" + std::to_string(token.value));
    Outcome a, b;
    const CloseResult from_state = state_->close(token, a);
    const CloseResult from_model = model_->close(token, b);
    expect(identity(from_state), identity(from_model), "close: what is left to delete");
    note_deletion(from_model);
    settle(a, b);
  }

  void note_deletion(const CloseResult& closed) {
    if (closed.delete_link) deleting_.push_back(*closed.path);
  }

  // What was to be deleted is, or a name becomes another one, or goes while it is open.
  void change_name(OpenToken token) {
    if (!deleting_.empty()) {
      const std::string path = deleting_.back();
      deleting_.pop_back();
      note("end of the deletion of " + path);
      state_->end_delete(path);
      model_->end_delete(path);
    } else if (const std::string path = random_name(); one_in(8)) {
      note("removed " + path);
      state_->links().set_removed(path);
      model_->unlinked(path);
    } else {
      note("rename #" + std::to_string(token.value) + " to " + path);
      state_->renamed(token, std::make_shared<const std::string>(path));
      model_->renamed(token, path);
    }
  }

  void change_connection() {
    if (model_->opens().empty()) return;
    const NaiveModel::Open& open = model_->opens()[below(model_->opens().size())];
    const OpenToken token = open.request.token;
    if (open.disconnected) {
      note("reconnect #" + std::to_string(token.value));
      Outcome a, b;
      expect(state_->reconnect(token, {9}, a), model_->reconnect(token, {9}, b), "reconnect");
      settle(a, b);
      return;
    }
    const auto durability = one_in(4)   ? Durability::kPersistent
                            : one_in(3) ? Durability::kResilient
                                        : Durability::kDurable;
    note("disconnect #" + std::to_string(token.value));
    expect(state_->set_durability(token, durability), model_->set_durability(token, durability),
           "set_durability");
    Outcome a, b;
    expect(state_->disconnect(token, a), model_->disconnect(token, b), "disconnect");
    settle(a, b);
  }

  void ack_oplock(OpenToken token, OplockLevel level) {
    note("acknowledge #" + std::to_string(token.value) + " level " +
         std::to_string(static_cast<int>(level)));
    Outcome a, b;
    const OplockAck from_state = state_->ack_oplock(token, level, a);
    const OplockAck from_model = model_->ack_oplock(token, level, b);
    expect(from_state.status, from_model.status, "oplock ack: status");
    expect(from_state.level, from_model.level, "oplock ack: level");
    settle(a, b);
  }

  void time_out(const Break& late) {
    note("time out of break " + std::to_string(late.id.serial));
    Outcome a, b;
    state_->break_timed_out(late.id.serial, a);
    if (is_current(late)) model_->time_out(late, b);
    settle(a, b);
  }

  // The latest break of its holder is the one that counts.
  bool is_current(const Break& notification) const {
    return std::ranges::none_of(breaks_, [&](const Break& other) {
      return other.id.serial > notification.id.serial && other.is_lease == notification.is_lease &&
             (other.is_lease ? other.lease == notification.lease : other.open == notification.open);
    });
  }

  // Mostly as told; sometimes less, sometimes nonsense.
  void answer_break() {
    if (breaks_.empty()) return;
    const Break asked = breaks_[breaks_.size() - 1 - below(std::min<size_t>(breaks_.size(), 3))];
    if (!asked.is_lease) return ack_oplock(asked.open, asked.new_level);
    const Caching answer = one_in(4) ? static_cast<Caching>(below(8)) : asked.new_state;
    note("acknowledge key " + std::to_string(asked.lease.key.bytes[0]) + " state " +
         std::to_string(static_cast<int>(answer)));
    Outcome a, b;
    const LeaseAck from_state = state_->ack_lease(asked.lease, answer, a);
    const LeaseAck from_model = model_->ack_lease(asked.lease, answer, b);
    expect(from_state.status, from_model.status, "lease ack: status");
    expect(from_state.state, from_model.state, "lease ack: state");
    settle(a, b);
  }

  template <class T>
  void same(std::vector<T> from_state, std::vector<T> from_model, const char* what) {
    const auto by_identity = [](const T& a, const T& b) { return identity(a) < identity(b); };
    std::ranges::sort(from_state, by_identity);
    std::ranges::sort(from_model, by_identity);
    if (!std::ranges::equal(from_state, from_model,
                            [](const T& a, const T& b) { return identity(a) == identity(b); })) {
      expect(0, 1, what);
    }
  }

  void settle(const Outcome& from_state, const Outcome& from_model) {
    same(from_state.breaks, from_model.breaks, "breaks");
    same(from_state.completions, from_model.completions, "completions");
    same(from_state.purged, from_model.purged, "purged");
    for (const Outcome::Purged& each : from_model.purged) note_deletion(each.left);
    for (const Break& each : from_state.breaks) {
      if (each.ack_required) breaks_.push_back(each);
    }
    if (breaks_.size() > 40) breaks_.erase(breaks_.begin(), breaks_.begin() + 20);
    for (const Completion& each : from_model.completions) {
      if (each.kind != Completion::Kind::kRetryOpen) continue;
      const auto waited = std::ranges::find(waiting_opens_, each.token, &OpenRequest::token);
      if (waited == waiting_opens_.end()) continue;
      retries_.push_back(*waited);
      waiting_opens_.erase(waited);
    }
    state_->take_ended_leases();
    if (!state_->has_opens() && model_->opens().empty()) start();
  }

  void compare_state() {
    for (const auto& open : model_->opens()) {
      const auto& name = model_->name_of(open);
      const Link& link = *state_->find(open.request.token)->link;
      expect(state_->is_delete_pending(open.request.token), name.pending, "delete pending");
      expect(link.is_removed, name.removed, "name removed");
      if (!name.removed) expect(std::string(link.key()), name.path, "name");
      expect(state_->caching_of(open.request.token), model_->caching_of(open.request.token),
             "caching held");
    }
    if (!busy_locks_ || model_->opens().empty()) return;
    const OpenToken token = model_->opens()[below(model_->opens().size())].request.token;
    const uint64_t offset = one_in(10) ? ~uint64_t{0} - below(3) : below(10);
    const uint64_t length = below(5);
    for (const bool write : {false, true}) {
      expect(state_->check_io(token, offset, length, write),
             model_->check_io(token, offset, length, write), "read or write against locks");
    }
  }

  uint64_t seed_;
  std::mt19937_64 random_;
  bool is_directory_ = false;
  bool busy_locks_ = false;
  std::unique_ptr<FileState> state_;
  std::unique_ptr<NaiveModel> model_;
  std::vector<OpenRequest> waiting_opens_;
  std::vector<OpenRequest> retries_;
  std::vector<Break> breaks_;          // that wanted an acknowledgement, the latest last
  std::vector<std::string> deleting_;  // names whose deletion is under way
  std::vector<std::string> history_;
  std::string difference_;
  uint64_t last_token_ = 0;
  uint64_t last_lock_ = 0;
  uint64_t event_ = 0;
};

// The first difference in `events` events, or nothing.
inline std::string first_difference(uint64_t first_seed, uint64_t events) {
  constexpr uint64_t kEventsPerSeed = 2000;
  for (uint64_t seed = first_seed; events > 0; ++seed) {
    const uint64_t now = std::min(events, kEventsPerSeed);
    const std::string difference = Simulator(seed).run(now);
    if (!difference.empty()) return difference;
    events -= now;
  }
  return {};
}

}  // namespace braid::filestate
