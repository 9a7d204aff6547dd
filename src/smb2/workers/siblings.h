// Siblings: what this worker asks and tells the other workers of its machine.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "auth/identity.h"
#include "auth/logon_penalties.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/nt_status.h"
#include "runtime/task.h"
#include "smb2/workers/questions.h"

namespace braid::smb2 {

struct AppInstanceArrival;
struct BindAttempt;
struct BindVerdict;
class FileServices;
class LogonServices;

// Sessions, failed logons, applications that move and disconnected opens; files speak for
// themselves (filestate::FileTable), watched directories too (NotifyHub). Without a group nothing
// here does anything. Owned by the Server. Thread: any.
class Siblings {
 public:
  Siblings(FileServices& files, LogonServices& logons, store::WorkerGroup* group);
  ~Siblings();

  // Whether there can be any.
  bool any() const { return topics_ != nullptr; }
  // From now on nothing is asked, and what was asked is given up.
  void stop();

  // [MS-SMB2] 3.3.5.5.3, PreviousSessionId: ends the session `previous` of `user`, if another
  // worker has it. Done when that worker says so, or can say nothing any more.
  Task<void> end_session(SessionId previous, std::shared_ptr<const auth::Identity> user,
                         Executor& executor);

  // [MS-SMB2] 3.3.5.9.13: end_instances_here() of all the others. True: one of them has a newer
  // one.
  Task<bool> end_instances(AppInstanceArrival arrival, Executor& executor);

  // [MS-SMB2] 3.3.5.5, a bind to a session that is not this worker's: judge_bind_here() of the
  // worker that has it.
  Task<BindVerdict> judge_bind(SessionId session, BindAttempt attempt, Executor& executor);

  // Sets `gone` when the worker `by` has removed a file for which it has a
  // FileServices::deletion_of(), or has none. False if that is this worker.
  bool watch_deletion(store::WorkerTag by, const FileKey& file,
                      std::shared_ptr<OneShot<bool>> gone);

  // What open_claims.h needs: the answer of the worker that keeps the open, or null.
  Task<Questions::Answer> claim_open(uint64_t persistent_id, Executor& executor);
  void answer_claim(const Question& offer, ByteView payload);

  // A guesser must not have a fresh start with each worker: LogonPenalties::hear() of the others.
  void tell_logon(const auth::LogonClaim& claim, auth::LogonPenalties::News news);

 private:
  struct Topics;

  void on_logon(store::BusMessage& message);
  Task<void> end_own_session(Question question);
  Task<void> end_own_instances(Question question);
  Task<void> offer_own_open(Question question);
  Task<void> judge_own_bind(Question question);
  Task<void> wait_for_deletion(store::WorkerTag by, FileKey file,
                               std::shared_ptr<OneShot<bool>> gone);
  Task<void> wait_for_own_deletion(Question question);

  FileServices& files_;
  LogonServices& logons_;
  store::WorkerGroup* const group_;
  const std::unique_ptr<Topics> topics_;
};

}  // namespace braid::smb2
