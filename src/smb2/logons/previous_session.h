// The session that a client had before it logged on again, whichever worker has it. [MS-SMB2]
// 3.3.5.5.3 "Handling GSS-API Authentication", PreviousSessionId.
#pragma once

#include <memory>

#include "auth/identity.h"
#include "base/ids.h"
#include "base/result.h"
#include "runtime/task.h"
#include "smb2/workers/questions.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {

class FileServices;
class LogonServices;

// The question, whose answer is empty: end it, if it is this user's.
struct PreviousSession {
  SessionId id;
  auth::Identity user;  // worker_messages.h says how much of it

  void encode(wire::Writer& w) const;
  static Result<PreviousSession> decode(wire::Reader& r);
};

// Topic::kSessions. Owned by LogonServices. Thread: any.
class PreviousSessions {
 public:
  PreviousSessions(LogonServices& logons, FileServices& files, OtherWorkers& workers);

  // Ends the session `id` of `user`, if there is one. Done when the worker that has it says so, or
  // can say nothing any more. STATUS_INSUFFICIENT_RESOURCES: it could not be asked. Continues with
  // `executor`.
  Task<Result<void>> end(SessionId id, std::shared_ptr<const auth::Identity> user,
                         Executor& executor);

 private:
  // False: this worker has no session with this number.
  Task<bool> end_here(SessionId id, const auth::Identity& user);
  Task<void> answer(Question question);

  LogonServices& logons_;
  FileServices& files_;
  OtherWorkers& workers_;
  Questions questions_;
};

}  // namespace braid::smb2
