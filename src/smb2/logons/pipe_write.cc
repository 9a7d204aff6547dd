#include "smb2/logons/pipe_write.h"

#include "base/log.h"
#include "rpc/pipe.h"
#include "smb2/connections/connection.h"
#include "smb2/files/access_check.h"
#include "smb2/logons/logon_services.h"
#include "smb2/logons/logon_turn.h"

namespace braid::smb2 {
namespace {

Task<Result<auth::AuthStep>> judge(Request& request, rpc::PipeLogon logon) {
  Connection& connection = *request.connection;
  co_await connection.reactor().schedule();
  std::optional<LogonTurn> turn;
  if (auto claim = logon.exchange.claim_to_judge(logon.token)) {
    turn.emplace(request, std::move(*claim));
    BRAID_CO_CHECK(co_await turn->wait());
  }
  auto step = co_await take_logon_step(request, logon.exchange, logon.token);
  refuse_guest(step, logon.exchange.claimed_account());
  if (!step) {
    log::info("{}: logon of '{}' within a pipe failed: {}", connection.peer_host(),
              logon.exchange.claimed_account(), step.error().message());
    co_return std::unexpected(step.error());
  }
  if (!step->done) {
    if (turn) turn->goes_on();
    co_return std::move(*step);
  }
  if (step->identity->is_anonymous && !request.logons.anonymous_sessions) {
    co_return fail(NtStatus::kLogonFailure);
  }
  if (turn) turn->succeeded(step->identity->account_name);
  co_return std::move(*step);
}

}  // namespace

Task<Result<void>> write_pipe(Request& request, ByteView bytes) {
  rpc::Pipe& pipe = *request.open->pipe;
  BRAID_CO_CHECK(pipe.write(caller_of(request), bytes));
  while (const auto logon = pipe.logon_due()) {
    const auto step = co_await judge(request, *logon);
    // What came of it is said in any case: the pipe waits for that.
    const auto turn = co_await request.seat.turn();
    BRAID_CO_CHECK(pipe.logged_on(caller_of(request), step));
    if (!turn) co_return turn;
  }
  co_return Result<void>{};
}

}  // namespace braid::smb2
