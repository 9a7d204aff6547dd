#include "smb2/logons/bind_questions.h"

#include <utility>

#include "crypto/secret.h"
#include "smb2/files/file_services.h"
#include "smb2/logons/logon_services.h"
#include "smb2/workers/worker_messages.h"

namespace braid::smb2 {

void BindQuestion::encode(wire::Writer& w) const {
  w.u64(session.value);
  attempt.encode(w);
}

Result<BindQuestion> BindQuestion::decode(wire::Reader& r) {
  BindQuestion question;
  question.session = {r.u64()};
  question.attempt = BindAttempt::decode(r);
  return r.finish(question);
}

BindQuestions::BindQuestions(LogonServices& logons, FileServices& files, OtherWorkers& workers)
    : logons_(logons),
      files_(files),
      workers_(workers),
      questions_(workers, store::Topic::kBinds,
                 [this](Question question) { files_.spawn(answer(std::move(question))); }) {}

Task<BindVerdict> BindQuestions::judge(SessionId session, BindAttempt attempt, Executor& executor) {
  const size_t owner = SessionTable::worker_of(session);
  if (!workers_.is_other(owner)) co_return BindVerdict{};
  store::Group& group = *workers_.group();
  if (group.records().is_spread()) {
    // It has the session, which its client keeps: STATUS_USER_SESSION_DELETED would end that too.
    BindVerdict refused;
    if (group.living(owner).value != 0) refused.status = NtStatus::kRequestNotAccepted;
    co_return std::move(refused);
  }
  const auto answer =
      co_await questions_.ask(owner, bytes_of(BindQuestion{session, attempt}), executor);
  if (!answer) {
    BindVerdict refused;
    refused.status = NtStatus::kInsufficientResources;
    co_return std::move(refused);
  }
  if (!*answer) co_return BindVerdict{};
  Bytes& said = (*answer)->payload;
  wire::Reader r(said);
  auto verdict = BindVerdict::decode(r);
  crypto::wipe(said);
  co_return verdict ? std::move(*verdict) : BindVerdict{};
}

Task<void> BindQuestions::answer(Question question) {
  WorkerPool::Seat seat(logons_.pool, {});
  co_await seat.schedule();
  wire::Reader r(question.payload);
  const auto asked = BindQuestion::decode(r);
  const auto session = asked ? logons_.session_table.find(asked->session) : nullptr;
  Bytes answer = bytes_of(session ? judge_bind_here(asked->attempt, session, files_.clock.now())
                                  : BindVerdict{});
  questions_.answer(question, answer);
  crypto::wipe(answer);
}

}  // namespace braid::smb2
