// Siblings: what this worker asks and tells the other workers of its machine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "auth/identity.h"
#include "base/bytes.h"
#include "base/guarded.h"
#include "base/ids.h"
#include "runtime/one_shot.h"
#include "runtime/task.h"

namespace braid::wire {
class Reader;
}
namespace braid::store {
enum class Topic : uint8_t;
struct BusMessage;
class WorkerGroup;
}  // namespace braid::store

namespace braid::smb2 {

struct AppInstanceArrival;
class Server;

// Sessions, failed logons and applications that move; files speak for themselves
// (filestate::FileTable), watched directories too (NotifyHub). Without a group nothing here does
// anything. Owned by the Server. Thread: any.
class Siblings {
 public:
  Siblings(Server& server, store::WorkerGroup* group);

  // [MS-SMB2] 3.3.5.5.3, PreviousSessionId: ends the session `previous` of `user`, if another
  // worker has it. Done when that worker says so, or can say nothing any more.
  Task<void> end_session(SessionId previous, std::shared_ptr<const auth::Identity> user,
                         Executor& executor);

  // Whether there can be any.
  bool any() const { return group_ != nullptr; }
  // [MS-SMB2] 3.3.5.9.13: end_instances_here() of all the others. True: one of them has a newer
  // one.
  Task<bool> end_instances(AppInstanceArrival arrival, Executor& executor);

  // A guesser must not have a fresh start with each worker.
  void logon_failed(std::string_view address, std::string_view account);
  void logon_succeeded(std::string_view address, std::string_view account);

 private:
  // Sessions and opens: a question, with a number, and its answer. What follows the number of a
  // question is the topic's.
  enum class MessageKind : uint8_t { kQuestion, kAnswer };

  Task<bool> ask(size_t worker, store::Topic topic, Bytes question, Executor& executor);
  void answer(size_t worker, store::Topic topic, uint64_t number, bool answer);
  void on_session(store::BusMessage& message);
  void on_open(store::BusMessage& message);
  // True: it was an answer, and is dealt with. Otherwise `number` is the question's.
  bool take_answer(wire::Reader& r, uint64_t& number);
  void on_logon(store::BusMessage& message);
  void tell_logon(bool succeeded, std::string_view address, std::string_view account);
  Task<void> end_own(SessionId session, auth::Identity user, size_t asked_by, uint64_t number);
  Task<void> end_own_instances(AppInstanceArrival arrival, size_t asked_by, uint64_t number);
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
