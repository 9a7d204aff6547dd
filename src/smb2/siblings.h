// Siblings: what this worker asks and tells the other workers of its machine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "auth/identity.h"
#include "base/guarded.h"
#include "base/ids.h"
#include "runtime/one_shot.h"
#include "runtime/task.h"

namespace braid::store {
struct BusMessage;
class WorkerGroup;
}  // namespace braid::store

namespace braid::smb2 {

class Server;

// Sessions and failed logons; files speak for themselves (filestate::FileTable), watched
// directories too (NotifyHub). Without a group nothing here does anything.
// Owned by the Server. Thread: any.
class Siblings {
 public:
  Siblings(Server& server, store::WorkerGroup* group);

  // [MS-SMB2] 3.3.5.5.3, PreviousSessionId: ends the session `previous` of `user`, if another
  // worker has it. Done when that worker says so, or can say nothing any more.
  Task<void> end_session(SessionId previous, std::shared_ptr<const auth::Identity> user,
                         Executor& executor);

  // A guesser must not have a fresh start with each worker.
  void logon_failed(std::string_view address, std::string_view account);
  void logon_succeeded(std::string_view address, std::string_view account);

 private:
  enum class SessionMessage : uint8_t { kEnd, kEnded };

  void on_session(store::BusMessage& message);
  void on_logon(store::BusMessage& message);
  void tell_logon(bool succeeded, std::string_view address, std::string_view account);
  Task<void> end_own(SessionId session, auth::Identity user, size_t asked_by, uint64_t number);
  // Nobody may wait for an answer that was lost.
  void give_up_waiting();

  struct Waiting {
    std::unordered_map<uint64_t, std::shared_ptr<OneShot<bool>>> by_number;
    uint64_t last_number = 0;
  };

  Server& server_;
  store::WorkerGroup* const group_;
  Guarded<Waiting> waiting_;
};

}  // namespace braid::smb2
