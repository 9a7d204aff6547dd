#include "smb2/logons/rpc_logons.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/log.h"
#include "runtime/identity.h"
#include "runtime/one_shot.h"
#include "smb2/logons/logon_news.h"
#include "smb2/opens/work_owner.h"

namespace braid::smb2 {
namespace {

using auth::LogonPenalties;

class RpcPlace final : public rpc::tcp::Place {
 public:
  RpcPlace(FdBudget::Place place, std::shared_ptr<MemoryAccount> memory)
      : place_(std::move(place)), memory_(std::move(memory)) {}
  void user_known(const auth::Identity& identity) override {
    memory_->became_known(identity.account_name);
    place_.user_known();
  }
  const std::shared_ptr<MemoryAccount>& memory() const override { return memory_; }

 private:
  FdBudget::Place place_;
  const std::shared_ptr<MemoryAccount> memory_;
};

// What LogonTurn is to a SESSION_SETUP. What was judged and did not succeed has failed.
class RpcLogonTurn {
 public:
  RpcLogonTurn(LogonServices& logons, const rpc::tcp::Logon& logon, std::string account)
      : logons_(logons),
        logon_(logon),
        claim_{.address = logon.client_address,
               .account = std::move(account),
               .connection = logon.connection},
        attempt_(logons.penalties, claim_) {}
  ~RpcLogonTurn() {
    if (is_judged_ && !attempt_.is_beyond_allowance()) {
      logons_.news->tell(claim_, LogonPenalties::News::kFailed);
    }
  }
  RpcLogonTurn(const RpcLogonTurn&) = delete;
  RpcLogonTurn& operator=(const RpcLogonTurn&) = delete;

  Task<Result<void>> wait() {
    for (;;) {
      const auto again = std::make_shared<OneShot<bool>>();
      const auto answer = attempt_.ask([again] { again->set(true); });
      if (answer.turn == LogonPenalties::Turn::kRefuse) {
        co_return fail(NtStatus::kInsufficientResources);
      }
      if (answer.turn == LogonPenalties::Turn::kJudge) break;
      if (logon_.is_over()) co_return fail(NtStatus::kConnectionDisconnected);
      Timer timer(logon_.reactor);
      timer.start(std::min<std::chrono::milliseconds>(answer.after, kLookAgain),
                  [again] { again->set(true); });
      co_await again->wait(logon_.reactor);
    }
    is_judged_ = true;
    if (attempt_.is_beyond_allowance()) {
      logons_.news->tell(claim_, LogonPenalties::News::kFailed);
    }
    co_return Result<void>{};
  }
  void succeeded(const std::string& account) {
    attempt_.succeeded(account);
    take_back();
    claim_.account = account;
    logons_.news->tell(claim_, LogonPenalties::News::kSucceeded);
  }
  void goes_on() {
    attempt_.goes_on();
    take_back();
  }

 private:
  // How late it is noticed that the connection of who waits is gone.
  static constexpr std::chrono::milliseconds kLookAgain{1000};

  void take_back() {
    is_judged_ = false;
    if (attempt_.is_beyond_allowance()) {
      logons_.news->tell(claim_, LogonPenalties::News::kFailedNotAfterAll);
    }
  }

  LogonServices& logons_;
  const rpc::tcp::Logon& logon_;
  auth::LogonClaim claim_;
  LogonPenalties::Attempt attempt_;
  bool is_judged_ = false;
};

}  // namespace

std::unique_ptr<rpc::tcp::Place> RpcLogons::admit(const transport::SocketAddress& peer) {
  auto account = memory_->open_account(peer.network());
  if (!account) return nullptr;
  sockaddr_storage address{};
  std::memcpy(&address, peer.data(), std::min<size_t>(peer.size(), sizeof address));
  FdBudget::Place place = fds_.connect(peer_address(address));
  if (!place) return nullptr;
  return std::make_unique<RpcPlace>(std::move(place), std::move(account));
}

Task<Result<auth::AuthStep>> RpcLogons::take_step(const rpc::tcp::Logon& logon) {
  WorkerPool::Seat seat(logons_.pool, work_of_logon(logon.client_address));
  Result<void> turn = co_await seat.turn();
  Result<auth::AuthStep> step = fail(NtStatus::kInternalError);
  {
    // A pool thread is still whoever it last worked for.
    const ScopedPrivilege privilege;
    if (turn) turn = privilege.status();
    step = turn ? logon.leg.exchange.step(logon.leg.token) : std::unexpected(turn.error());
  }
  co_await logon.reactor.schedule();
  co_return step;
}

Task<Result<auth::AuthStep>> RpcLogons::judge(rpc::tcp::Logon logon) {
  std::optional<RpcLogonTurn> turn;
  if (auto claim = logon.leg.exchange.claim_to_judge(logon.leg.token)) {
    turn.emplace(logons_, logon, std::move(*claim));
    BRAID_CO_CHECK(co_await turn->wait());
  }
  auto step = co_await take_step(logon);
  refuse_guest(step, logon.leg.exchange.claimed_account());
  if (!step) {
    log::info("{}: logon of '{}' over RPC failed: {}", logon.client_address,
              logon.leg.exchange.claimed_account(), step.error().message());
    co_return std::unexpected(step.error());
  }
  if (!step->done) {
    if (turn) turn->goes_on();
    co_return std::move(*step);
  }
  // Nothing over TCP is for somebody without a name.
  if (step->identity->is_anonymous) co_return fail(NtStatus::kLogonFailure);
  if (turn) turn->succeeded(step->identity->account_name);
  co_return std::move(*step);
}

}  // namespace braid::smb2
