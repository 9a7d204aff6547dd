// PersistentHandles: what clients may rely on across the death of this process, written down before
// they are told. [MS-SMB2] 3.3.1.10, Open.IsPersistent; ARCHITECTURE.md, "What is promised is
// written first".
#pragma once

#include <atomic>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "base/sip_hash.h"
#include "runtime/executor.h"
#include "runtime/task.h"
#include "runtime/worker_pool.h"
#include "smb2/opens/open.h"
#include "smb2/persistent/handle_journal.h"
#include "smb2/persistent/persistent_open.h"
#include "smb2/persistent/promises_elsewhere.h"
#include "smb2/persistent/restore_open.h"
#include "smb2/persistent/sleeping_opens.h"
#include "smb2/shares/share.h"
#include "smb2/workers/other_workers.h"
#include "store/log_folder.h"

namespace braid::smb2 {

// The persistent opens of all continuously available shares of this worker, and the logs they are
// in. What an open is now is taken from FileTable and put into its log in one step, under one lock:
// so what is written last is what was true last. The disk is waited for without it.
//
//   whatever has changed an open ----> FileTable notes its file
//   settle(), before the answer  ----> what was noted is put; waits until all that was put is there
//
// So no command says which opens it has changed, and none can forget to. What has changed of opens
// of other workers' clients those are asked to put, and their answers are waited for as well.
// Owned by FileServices. Thread: any, but for begin() and stop().
class PersistentHandles {
 public:
  PersistentHandles(const RestoreParts& parts, OtherWorkers& workers);
  ~PersistentHandles();

  struct Server {
    store::ServerId id;
    uint32_t worker = 0;
    // With several workers: whose the clients are.
    std::function<size_t(const ClientGuid&)> worker_of{};
  };
  // Recovers what earlier lives of this server have left in `folder`, and from then on `share` has
  // persistent handles. What it finds waits for its client: the scavenger is to be armed. Asked
  // again for a folder that has its log, also by another Share: that log is the new one's, too, and
  // `folder` is not used. An error is a line for the log of the server, and the share must not be
  // served. Waits for the disk; not on a reactor, nor on a thread of a pool. Not by two threads at
  // once.
  std::expected<void, std::string> begin(std::shared_ptr<const Share> share,
                                         std::unique_ptr<store::LogFolder> folder, Server server);
  // All shares have begun, or (false) one has not that is to have persistent handles. With several
  // workers: what no log has of this worker's earlier lives counts no more, if all have.
  void end_recovery(bool have_all_begun);
  // Its client has not lost its connection, which a process before this one has handed over: what
  // it has cached of this directory is true for as long as that has told it. Before begin().
  void keep_listing(uint64_t persistent_id) { kept_listings_.insert(persistent_id); }
  // Whether any share has them.
  bool any() const { return any_.load(std::memory_order_relaxed); }
  // The server stops: those that nobody has asked for yet are not known here any more.
  void forget_sleepers() { sleepers_.clear(); }
  // Those that nobody has asked for since they were recovered.
  size_t asleep() const { return sleepers_.count(); }
  // What is put so far is on the disk; the handles stay there for the next life. REQUIRES: nothing
  // else is called any more, and a thread that no pool has.
  void stop();

  // The Open is promised to be persistent: FileTable has been told so, and the client has not.
  // Returns when it is on the disk. An error: it is no persistent one, and here is nothing of it.
  // REQUIRES: its share has them.
  Task<Result<void>> promise(std::shared_ptr<Open> open, Executor& executor);
  // Its client is back: it is this Open now. False: it is none of these.
  bool attach(const std::shared_ptr<Open>& open);
  // Before it is preserved: as it is now it stays.
  void detach(const Open& open);
  // It has ended. settle() waits for that, too.
  void erase(const Open& open);

  // What a request is about, of which it tells or relies on something: whichever streams of files,
  // and a lease.
  struct About {
    std::vector<FileKey> files;
    std::optional<filestate::LeaseId> lease{};
    // Data of these files is about to be changed, so what they were like tells nothing any more.
    bool changes_data = false;
  };
  // Before an answer that tells of a change on the share, and before a file is changed for which
  // somebody may have lost his caching: all that has happened up to now is on the disk, as far as
  // it can be written, but for opens of other files that have begun or ended. An error: of an open
  // of these files, or with this lease, it cannot be. What cannot be written of others holds up who
  // asks about them. At once, for a share without such handles. Continues on `executor` if it had
  // to wait.
  Task<Result<void>> settle(const Share& share, About about, Executor& executor);
  // The same, and the thread waits: one that may wait for a disk.
  Result<void> settle_now(const Share& share, About about);

  // Whether who has this lease of the file, or this very open, may be on its way back.
  bool is_promised(const FileKey& file, const filestate::LeaseId& lease) const;
  bool is_promised(uint64_t persistent_id) const;
  // STATUS_INSUFFICIENT_RESOURCES: the user of `open`, which is persistent, has his share of the
  // log, and gets no more locks.
  Result<void> check_room_for_locks(const Open& open, size_t locks) const;

  // Before a file gets another name, and after, whether it has got it or not: in between a crash
  // leaves it with the one or the other. An error: nothing is to be renamed. The thread waits for
  // the disk.
  Result<void> begin_rename(const Share& share, const FileKey& file, const vfs::Path& to);
  void end_rename(const FileKey& file);

  struct ShareMetrics {
    std::string share;
    std::string log;
    size_t opens = 0;
    store::HandleLogMetrics metrics;
  };
  std::vector<ShareMetrics> metrics() const;

 private:
  struct Kept {
    PersistentOpen now;  // but for `state`; while it has a client, as it was when last looked at
    std::weak_ptr<Open> open;
    PersistentShare* of = nullptr;
    bool is_promised = false;  // its client may have been told
    uint64_t promises = 0;     // a short name of promises_of() as it was put last; 0: of nothing
    std::optional<filestate::LeaseId> lease{};
  };
  // Another worker was asked about a file, and has not answered yet.
  struct Asked {
    FileKey file;
    store::WorkerTag worker;
    std::shared_ptr<OneShot<bool>> is_written = std::make_shared<OneShot<bool>>();
  };
  struct State {
    std::vector<std::unique_ptr<PersistentShare>> shares;
    std::unordered_map<uint64_t, Kept> opens;                      // by FileId.Persistent
    std::unordered_map<FileKey, std::unordered_set<uint64_t>> of;  // whichever stream
    std::vector<Asked> asked;
    std::vector<Asked> not_written;  // asked again by who settles about the file
  };

  Task<void> recover(PersistentShare& of, Server server, std::string& failure);
  Task<void> restore_all(PersistentShare& of, HandleJournal::Begun& begun,
                         std::vector<Result<SeenFile>> seen);
  void hold_all(PersistentShare& of, const Server& server, HandleJournal::Begun& begun);
  store::WorkerTag no_life_of(size_t worker) const;
  std::vector<Asked> ask_others(const About& about);
  Task<void> ask(Asked asked, PromiseQuestion question);
  Task<bool> answer_elsewhere(PromiseQuestion asked);
  bool tell_all(const FileKey& file, PromiseQuestion question);
  PersistentShare* share_with(const FileKey& file);
  void put_moving(const FileKey& file, const std::string& to);
  void clear_moving(const FileKey& file);
  struct Settling;
  Settling settle_here(PersistentShare& of, const About& about);
  bool is_behind(PersistentShare& of, const About& about);
  static bool is_about(const Kept& kept, const About& about);
  void forget_stamps(State& state, const About& about);
  bool names_promises_of(Kept& kept) const;
  static Task<void> settle_into(Task<Result<void>> settling, Result<void>& result);
  static std::vector<uint64_t> behind(const State& state, const PersistentShare& of,
                                      const About& about);
  void write_changes(State& state);
  void write(Kept& kept, store::Urgency urgency);
  void reap(State& state, PersistentShare& of);
  void add(State& state, Kept kept);
  void lose(PersistentShare& of, const PersistentOpen& open, const Error& why);
  // One that recovery has found, among those that are known. False: it is lost.
  bool restore(SleepingOpens::Sleeper found);

  const RestoreParts parts_;
  OtherWorkers& workers_;
  const SipKey promises_key_ = random_sip_key();
  // For the logs alone: whoever waits for one with a thread of the pool for files does not keep it
  // from being written.
  std::unique_ptr<WorkerPool> pool_;
  std::atomic<bool> any_ = false;
  Guarded<State, LockRank::kHandles> state_;
  bool may_sleep_ = false;
  std::unordered_set<uint64_t> kept_listings_;
  bool is_recovering_ = true;  // until end_recovery()
  std::atomic<bool> has_stopped_ = false;
  SleepingOpens sleepers_{[this](SleepingOpens::Sleeper sleeper) { restore(std::move(sleeper)); }};
  PromisesElsewhere others_;  // answers with all of the above
};

// Of the opens that recovery has found.
const std::shared_ptr<const Share>& share_of(const PersistentShare& of);

}  // namespace braid::smb2
