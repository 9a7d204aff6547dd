// Breaks: carries what filestate decides to clients and to waiting requests.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "config/config.h"
#include "filestate/break_sink.h"
#include "filestate/file_table.h"
#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "runtime/task_scope.h"
#include "smb2/common/time_histogram.h"
#include "smb2/connections/unacked_breaks.h"
#include "smb2/sessions/session.h"

namespace braid::smb2 {

class Connection;

// What a waiting request is woken with: CANCELLED, the status of a LOCK, or nothing but SUCCESS.
using Waiter = std::shared_ptr<OneShot<NtStatus>>;

// The connections of each client, and which users have sessions on them, for lease breaks.
// [MS-SMB2] 3.3.1.5, ConnectionList by ClientGuid. Thread: any.
class ClientTable {
 public:
  // However many a client has, a break looks at so many of its user's.
  static constexpr size_t kCandidatesMax = 32;

  void add(const Connection& connection);
  // It is lost: what it speaks binds nobody any more.
  void begin_ending(const Connection& connection);
  // REQUIRES: there are no sessions on it any more.
  void remove(const Connection& connection);
  // A session of the user is on the connection now; another may be already.
  void add_session(const std::shared_ptr<Connection>& connection, filestate::UserId user);
  void remove_session(const Connection& connection, filestate::UserId user);
  // Those with sessions of the user, the oldest first, kCandidatesMax at most.
  std::vector<std::shared_ptr<Connection>> connections(const ClientGuid& client,
                                                       filestate::UserId user) const;
  size_t count(const ClientGuid& client) const;
  // The user has logged on over `connection`. False: he has, with the same ClientGuid, over
  // connections of another dialect, and this one is not counted. [MS-SMB2] 3.3.5.5.3,
  // GlobalClientTable: here Client.Dialect is what the connections speak that live and on which the
  // user has been. Others who come with his ClientGuid take nothing from him.
  // REQUIRES: the connection is not ending.
  bool admit_session(const Connection& connection, filestate::UserId user);

 private:
  // On one connection, of one user.
  struct Sessions {
    std::weak_ptr<Connection> connection;
    size_t count = 0;
  };
  // With one ClientGuid.
  struct User {
    std::map<uint64_t, Sessions> sessions;  // by Connection::number
    size_t connections = 0;                 // that live and on which the user has been
    wire::Dialect dialect{};                // of these
    bool is_gone() const { return sessions.empty() && connections == 0; }
  };
  using Users = std::unordered_map<filestate::UserId, User>;
  // A connection that lives: who has been on it.
  using Member = std::unordered_set<filestate::UserId>;
  struct Client {
    std::unordered_map<uint64_t, Member> members;  // by Connection::number
    Users by_user;
  };
  using Clients = std::unordered_map<ClientGuid, Client>;
  static void forget_users(Client& client, Member& member);
  // Clients do not wait for each other.
  static constexpr size_t kShards = 16;

  Guarded<Clients>& shard_of(const ClientGuid& client) const {
    return shards_[std::hash<ClientGuid>{}(client) % kShards];
  }

  mutable std::array<Guarded<Clients>, kShards> shards_;
};

// Owned by the Server. Thread: any. Break timers run on `timer_reactor`.
class Breaks final : public filestate::BreakSink {
 public:
  Breaks(const SessionTable& sessions, const ClientTable& clients, config::BreakRetry retry,
         Reactor& timer_reactor);
  ~Breaks() override;

  // Set once, before the first open.
  void set_table(filestate::FileTable& table) { table_ = &table; }
  // The same: what purged() is handed to.
  using OnPurged = std::function<void(const filestate::OpenRef&, const filestate::CloseDecision&)>;
  void set_purged(OnPurged on_purged) { on_purged_ = std::move(on_purged); }
  using OnOrphaned = std::function<void(const filestate::OrphanedDeletion&)>;
  void set_orphaned(OnOrphaned on_orphaned) { on_orphaned_ = std::move(on_orphaned); }
  // How long the acknowledgement of a break is awaited; kBreakTimeout where nothing is set.
  using TimeFor = std::function<std::chrono::seconds(const filestate::Break&)>;
  void set_time_for(TimeFor time_for) { time_for_ = std::move(time_for); }
  // No timer runs out any more, and none is running. REQUIRES: nothing breaks any more.
  Task<void> end_timers();
  // Waits for the deliveries that are under way. REQUIRES: all connections have ended. Blocks the
  // calling thread, which must not be a reactor.
  void wait_for_deliveries() { deliveries_.wait(); }
  // Part of a delivery, which goes on when the notification is sent.
  void spawn(Task<void> task) { deliveries_.spawn(std::move(task)); }

  // So many breaks of one event are sent by the thread that made it. A file may have tens of
  // thousands of holders: the rest follows in pieces, from the reactor of the timers.
  static constexpr size_t kBreaksAtOnce = 64;

  // For administrators.
  struct Counters {
    TimeHistogram delivery;  // from the event to the acknowledgement of the client's TCP
    std::atomic<uint64_t> undelivered = 0;  // no channel took it
    std::atomic<uint64_t> timed_out = 0;    // the client did not answer in time
  };
  const Counters& counters() const { return counters_; }

  // While it lives, breaks of the oplock of this open wait: a client that has no answer to its
  // CREATE yet knows of no such open, and drops them. [MS-SMB2] 3.2.5.19.1 "Receiving an Oplock
  // Break Notification". Of a lease it knows the key. Goes when the answer is on its way, or never
  // comes.
  using BehindAnswer = std::shared_ptr<void>;
  BehindAnswer hold_back(filestate::OpenToken open);

  void send_break(const filestate::Break& notification) override;
  void send_breaks(std::vector<filestate::Break> notifications) override;
  // The connection it had arrived on ended, and the client may have seen nothing of it. Does
  // nothing for one that was answered. REQUIRES: that connection is not taken for one that lives.
  void send_again(const filestate::Break& notification);
  bool is_awaited(const filestate::Break& notification) const;
  void completed(const FileKey& file, const filestate::Completion& completion) override;
  void purged(const filestate::OpenRef& open, const filestate::CloseDecision& closed) override;
  void orphaned(const filestate::OrphanedDeletion& deletion) override;

  // How often something that waited could ask again. Read before asking, for RetryWait.
  uint64_t retries() const { return retries_.load(); }
  // A request that filestate has told to wait, for as long as this is there: is woken to ask again.
  // Any number of requests of one open may wait at a time, each with one of its own.
  class RetryWait {
   public:
    // `seen`: retries() from before it asked, so that what was completed since is not missed.
    RetryWait(Breaks& breaks, filestate::OpenToken token, uint64_t seen);
    ~RetryWait();
    RetryWait(const RetryWait&) = delete;
    RetryWait& operator=(const RetryWait&) = delete;
    const Waiter& waiter() const { return waiter_; }

   private:
    Breaks& breaks_;
    const filestate::OpenToken token_;
    const Waiter waiter_;
  };
  // That one waits no longer. True: it was the last of this open, and what filestate keeps for it
  // is wanted by nobody. Nothing for who has left before.
  bool leave(filestate::OpenToken token, const Waiter& waiter);
  // Wakes all that wait so with this open.
  void retry(filestate::OpenToken token);
  // The open is going: filestate forgets operations of it that wait, so they are woken to see that.
  // REQUIRES: no request uses the open any more, so that none is about to wait.
  void open_closed(filestate::OpenToken token) { retry(token); }

  // What a LOCK waits on after filestate said kWait. The completion may have come already.
  // forget() afterwards, whatever happened.
  Waiter expect(filestate::OpenToken token, filestate::LockId lock);
  void forget(filestate::OpenToken token, filestate::LockId lock);

 private:
  struct Key {
    filestate::OpenToken token;
    filestate::LockId lock;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return std::hash<filestate::OpenToken>{}(key.token) ^
             (std::hash<filestate::LockId>{}(key.lock) * 31);
    }
  };
  struct Timers;

  // Sends on one channel after the other until it has arrived or nobody waits for it any more.
  Task<void> deliver(filestate::Break notification, bool is_timed = false);
  Task<void> send_in_pieces(std::vector<filestate::Break> notifications);
  bool tries_again(const filestate::Break& notification) const;
  // On the first channel that seems to live; null when there is none.
  DeliveryOutcome send(const filestate::Break& notification);
  DeliveryOutcome send_oplock_break(const filestate::Break& notification);
  DeliveryOutcome send_lease_break(const filestate::Break& notification);
  void arm_timer(const filestate::Break& notification);

  // Where CREATEs are being answered; what a break of one of these opens waits for, if one does.
  using Answers = std::unordered_map<filestate::OpenToken, std::shared_ptr<OneShot<bool>>>;
  static constexpr size_t kAnswerShards = 16;
  Guarded<Answers>& answers_of(filestate::OpenToken open) {
    return answers_[std::hash<filestate::OpenToken>{}(open) % kAnswerShards];
  }
  // Null: it has been told of.
  std::shared_ptr<OneShot<bool>> answer_to(filestate::OpenToken open);
  void told(filestate::OpenToken open);

  const SessionTable& sessions_;
  const ClientTable& clients_;
  const config::BreakRetry retry_;
  Reactor& timer_reactor_;
  TaskScope deliveries_;
  filestate::FileTable* table_ = nullptr;
  OnPurged on_purged_;
  OnOrphaned on_orphaned_;
  TimeFor time_for_;
  std::array<Guarded<Answers>, kAnswerShards> answers_;
  Guarded<std::unordered_map<Key, Waiter, KeyHash>> locks_;
  // None is empty.
  Guarded<std::unordered_map<filestate::OpenToken, std::unordered_set<Waiter>>> waiting_;
  std::atomic<uint64_t> retries_ = 0;  // counted with the lock of `waiting_` held
  std::shared_ptr<Timers> timers_;
  Counters counters_;
};

}  // namespace braid::smb2
