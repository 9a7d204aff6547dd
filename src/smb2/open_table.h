// OpenTable: the opens that are found by more than their session. [MS-SMB2] 3.3.1.5,
// GlobalOpenTable.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/ids.h"
#include "filestate/types.h"
#include "runtime/one_shot.h"
#include "smb2/limits.h"
#include "smb2/open.h"
#include "smb2/preserved_open.h"

namespace braid::smb2 {

// Names a CREATE of a user of a client that may be sent again. A ClientGuid is no secret, and
// others may come with it.
struct CreateKey {
  ClientGuid client;
  CreateGuid guid;
  filestate::UserId user{};
  bool operator==(const CreateKey&) const = default;
};

// A CREATE with a CreateGuid that has not been answered.
struct PendingCreate {
  // Waits, for as long as is known, only for others to give up handles that do not share the file.
  std::atomic<bool> waits_for_sharing = false;
  OneShot<bool> over;  // set when its answer is known
};

// A preserved open that filestate has given up: it is to be closed.
struct PurgedOpen {
  PreservedOpen open;
  filestate::CloseDecision closed;
};

// Opens with a CreateGuid, an AppInstanceId or a promise to outlive their connection; others are
// only in their session's table, since nothing but that is asked about them. An open here is
//   connected -> leaving -> parked -> claimed -> connected, ..., gone.
// Leaving: its connection is lost and its last requests end. Parked: a PreservedOpen waits for its
// client. Claimed: one reconnecting CREATE has it, and others wait for what becomes of that.
//
// filestate may give a disconnected open up at any moment (BreakSink::purged), also between two of
// these steps: then the next step gets it back to be closed, with what that leaves to do. Whoever
// has claimed one therefore asks filestate first, by FileTable::reconnect(), whether it is there.
//
// Owned by the Server. Thread: any; no call blocks.
class OpenTable {
 public:
  explicit OpenTable(size_t disconnected_max = kDisconnectedOpensMax)
      : disconnected_max_(disconnected_max) {}

  // Before the Open is in its session's table. May be called again when it has gained a promise.
  void add(const std::shared_ptr<Open>& open);
  // The Open is closing for good, or a claimed one is. Does nothing for one that is not there.
  void remove(const FileId& id);

  // [MS-SMB2] 3.3.5.9 "Receiving an SMB2 CREATE Request", Create Context Validation, and
  // 3.3.5.9.10: what a CREATE with a CreateGuid meets.
  class Reservation;
  struct Replay;
  Replay find_or_reserve(const CreateKey& key);

  // The connection is lost: a reconnect that comes early waits from here on.
  void begin_leaving(const Open& open);
  // REQUIRES begin_leaving(), and filestate holds it disconnected. Keeps it until `deadline`.
  [[nodiscard]] std::optional<PurgedOpen> park(PreservedOpen open, Clock::Instant deadline);
  // BreakSink::purged. A value: it was parked, close it.
  [[nodiscard]] std::optional<PurgedOpen> purge(const filestate::OpenRef& ref,
                                                const filestate::CloseDecision& closed);

  // For DHnC and DH2C. Neither value: there is no such open without a session.
  struct Claim {
    std::optional<PreservedOpen> open;         // the caller's now; add() or give_back() it
    std::shared_ptr<OneShot<bool>> try_again;  // wait for it and ask again
  };
  Claim claim(uint64_t persistent_id);
  // Nothing came of the claim: as park(), with the deadline it had.
  [[nodiscard]] std::optional<PurgedOpen> give_back(PreservedOpen open);
  // The claim went to another worker, which has its own copy of `open`, or filestate gave the open
  // up before: a value then, close it.
  [[nodiscard]] std::optional<PurgedOpen> moved_away(PreservedOpen open);

  // [MS-SMB2] 3.3.5.9.13. `open` is null for those without a client.
  struct AppInstanceOpen {
    uint64_t persistent_id = 0;
    std::shared_ptr<Open> open;
    FileKey file_key;
    std::string stream_name;
    ClientGuid client_guid;
    std::string share;
    std::optional<wire::AppInstanceVersion> version;
    std::shared_ptr<OneShot<bool>> try_again;  // neither, just now
  };
  std::vector<AppInstanceOpen> find_app_instance(const AppInstanceId& id) const;

  // Somebody has answered a break of the lease: no CREATE of an open that came with it is answered
  // again. Each open is looked at once, however many such answers come.
  void end_replay_eligibility(const filestate::LeaseId& lease);

  // What administrators see of those that wait for their clients.
  struct ParkedOpen {
    filestate::OpenRef ref;
    OpenAttributes attributes;
    std::shared_ptr<const auth::Identity> owner;
    std::string share;
    std::string path;
    std::string stream_name;
    ClientGuid client_guid;
    filestate::UserId user;
    Clock::Instant until;
  };
  std::vector<ParkedOpen> parked() const;

  // [MS-SMB2] 3.3.6.2 and 3.3.6.4: claims those whose time is over.
  std::vector<PreservedOpen> claim_expired(Clock::Instant now);
  std::optional<Clock::Instant> next_deadline() const;

  // Whether one more of this user may lose its connection and be kept: each has a fair_share().
  bool has_room(filestate::UserId user) const;
  size_t disconnected() const { return tables_.lock()->deadlines.size(); }

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
    std::optional<PreservedOpen> preserved;          // parked
    std::optional<Deadlines::iterator> deadline;     // parked
    Clock::Instant until;                            // parked or claimed
    std::optional<filestate::CloseDecision> purged;  // leaving or claimed
    std::shared_ptr<OneShot<bool>> settled;          // leaving or claimed
  };
  struct CreateKeyHash {
    size_t operator()(const CreateKey& key) const {
      return (std::hash<ClientGuid>{}(key.client) * 31 ^ std::hash<CreateGuid>{}(key.guid)) * 31 ^
             std::hash<filestate::UserId>{}(key.user);
    }
  };
  struct Tables {
    std::unordered_map<uint64_t, Entry> opens;  // by FileId.Volatile
    // By FileId.Persistent, where that is another number: those that came from another worker.
    std::unordered_map<uint64_t, uint64_t> by_persistent;
    std::unordered_map<CreateKey, uint64_t, CreateKeyHash> by_create_guid;  // the latest
    std::unordered_map<CreateKey, std::shared_ptr<PendingCreate>, CreateKeyHash> pending;
    std::unordered_multimap<AppInstanceId, uint64_t> by_app_instance;
    // Those that may still be eligible for a replay, by the lease they asked for.
    std::map<filestate::LeaseId, std::unordered_set<uint64_t>> unused_with;
    Deadlines deadlines;
    std::unordered_map<filestate::UserId, size_t> parked_of;  // how many of them are whose

    using Opens = std::unordered_map<uint64_t, Entry>;
    void erase(Opens::iterator entry);
    Opens::iterator find_persistent(uint64_t persistent_id);
    PreservedOpen claim(Opens::iterator parked);
    PreservedOpen take(Opens::iterator parked);
    void end_deadline(Entry& parked);
    std::optional<PurgedOpen> keep(PreservedOpen open, std::optional<Clock::Instant> until);
  };

  void release(const CreateKey& key, const PendingCreate* pending);

  const size_t disconnected_max_;
  Guarded<Tables> tables_;
};

// The right to be the one CREATE under way with its key; given up by the destructor, whatever
// becomes of the request. Not to outlive the table.
class OpenTable::Reservation {
 public:
  Reservation() = default;
  Reservation(OpenTable& table, const CreateKey& key, std::shared_ptr<PendingCreate> pending)
      : table_(&table), key_(key), pending_(std::move(pending)) {}
  Reservation(Reservation&& other) noexcept
      : table_(other.table_), key_(other.key_), pending_(std::move(other.pending_)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(key_, other.key_);
    std::swap(pending_, other.pending_);
    return *this;
  }
  ~Reservation() {
    if (pending_) table_->release(key_, pending_.get());
  }
  PendingCreate* operator->() const { return pending_.get(); }
  explicit operator bool() const { return pending_ != nullptr; }

 private:
  OpenTable* table_ = nullptr;
  CreateKey key_;
  std::shared_ptr<PendingCreate> pending_;
};

// One of them.
struct OpenTable::Replay {
  std::shared_ptr<Open> open;              // made by that CREATE and not used since
  std::optional<uint64_t> disconnected;    // FileId.Persistent of such an open without a session
  std::shared_ptr<PendingCreate> pending;  // that CREATE is under way
  Reservation reservation;                 // nothing; the caller's CREATE is the one now
};

}  // namespace braid::smb2
