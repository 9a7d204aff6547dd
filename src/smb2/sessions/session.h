// Session and Channel. [MS-SMB2] 3.3.1.8 "Per Session", 3.3.1.14 "Per Channel".
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "auth/identity.h"
#include "base/guarded.h"
#include "base/ids.h"
#include "base/memory_charge.h"
#include "base/result.h"
#include "crypto/key_derivation.h"
#include "crypto/sealing.h"
#include "crypto/signing.h"
#include "filestate/types.h"
#include "runtime/identity.h"
#include "runtime/one_shot.h"
#include "smb2/common/limits.h"
#include "smb2/sessions/overtaken_creates.h"
#include "wire/smb2/negotiate.h"

namespace braid::smb2 {

class Connection;
struct CloseUnderWay;
class Open;
class Session;
class TreeConnect;

// Who the session acts as: replaced as a whole by a reauthentication, so a request keeps the one it
// started with.
struct Principal {
  std::shared_ptr<const auth::Identity> identity;
  Credentials credentials;
};

// What the first successful authentication decided. Never changes afterwards.
struct SessionSecurity {
  wire::Dialect dialect{};
  crypto::Cipher cipher = crypto::Cipher::kNone;
  crypto::Secret session_key;       // Session.SessionKey, 16 bytes
  crypto::Secret full_session_key;  // Session.FullSessionKey
  crypto::Secret signing_secret;    // Session.SigningKey, and ready for use:
  std::unique_ptr<crypto::SigningKey> signing_key;
  std::unique_ptr<crypto::CipherKey> encryption_key;  // server to client; null without a cipher
  std::unique_ptr<crypto::CipherKey> decryption_key;  // client to server
  // What the two were made of, for another process that goes on with the session.
  crypto::Secret encryption_secret;
  crypto::Secret decryption_secret;
  bool signing_required = false;
  bool encrypt_data = false;
  // Whose session it is. Who it is at the moment is principal(): the same, or nobody.
  std::shared_ptr<const auth::Identity> user;
  filestate::UserId user_id;     // of `user`; filled in by become_valid()
  bool has_session_key = false;  // a logon without a key can neither sign nor encrypt
  // For administrators, as AuthStep has them.
  FileTime logged_on_at;
  std::string method;
  std::string machine;
  std::string client;  // the address of the connection it was made on
};

// A Session on one Connection. Owned by both; either may let go first.
// Thread: the connection's reactor, but for signing_key, which is set before the Session sees it.
struct Channel {
  std::shared_ptr<Session> session;
  std::weak_ptr<Connection> connection;
  std::shared_ptr<const crypto::SigningKey> signing_key;  // Channel.SigningKey
  crypto::Secret signing_secret;  // what that was made of; empty: it is the session's
  MemoryCharge memory;            // the session's and its own
};

enum class SessionState : uint8_t { kInProgress, kValid, kExpired, kClosed };

// Owned by the SessionTable and by the requests that use it. It belongs to no thread: its channels
// live on several. Life: InProgress -> Valid (<-> Expired by time and reauthentication) -> Closed,
// once, by LOGOFF, by the loss of the last channel or by PreviousSessionId.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(SessionId id, ClientGuid client_guid) : session_id(id), client_guid(client_guid) {}

  const SessionId session_id;
  const ClientGuid client_guid;
  OvertakenCreates overtaken_creates;

  SessionState state(FileTime now) const;
  // When a request last used it; 0 before the first. To the second, so that channels do not fight
  // over it.
  FileTime last_used() const { return {last_used_.load(std::memory_order_relaxed)}; }
  void use(FileTime now);
  // When one first did; 0 before.
  FileTime first_used() const { return {first_used_.load(std::memory_order_relaxed)}; }
  // Of a session that another process had before. REQUIRES: nobody else knows of it yet.
  void was_used(FileTime first, FileTime last) {
    first_used_ = first.ticks;
    last_used_ = last.ticks;
  }
  // All ones: never.
  FileTime expires_at() const { return {expires_at_.load(std::memory_order_relaxed)}; }
  // First success: publishes the security and the principal. REQUIRES state InProgress.
  void become_valid(SessionSecurity security, Principal principal,
                    std::optional<FileTime> expires_at);
  // Reauthentication: identity and expiry only, the keys stay. STATUS_ACCESS_DENIED for another
  // user: trees, opens and leases are of who made the session. Without a name it may go on until it
  // would have ended anyway; STATUS_LOGON_FAILURE if it has. REQUIRES become_valid().
  Result<void> reauthenticate(Principal principal, std::optional<FileTime> expires_at,
                              FileTime now);
  bool is_closed() const { return state_.load(std::memory_order_acquire) == SessionState::kClosed; }
  // For the one caller that gets to tear the session down: the channels it had, and those lost
  // before whose requests may still run.
  std::optional<std::vector<std::shared_ptr<Channel>>> begin_close();

  // Only after become_valid(); null before.
  const SessionSecurity* security() const { return security_.load(std::memory_order_acquire); }
  Principal principal() const { return *principal_.lock(); }
  // Whose leases, and what else goes by user, it may have. The one way from a session to a lease.
  filestate::UserId user_id() const {
    return security() ? security()->user_id : filestate::UserId{};
  }
  filestate::LeaseId lease(const LeaseKey& key) const {
    return {.client = client_guid, .key = key, .user = user_id()};
  }

  // STATUS_USER_SESSION_DELETED: closed, or its last channel was lost.
  // STATUS_INSUFFICIENT_RESOURCES: it has kChannelsPerSessionMax.
  Result<void> add_channel(std::shared_ptr<Channel> channel);
  // The connection of `channel` is lost. Its requests run on while another channel lives, so the
  // Channel is remembered until the connection is gone. The last one is followed by nobody: who
  // removed it ends the session.
  struct Removal {
    size_t remaining = 0;
    std::shared_ptr<Channel> forgotten;  // lost before, one too many: its requests must end
  };
  Removal remove_channel(const std::shared_ptr<Channel>& channel);
  std::vector<std::shared_ptr<Channel>> channels() const { return channels_.lock()->list; }
  // Set when it is closed and its opens are on their way out.
  OneShot<bool> opens_left;

  // Null and 0 when there are too many, or the session is closed.
  bool add_tree(std::shared_ptr<TreeConnect> tree);
  std::shared_ptr<TreeConnect> find_tree(TreeId id) const;
  std::shared_ptr<TreeConnect> remove_tree(TreeId id);
  std::vector<std::shared_ptr<TreeConnect>> trees() const;
  std::vector<std::shared_ptr<TreeConnect>> take_trees();
  TreeId next_tree_id();
  // The latest, and the same for a session that another process had before.
  uint32_t last_tree_id() const { return trees_.lock()->last_id; }
  void continue_tree_ids(uint32_t last) { trees_.lock()->last_id = last; }

  bool add_open(const std::shared_ptr<Open>& open);
  // The volatile part finds it, the persistent part must agree. For the gates of dispatch.cc and
  // what runs at once on the reactor: what a handler finds later, a CLOSE may have overtaken.
  std::shared_ptr<Open> find_open(FileId id) const;
  void remove_open(FileId id);
  // Those with a CLOSE under way. True: no other is.
  bool begin_closing(const std::shared_ptr<CloseUnderWay>& close);
  std::shared_ptr<CloseUnderWay> find_closing(FileId id) const;
  void end_closing(FileId id);
  bool is_closing_any() const { return !opens_.lock()->closing.empty(); }
  // All, for administrators.
  std::vector<std::shared_ptr<Open>> opens() const { return all_of(*opens_.lock()); }
  // Those made through one tree, at a cost that the others do not add to.
  std::vector<std::shared_ptr<Open>> opens_of(TreeId tree) const;
  // All, and no more can be added.
  std::vector<std::shared_ptr<Open>> close_opens();
  size_t open_count() const { return opens_.lock()->table.size(); }

 private:
  void renew(Principal principal, std::optional<FileTime> expires_at);

  struct Channels {
    std::vector<std::shared_ptr<Channel>> list;
    std::vector<std::shared_ptr<Channel>> lost;  // oldest first
    bool closed = false;
  };
  struct Trees {
    std::unordered_map<TreeId, std::shared_ptr<TreeConnect>> table;
    uint32_t last_id = 0;
    bool closed = false;
  };
  struct Opens {
    std::unordered_map<uint64_t, std::shared_ptr<Open>> table;  // by FileId.Volatile
    std::unordered_map<TreeId, std::unordered_set<uint64_t>>
        by_tree;  // what of the table; none empty
    std::unordered_map<uint64_t, std::shared_ptr<CloseUnderWay>> closing;
    bool closed = false;
  };
  static std::vector<std::shared_ptr<Open>> all_of(const Opens& opens);

  std::atomic<SessionState> state_ = SessionState::kInProgress;
  std::atomic<uint64_t> expires_at_ = ~uint64_t{0};  // FILETIME ticks
  std::atomic<uint64_t> last_used_ = 0;              // FILETIME ticks
  std::atomic<uint64_t> first_used_ = 0;             // FILETIME ticks
  std::unique_ptr<const SessionSecurity> security_owner_;
  std::atomic<const SessionSecurity*> security_ = nullptr;
  Guarded<Principal> principal_;
  Guarded<Channels> channels_;
  Guarded<Trees> trees_;
  Guarded<Opens> opens_;
};

// GlobalSessionTable. [MS-SMB2] 3.3.1.5 "Global". Thread: any.
class SessionTable {
 public:
  // With several workers an id says whose session it is.
  explicit SessionTable(std::optional<size_t> worker = {}) : worker_(worker) {}
  static size_t worker_of(SessionId id) { return static_cast<size_t>(id.value >> kRandomBits); }

  // With a random SessionId nobody else has.
  std::shared_ptr<Session> create(ClientGuid client_guid);
  std::shared_ptr<Session> find(SessionId id) const;
  // One that another process had before. False: another session has its id, or it is another
  // worker's.
  bool add(std::shared_ptr<Session> session);
  void remove(SessionId id);
  std::vector<std::shared_ptr<Session>> all() const;
  size_t size() const { return table_.lock()->size(); }

 private:
  // The six bits above them are for the index of a worker.
  static constexpr unsigned kRandomBits = 26;

  const std::optional<size_t> worker_;
  Guarded<std::unordered_map<SessionId, std::shared_ptr<Session>>> table_;
};

}  // namespace braid::smb2
