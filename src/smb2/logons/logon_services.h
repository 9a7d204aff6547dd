// LogonServices: what logons and sessions work with. [MS-SMB2] 3.3.1.5 "Global", as far as it is
// about sessions.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "auth/authenticator.h"
#include "auth/logon_penalties.h"
#include "base/clock.h"
#include "base/ids.h"
#include "crypto/work_counters.h"
#include "runtime/task.h"
#include "runtime/worker_pool.h"
#include "smb2/breaks/breaks.h"
#include "smb2/common/limits.h"
#include "smb2/files/file_services.h"
#include "smb2/sessions/session.h"

namespace braid::smb2 {

class BindQuestions;
class LogonNews;
class OtherWorkers;
class PreviousSessions;

// Owned by the Server, whose connections end before it. Thread: any.
class LogonServices {
 public:
  struct Parts {
    const Clock& clock;
    const auth::Authenticator& authenticator;
    auth::LogonPenalties& penalties;
    bool anonymous_sessions;  // may reach IPC$ and nothing else
    OtherWorkers& workers;
    FileServices& files;  // may be made later
  };
  explicit LogonServices(const Parts& parts);
  ~LogonServices();

  const Clock& clock;
  const auth::Authenticator& authenticator;
  auth::LogonPenalties& penalties;
  const bool anonymous_sessions;
  // Since the start, for administrators.
  std::atomic<uint64_t> logons_done = 0;
  std::atomic<uint64_t> logons_failed = 0;
  crypto::WorkCounters crypto_work;  // of all sessions' keys
  SessionTable session_table;
  ClientTable client_table;
  // Logons wait for name services, and must not for files.
  WorkerPool pool{kLogonPoolLimits};

  // What workers ask and tell each other about sessions and logons.
  const std::unique_ptr<PreviousSessions> previous_sessions;
  const std::unique_ptr<BindQuestions> bind_questions;
  const std::unique_ptr<LogonNews> news;

  // [MS-SMB2] 3.3.4.12 "Server Application Requests Closing a Session". False when there is none
  // with this id. The work goes on after the return. REQUIRES: before the Server stops. Thread: no
  // reactor.
  bool end_session(SessionId id);
  // Ends a session with its trees and opens. Idempotent.
  Task<void> close_session(std::shared_ptr<Session> session,
                           DurableOpens durable = DurableOpens::kKept);

 private:
  Task<void> end_session_soon(std::shared_ptr<Session> session);

  FileServices& files_;
};

}  // namespace braid::smb2
