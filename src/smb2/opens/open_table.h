// OpenTable: the opens that are found by more than their session. [MS-SMB2] 3.3.1.5,
// GlobalOpenTable.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/ids.h"
#include "filestate/types.h"
#include "runtime/one_shot.h"
#include "smb2/common/limits.h"
#include "smb2/opens/create_key.h"
#include "smb2/opens/open.h"
#include "smb2/opens/preserved_open.h"

namespace braid::smb2 {

// A preserved open that filestate has given up: it is to be closed.
struct GivenUpOpen {
  PreservedOpen open;
  filestate::CloseDecision closed;
};

// Opens that were promised and that the table has only when somebody asks for them: it is told of
// each by put_back() then. Called with no lock of the table held. Thread: any.
class OpenSleepers {
 public:
  virtual ~OpenSleepers() = default;
  virtual void wake_open(uint64_t persistent_id) = 0;
  virtual void wake_named(const CreateKey& key) = 0;
  // Those whose time is over.
  virtual void wake_due(Clock::Instant now) = 0;
  virtual std::optional<Clock::Instant> next_due() const = 0;
  virtual size_t count() const = 0;
  virtual size_t count_of(filestate::UserId user) const = 0;
};

// Opens with a CreateGuid, an AppInstanceId or a promise to outlive their connection; others are
// only in their session's table, since nothing but that is asked about them. An open here is
//   connected -> leaving -> parked -> claimed -> connected, ..., gone.
// Leaving: its connection is lost and its last requests end. Parked: a PreservedOpen waits for its
// client. Claimed: one reconnecting CREATE has it, and others wait for what becomes of that.
//
// filestate may give a disconnected open up at any moment (BreakSink::purged), also between two of
// these steps: then the next step hands it to OnPurged to be closed, with what that leaves to do.
// Whoever has claimed one therefore asks filestate first, by FileTable::reconnect(), whether it is
// there.
//
// Owned by the Server. Thread: any; no call blocks.
class OpenTable {
 public:
  explicit OpenTable(size_t disconnected_max = kDisconnectedOpensMax)
      : disconnected_max_(disconnected_max) {}
  // Set once, before the first open. Closes what filestate gave up; called with no lock held.
  using OnPurged = std::function<void(GivenUpOpen)>;
  void set_purged(OnPurged on_purged) { on_purged_ = std::move(on_purged); }

  // The same; none sleeps that has an AppInstanceId.
  void set_sleepers(OpenSleepers* sleepers) { sleepers_ = sleepers; }

  // Before the Open is in its session's table. May be called again when it has gained a promise.
  void add(const std::shared_ptr<Open>& open);
  // The Open is closing for good, or a claimed one is. Does nothing for one that is not there.
  void remove(const FileId& id);

  // What a CREATE with that key has made and nobody has used since; neither value when there is no
  // such thing.
  struct Replayable {
    std::shared_ptr<Open> open;
    std::optional<uint64_t> disconnected;  // FileId.Persistent of one without a session
  };
  // REQUIRES wake_named() before, without a lock.
  Replayable find_replayable(const CreateKey& key) const;
  void wake_named(const CreateKey& key) const {
    if (sleepers_) sleepers_->wake_named(key);
  }

  // The connection is lost: a reconnect that comes early waits from here on.
  void begin_leaving(const Open& open);
  // REQUIRES begin_leaving(), and filestate holds it disconnected. Keeps it until `deadline`.
  void park(PreservedOpen open, Clock::Instant deadline) { keep(std::move(open), deadline); }
  // The same for an open that is not here yet, as an earlier life of the server has had it.
  // REQUIRES: filestate holds it disconnected and gives it up for nobody.
  void put_back(PreservedOpen open, Clock::Instant deadline);
  // BreakSink::purged.
  void purge(const filestate::OpenRef& ref, const filestate::CloseDecision& closed);

  // What one that waits for its client is, for who may want it: nothing is kept from anybody by
  // looking. No value: there is no such open.
  struct Look {
    struct Waiting : OpenValues {
      OpenChanges changes;
      std::shared_ptr<const Share> share;
      std::string stream_name;
    };
    std::optional<Waiting> open;
    std::shared_ptr<OneShot<bool>> try_again;  // wait for it and look again
    std::shared_ptr<Open> connected;           // it has a session
  };
  Look look_at(uint64_t persistent_id);

  // For DHnC and DH2C, by who was found to be the one whose it is, and until take-over or give-back
  // waits for nobody's turn. Neither value: there is no such open without a session.
  struct Claim {
    std::optional<PreservedOpen> open;         // the caller's now; add() or give_back() it
    std::shared_ptr<OneShot<bool>> try_again;  // wait for it and ask again
  };
  Claim claim(uint64_t persistent_id);
  // Nothing came of the claim: as park(), with the deadline it had.
  void give_back(PreservedOpen open) { keep(std::move(open), std::nullopt); }
  // The claim went to another worker, which has its own copy of `open`, or filestate gave the open
  // up before.
  void moved_away(PreservedOpen open);

  // [MS-SMB2] 3.3.5.9.13. `open` is null for those without a client.
  struct AppInstanceOpen {
    uint64_t persistent_id = 0;
    std::shared_ptr<Open> open;
    std::optional<wire::AppInstanceVersion> version;
    std::shared_ptr<OneShot<bool>> try_again;  // neither, just now
  };
  // One of another client than `own` that has this file (whichever stream) open, and of which
  // `is_wanted` with its share and stream holds; it is called without a lock. However many the
  // client itself has, or others have of other files, this costs the same.
  using IsWanted = std::function<bool(std::string_view share, std::string_view stream)>;
  std::optional<AppInstanceOpen> find_app_instance(const AppInstanceId& id, FileKey file,
                                                   const ClientGuid& own,
                                                   const IsWanted& is_wanted) const;
  bool has_app_instance(const AppInstanceId& id) const;

  // Somebody has answered a break of the lease: no CREATE of an open that came with it is answered
  // again. Each open is looked at once, however many such answers come.
  void end_replay_eligibility(const filestate::LeaseId& lease);

  // What administrators see of those that wait for their clients, of which none sleeps any more.
  struct ParkedOpen {
    filestate::OpenRef ref;
    OpenAttributes attributes;
    std::shared_ptr<const auth::Identity> owner;
    std::string share;
    std::string path;
    std::string stream_name;
    ClientGuid client_guid;
    filestate::UserId user;
    filestate::Durability durability{};
    Clock::Instant until;
  };
  std::vector<ParkedOpen> parked() const;

  // [MS-SMB2] 3.3.6.2 and 3.3.6.4: claims those whose time is over.
  std::vector<PreservedOpen> claim_expired(Clock::Instant now);
  std::optional<Clock::Instant> next_deadline() const;
  // Claims all that are awake, for who takes this one's place, and until when each was to be kept.
  std::vector<std::pair<PreservedOpen, Clock::Instant>> claim_awake();

  // Whether one more of this user may lose its connection and be kept: each has a fair_share().
  bool has_room(filestate::UserId user) const;
  size_t disconnected() const {
    return (sleepers_ ? sleepers_->count() : 0) + tables_.lock()->deadlines.size();
  }

 private:
  enum class State : uint8_t { kConnected, kLeaving, kParked, kClaimed };
  using Deadlines = std::multimap<Clock::Instant, uint64_t>;
  struct Entry {
    State state = State::kConnected;
    FileId file_id;
    std::weak_ptr<Open> open;  // connected or leaving
    OpenNames names;
    ClientGuid client_guid;
    filestate::UserId user;
    std::optional<filestate::LeaseId> lease;         // in unused_with
    FileKey file;                                    // whichever stream: in by_app_instance
    std::optional<PreservedOpen> preserved;          // parked
    std::optional<Deadlines::iterator> deadline;     // parked
    Clock::Instant until;                            // parked or claimed
    std::optional<filestate::CloseDecision> purged;  // leaving or claimed
    std::shared_ptr<OneShot<bool>> settled;          // leaving or claimed
  };
  struct Tables {
    std::unordered_map<uint64_t, Entry> opens;  // by FileId.Volatile
    // By FileId.Persistent, where that is another number: those that came from another worker.
    std::unordered_map<uint64_t, uint64_t> by_persistent;
    std::unordered_map<CreateKey, uint64_t> by_create_guid;  // the latest
    // None is empty.
    using ByClient = std::unordered_map<ClientGuid, std::unordered_set<uint64_t>>;
    std::unordered_map<AppInstanceId, std::unordered_map<FileKey, ByClient>> by_app_instance;
    // Those that may still be eligible for a replay, by the lease they asked for.
    std::map<filestate::LeaseId, std::unordered_set<uint64_t>> unused_with;
    Deadlines deadlines;
    std::unordered_map<filestate::UserId, size_t> parked_of;  // how many of them are whose

    using Opens = std::unordered_map<uint64_t, Entry>;
    // Makes it found by what `values` say.
    void enter(Entry& entry, const OpenValues& values, bool is_replay_eligible);
    void erase(Opens::iterator entry);
    Opens::iterator find_persistent(uint64_t persistent_id);
    PreservedOpen claim(Opens::iterator parked);
    PreservedOpen take(Opens::iterator parked);
    void end_deadline(Entry& parked);
  };

  // `until`: nothing for the deadline it had before.
  void keep(PreservedOpen open, std::optional<Clock::Instant> until);

  const size_t disconnected_max_;
  OpenSleepers* sleepers_ = nullptr;
  OnPurged on_purged_ = [](GivenUpOpen) {};
  Guarded<Tables> tables_;
};

}  // namespace braid::smb2
