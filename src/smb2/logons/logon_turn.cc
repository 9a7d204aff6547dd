#include "smb2/logons/logon_turn.h"

#include "base/log.h"
#include "runtime/identity.h"
#include "runtime/way_back.h"
#include "smb2/connections/connection.h"
#include "smb2/logons/logon_news.h"
#include "smb2/logons/logon_services.h"
#include "smb2/opens/work_owner.h"

namespace braid::smb2 {

using auth::LogonPenalties;
using News = LogonPenalties::News;

namespace {

// A pool thread is still whoever it last worked for, and accounts and keytab are the server's.
Result<auth::AuthStep> step_as_server(auth::AuthExchange& exchange, ByteView token) {
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  return exchange.step(token);
}

}  // namespace

LogonTurn::LogonTurn(Request& request, std::string account)
    : request_(request),
      claim_{.address = request.connection->peer_host(),
             .account = std::move(account),
             .connection = request.connection->number},
      attempt_(request.logons.penalties, claim_) {}

LogonTurn::~LogonTurn() {
  // Beyond the allowance the others were told before.
  if (!is_judged_ || attempt_.is_beyond_allowance()) return;
  request_.logons.news->tell(claim_, News::kFailed);
}

Task<Result<void>> LogonTurn::wait() {
  Connection& connection = *request_.connection;
  for (;;) {
    auto again = std::make_shared<OneShot<bool>>();
    const auto answer = attempt_.ask([again] { again->set(true); });
    if (answer.turn == LogonPenalties::Turn::kRefuse) {
      co_return fail(NtStatus::kInsufficientResources);
    }
    if (answer.turn == LogonPenalties::Turn::kJudge) break;
    if (connection.transport().is_closed()) co_return fail(NtStatus::kUserSessionDeleted);
    Timer timer(connection.reactor());
    timer.start(answer.after, [again] { again->set(true); });
    const AsyncId id = connection.async_commands.add(
        request_.header.message_id, [again] { again->set(true); }, EndedBy::kConnection);
    co_await again->wait(connection.reactor());
    connection.async_commands.remove(id);
  }
  is_judged_ = true;
  if (attempt_.is_beyond_allowance()) {
    request_.logons.news->tell(claim_, News::kFailed);
  }
  co_return Result<void>{};
}

void LogonTurn::succeeded(std::string_view account) {
  attempt_.succeeded(account);
  take_back();
  claim_.account = account;
  request_.logons.news->tell(claim_, News::kSucceeded);
}

void LogonTurn::goes_on() {
  attempt_.goes_on();
  take_back();
}

void LogonTurn::take_back() {
  is_judged_ = false;
  if (!attempt_.is_beyond_allowance()) return;
  request_.logons.news->tell(claim_, News::kFailedNotAfterAll);
}

void refuse_guest(Result<auth::AuthStep>& step, const std::string& account) {
  if (!step || !step->done || !step->identity->is_guest) return;
  log::info("'{}' is refused: there is no account of that name", account);
  step = fail(NtStatus::kLogonFailure);
}

Task<Result<auth::AuthStep>> take_logon_step(Request& request, auth::AuthExchange& exchange,
                                             ByteView token) {
  Connection& connection = *request.connection;
  RequestSeat seat(request.logons.pool, connection.waiting_logons, request);
  seat.begin(work_of_logon(connection.peer_host()), Unheard::kStops);
  const Result<void> turn = co_await seat.turn();
  Result<auth::AuthStep> step =
      turn ? step_as_server(exchange, token) : std::unexpected(turn.error());
  co_await WayBack(connection.reactor());
  co_return step;
}

}  // namespace braid::smb2
