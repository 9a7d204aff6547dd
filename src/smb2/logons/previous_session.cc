#include "smb2/logons/previous_session.h"

#include <utility>

#include "smb2/files/file_services.h"
#include "smb2/logons/logon_services.h"
#include "smb2/workers/worker_messages.h"

namespace braid::smb2 {

void PreviousSession::encode(wire::Writer& w) const {
  w.u64(id.value);
  encode_user(user, w);
}

Result<PreviousSession> PreviousSession::decode(wire::Reader& r) {
  PreviousSession previous;
  previous.id = {r.u64()};
  previous.user = decode_user(r);
  return r.finish(std::move(previous));
}

PreviousSessions::PreviousSessions(LogonServices& logons, FileServices& files,
                                   OtherWorkers& workers)
    : logons_(logons),
      files_(files),
      workers_(workers),
      questions_(workers, store::Topic::kSessions,
                 [this](Question question) { files_.spawn(answer(std::move(question))); }) {}

Task<Result<void>> PreviousSessions::end(SessionId id, std::shared_ptr<const auth::Identity> user,
                                         Executor& executor) {
  const bool was_here = co_await end_here(id, *user);
  co_await executor.schedule();
  const size_t owner = SessionTable::worker_of(id);
  if (was_here || !workers_.is_other(owner)) co_return Result<void>{};
  BRAID_CO_CHECK(co_await questions_.ask(owner, bytes_of(PreviousSession{id, *user}), executor));
  co_return Result<void>{};
}

Task<bool> PreviousSessions::end_here(SessionId id, const auth::Identity& user) {
  auto session = logons_.session_table.find(id);
  if (!session) co_return false;
  // Whose it is, not who it is at the moment: it may have no name since.
  if (session->security() && session->security()->user->is_same_user(user)) {
    co_await logons_.close_session(std::move(session));
  }
  co_return true;
}

Task<void> PreviousSessions::answer(Question question) {
  WorkerPool::Seat seat(files_.pool, {});
  co_await seat.schedule();
  wire::Reader r(question.payload);
  if (const auto previous = PreviousSession::decode(r)) {
    co_await end_here(previous->id, previous->user);
  }
  questions_.answer(question, {});
}

}  // namespace braid::smb2
