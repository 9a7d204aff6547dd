// What filestate must decide, written down as plainly as the rules allow: flat lists, tables of
// states, a look at everybody for every question. Slow on purpose; the simulator compares.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "filestate/types.h"

namespace braid::filestate {

inline constexpr Caching kNo = Caching::kNone;
inline constexpr Caching kR = Caching::kRead;
inline constexpr Caching kRH = Caching::kReadHandle;
inline constexpr Caching kRW = Caching::kReadWrite;
inline constexpr Caching kRWH = Caching::kReadWriteHandle;

class NaiveModel {
 public:
  // Why somebody's caching is in the way.
  enum class Cause {
    kOpen,
    kOverwrite,
    kViolation,
    kViolatingOverwrite,
    kDeletingOpen,
    kDeletingOverwrite,
    kRead,
    kWrite,
    kRename,
    kDelete,
    kChild,
  };
  struct Claim {  // a lease, or the oplock of one open
    bool is_lease = false;
    LeaseId lease{};
    OpenToken token{};
    SessionId session{};
    Caching now{};
    bool breaking = false;
    bool owed = false;  // its client is away and is told when it is back
    bool had_write = false;
    Caching told{};
    Caching wanted{};
    LeaseGrant grant{};
    bool batch = false;
    bool told_none = false;
  };
  struct Open {
    OpenRequest request;
    bool has_lease = false;
    bool disconnected = false;
    Durability durability = Durability::kNone;
    struct Sequence {
      int number;                                // -1: of no request that was carried out
      std::optional<uint16_t> channel_sequence;  // none: of an earlier session
    };
    std::map<int, Sequence> sequences;
    int name = 0;  // Name::number
  };
  struct Name {  // of the file
    int number;
    std::string path;
    bool pending = false;
    bool sole = true;
    bool removed = false;
  };
  struct Held {
    OpenToken token;
    LockRange range;
  };
  struct LockWaiter {
    OpenToken token;
    LockId id;
    LockRange range;
    LockSequence sequence;
  };

  explicit NaiveModel(const FileKey& key) : key_(key) {}

  OpenDecision open(const OpenRequest& request, Outcome& out);
  CloseResult close(OpenToken token, Outcome& out);
  void end_delete(const std::string& path);
  void renamed(OpenToken token, const std::string& path);
  void unlinked(const std::string& path);
  Decision operate(OpenToken token, Cause cause, Outcome& out);
  Decision set_delete_pending(OpenToken token, bool pending, Outcome& out);
  void child_changed(const std::optional<LeaseId>& actor, Outcome& out);
  OplockAck ack_oplock(OpenToken token, OplockLevel level, Outcome& out);
  LeaseAck ack_lease(const LeaseId& id, Caching state, Outcome& out);
  void time_out(const Break& notification, Outcome& out);
  bool cancel_wait(OpenToken token);
  Decision lock(OpenToken token, std::span<const LockRange> ranges, bool fail_immediately,
                LockId id, const std::optional<LockSequence>& sequence, Outcome& out);
  NtStatus unlock(OpenToken token, std::span<const LockRange> ranges,
                  const std::optional<LockSequence>& sequence, Outcome& out);
  bool cancel_lock(OpenToken token, LockId id);
  NtStatus check_io(OpenToken token, uint64_t offset, uint64_t length, bool write) const;
  bool set_durability(OpenToken token, Durability durability);
  bool disconnect(OpenToken token, Outcome& out);
  bool reconnect(OpenToken token, SessionId session, Outcome& out);
  Caching caching_of(OpenToken token) const;
  NtStatus check_sharing(OpenToken token, uint32_t access) const;

  const std::vector<Open>& opens() const { return opens_; }
  const std::vector<Claim>& claims() const { return claims_; }
  const Name& name_of(const Open& open) const {
    return *std::ranges::find(names_, open.name, &Name::number);
  }

 private:
  struct Actor {
    std::optional<LeaseId> lease;
    std::optional<OpenToken> open;
  };

  Open* find(OpenToken token);
  const Open* find(OpenToken token) const;
  Claim* claim_of(const Open& open);
  const Claim* claim_of(const Open& open) const;
  static LeaseId lease_of(const OpenRequest& request);
  static bool is_stat(const OpenRequest& request);
  static bool is_stat_for_oplocks(const OpenRequest& request);
  static bool collide(const OpenRequest& there, const OpenRequest& comes);
  static std::optional<Caching> after(Cause cause, bool is_lease, Caching state);
  static bool waits(Cause cause, const Claim& claim);
  bool exempt(const Claim& claim, Cause cause, const Actor& actor) const;
  bool is_reachable(const Claim& claim) const;
  bool take_away(Cause cause, const Actor& actor, bool for_leases, bool for_oplocks, Outcome& out);
  bool waits_for(const Open& away, const OpenRequest& comes) const;
  bool purge(Cause cause, const Actor& actor, bool for_leases, bool for_oplocks,
             const OpenRequest* collides_with, Outcome& out, const OpenRequest* comes = nullptr);
  Caching can_hold(Caching wanted, bool is_lease, const OpenRequest& request,
                   const std::optional<LeaseId>& own) const;
  void tell(const Claim& claim, Caching to, bool ack, Outcome& out) const;
  void end_break(Claim& claim, Caching state, Outcome& out);
  void release(Outcome& out);
  CloseResult remove(OpenToken token, Outcome& out);
  Name* name_for(const OpenRequest& request);
  bool is_pending(const OpenRequest& request);
  void forget_waiting(OpenToken token, Outcome& out);
  bool lock_conflict(OpenToken token, const LockRange& range) const;
  std::optional<NtStatus> begin(Open& open, const std::optional<LockSequence>& sequence,
                                Outcome& out);
  void grant_locks(Outcome& out);

  FileKey key_;
  std::vector<Open> opens_;
  std::vector<Claim> claims_;
  struct Waiting {
    OpenToken token;
    Completion::Kind kind;
    // With kLock:
    std::vector<LockRange> ranges{};
    bool fail_immediately = false;
    LockId id{};
    std::optional<LockSequence> sequence{};
  };
  std::vector<Waiting> waiting_;
  std::vector<Held> locks_;
  std::vector<LockWaiter> lock_waiters_;
  std::vector<Name> names_;
  int last_name_ = 0;
};

}  // namespace braid::filestate
