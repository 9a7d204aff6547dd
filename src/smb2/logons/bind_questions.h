// BindQuestions: binds to sessions of other workers, which judge them.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "runtime/task.h"
#include "smb2/logons/session_bind.h"
#include "smb2/workers/questions.h"

namespace braid::smb2 {

class FileServices;
class LogonServices;

// The question, whose answer is a BindVerdict.
struct BindQuestion {
  SessionId session;
  BindAttempt attempt;

  void encode(wire::Writer& w) const;
  // Refers to what is read.
  static Result<BindQuestion> decode(wire::Reader& r);
};

// [MS-SMB2] 3.3.5.5, a bind to a session that is not this worker's. Topic::kBinds. One of a worker
// on another machine is refused without a question: all channels of a session are on one. Owned by
// LogonServices. Thread: any.
class BindQuestions {
 public:
  BindQuestions(LogonServices& logons, FileServices& files, OtherWorkers& workers);

  // judge_bind_here() of the worker that has the session.
  Task<BindVerdict> judge(SessionId session, BindAttempt attempt, Executor& executor);

 private:
  Task<void> answer(Question question);

  LogonServices& logons_;
  FileServices& files_;
  OtherWorkers& workers_;
  Questions questions_;
};

}  // namespace braid::smb2
