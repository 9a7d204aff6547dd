#include "smb2/workers/siblings.h"

#include "base/printable.h"
#include "smb2/common/worker_messages.h"
#include "smb2/logons/logon_services.h"
#include "smb2/logons/session_bind.h"
#include "smb2/workers/app_instance.h"
#include "smb2/workers/open_claims.h"
#include "store/worker_group.h"

namespace braid::smb2 {

// Names in messages about logons are cut to what an account or an address can be.
constexpr size_t kNameMax = 512;

struct Siblings::Topics {
  Topics(Siblings& siblings, store::WorkerGroup& group)
      : sessions(group, store::Topic::kSessions, starts(siblings, &Siblings::end_own_session)),
        instances(group, store::Topic::kOpens, starts(siblings, &Siblings::end_own_instances)),
        claims(group, store::Topic::kClaims, starts(siblings, &Siblings::offer_own_open)),
        binds(group, store::Topic::kBinds, starts(siblings, &Siblings::judge_own_bind)),
        deletions(group, store::Topic::kDeletions,
                  starts(siblings, &Siblings::wait_for_own_deletion)) {}

  static std::function<void(Question)> starts(Siblings& siblings,
                                              Task<void> (Siblings::*what)(Question)) {
    return [&siblings, what](Question question) {
      siblings.files_.spawn((siblings.*what)(std::move(question)));
    };
  }

  Questions sessions, instances, claims, binds, deletions;
};

Siblings::Siblings(FileServices& files, LogonServices& logons, store::WorkerGroup* group)
    : files_(files),
      logons_(logons),
      group_(group),
      topics_(group ? std::make_unique<Topics>(*this, *group) : nullptr) {
  if (!group_) return;
  group_->bus().handle(store::Topic::kLogons,
                       [this](store::BusMessage& message) { on_logon(message); }, {});
}

Siblings::~Siblings() = default;

void Siblings::stop() {
  if (!topics_) return;
  for (Questions* each : {&topics_->sessions, &topics_->instances, &topics_->claims,
                          &topics_->binds, &topics_->deletions}) {
    each->stop();
  }
}

Task<void> Siblings::end_session(SessionId previous, std::shared_ptr<const auth::Identity> user,
                                 Executor& executor) {
  if (!group_) co_return;
  const size_t owner = SessionTable::worker_of(previous);
  if (owner == group_->own_tag().index() || owner >= group_->size()) co_return;
  Bytes question;
  wire::Writer w(question);
  w.u64(previous.value);
  encode_user(*user, w);
  co_await topics_->sessions.ask(owner, std::move(question), executor);
}

Task<void> Siblings::end_own_session(Question question) {
  WorkerPool::Seat seat(files_.pool, {});
  co_await seat.schedule();
  wire::Reader r(question.payload);
  const SessionId id{r.u64()};
  const auth::Identity user = decode_user(r);
  auto session = r.ok() ? logons_.session_table.find(id) : nullptr;
  if (session && session->security() && session->security()->user->is_same_user(user)) {
    co_await logons_.close_session(std::move(session));
  }
  topics_->sessions.answer(question, {});
}

Task<bool> Siblings::end_instances(AppInstanceArrival arrival, Executor& executor) {
  bool is_newer = false;
  for (size_t worker = 0; group_ && worker < group_->size(); ++worker) {
    if (worker == group_->own_tag().index()) continue;
    Bytes question;
    wire::Writer w(question);
    arrival.encode(w);
    const auto answer = co_await topics_->instances.ask(worker, std::move(question), executor);
    is_newer |= answer && !answer->payload.empty() && answer->payload[0] != 0;
  }
  co_return is_newer;
}

Task<void> Siblings::end_own_instances(Question question) {
  WorkerPool::Seat seat(files_.pool, {});
  co_await seat.schedule();
  wire::Reader r(question.payload);
  auto arrival = AppInstanceArrival::decode(r);
  uint8_t is_newer = 0;
  if (arrival) is_newer = co_await end_instances_here(files_, std::move(*arrival));
  topics_->instances.answer(question, {&is_newer, 1});
}

Task<BindVerdict> Siblings::judge_bind(SessionId session, BindAttempt attempt, Executor& executor) {
  const size_t owner = SessionTable::worker_of(session);
  if (!group_ || owner == group_->own_tag().index() || owner >= group_->size()) {
    co_return BindVerdict{};
  }
  Bytes question;
  wire::Writer w(question);
  w.u64(session.value);
  attempt.encode(w);
  const auto answer = co_await topics_->binds.ask(owner, std::move(question), executor);
  if (!answer) co_return BindVerdict{};
  wire::Reader r(answer->payload);
  auto verdict = BindVerdict::decode(r);
  crypto::wipe(answer->payload);
  co_return verdict ? std::move(*verdict) : BindVerdict{};
}

Task<void> Siblings::judge_own_bind(Question question) {
  WorkerPool::Seat seat(logons_.pool, {});
  co_await seat.schedule();
  wire::Reader r(question.payload);
  const SessionId id{r.u64()};
  const BindAttempt attempt = BindAttempt::decode(r);
  const auto session = r.ok() ? logons_.session_table.find(id) : nullptr;
  Bytes answer;
  wire::Writer w(answer);
  if (session) {
    judge_bind_here(attempt, session, files_.clock.now()).encode(w);
  } else {
    BindVerdict{}.encode(w);
  }
  topics_->binds.answer(question, answer);
  crypto::wipe(answer);
}

Task<Questions::Answer> Siblings::claim_open(uint64_t persistent_id, Executor& executor) {
  if (!group_) co_return nullptr;
  Bytes question;
  wire::Writer w(question);
  w.u64(persistent_id);
  // The one that made it first; it may have moved since, and nobody keeps a list.
  const size_t first = store::WorkerTag::of(persistent_id).index();
  for (size_t i = 0; i < group_->size(); ++i) {
    const size_t worker = (first + i) % group_->size();
    if (worker == group_->own_tag().index()) continue;
    auto answer = co_await topics_->claims.ask(worker, question, executor);
    if (answer && !answer->payload.empty()) co_return answer;
  }
  co_return nullptr;
}

void Siblings::answer_claim(const Question& offer, ByteView payload) {
  topics_->claims.answer(offer, payload);
}

Task<void> Siblings::offer_own_open(Question question) {
  WorkerPool::Seat seat(files_.pool, {});
  co_await seat.schedule();
  wire::Reader r(question.payload);
  const uint64_t persistent_id = r.u64();
  if (r.ok()) {
    co_await offer_open(files_, topics_->claims, question.from, question.number, persistent_id);
  }
  // Too late if it was answered with an offer.
  topics_->claims.answer(question, {});
}

bool Siblings::watch_deletion(store::WorkerTag by, const FileKey& file,
                              std::shared_ptr<OneShot<bool>> gone) {
  if (!group_ || by == group_->own_tag()) return false;
  files_.spawn(wait_for_deletion(by, file, std::move(gone)));
  return true;
}

Task<void> Siblings::wait_for_deletion(store::WorkerTag by, FileKey file,
                                       std::shared_ptr<OneShot<bool>> gone) {
  Bytes question;
  wire::Writer w(question);
  w.u64(file.device);
  w.u64(file.inode);
  WorkerPool::Seat seat(files_.pool, {});
  co_await topics_->deletions.ask(by.index(), std::move(question), seat);
  gone->set(true);
}

// What made it delete the file was told by a message before this one.
Task<void> Siblings::wait_for_own_deletion(Question question) {
  wire::Reader r(question.payload);
  const uint64_t device = r.u64();
  const FileKey file{device, r.u64(), 0};
  WorkerPool::Seat seat(files_.pool, {});
  if (const auto gone = files_.deletion_of(file)) co_await gone->wait(seat);
  topics_->deletions.answer(question, {});
}

void Siblings::tell_logon(const auth::LogonClaim& claim, auth::LogonPenalties::News news) {
  if (!group_) return;
  Bytes message;
  wire::Writer w(message);
  w.value(news);
  encode_text(cut_text(claim.address, kNameMax), w);
  encode_text(cut_text(claim.account, kNameMax), w);
  group_->bus().broadcast(store::Topic::kLogons, message, store::IfFull::kWaitBounded);
}

void Siblings::on_logon(store::BusMessage& message) {
  using News = auth::LogonPenalties::News;
  wire::Reader r(message.payload);
  const auto news = r.as<News>();
  r.expect(news <= News::kFailedNotAfterAll);
  auth::LogonClaim claim;
  claim.address = decode_text(r);
  claim.account = decode_text(r);
  if (r.ok()) logons_.penalties.hear(claim, news);
}

}  // namespace braid::smb2
