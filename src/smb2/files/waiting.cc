#include "smb2/files/waiting.h"

#include <utility>

#include "smb2/connections/compound.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"

namespace braid::smb2 {
namespace {

// Whichever round it is.
Result<void> begin_waiting(Request& request, const Waiter& waiter, const LeaveWait& leave) {
  if (request.cancelled) return fail(NtStatus::kCancelled);
  request.end_wait = [waiter, leave] {
    if (!leave(waiter)) return false;
    waiter->set(NtStatus::kCancelled);
    return true;
  };
  if (!request.repeatable.empty() && request.compound.is_single()) {
    request.set_aside = [waiter, leave] {
      if (leave(waiter)) waiter->set(NtStatus::kPending);
    };
  }
  if (request.has_gone_async()) return {};
  auto waiting = request.go_async([&request] {
    auto end = std::exchange(request.end_wait, nullptr);
    if (!end || end()) request.cancelled = true;
  });
  if (!waiting) {
    request.end_wait = nullptr;
    request.set_aside = nullptr;
  }
  return waiting;
}

// Its wait was stopped for another process, which may go on with it: if that comes to nothing the
// request is to ask again.
Task<void> stay_aside(Request& request) {
  const Waiter over = std::make_shared<OneShot<NtStatus>>();
  request.end_wait = [over] { return over->set(NtStatus::kCancelled); };
  const Connection::Aside aside(request, over);
  (void)co_await over->wait(request.connection->reactor());
  request.end_wait = nullptr;
}

// Files at which a wait is given up before others have their turn.
constexpr size_t kFilesPerTurn = 64;

// A request of the open may have begun to wait at one of them since, and loses its place: it asks
// again.
Task<void> cancel_waits(FileServices& files, filestate::OpenToken token, std::vector<FileKey> at,
                        WorkOwner owner) {
  WorkerPool::Seat seat(files.pool, owner);
  bool waited = false;
  for (size_t i = 0; i < at.size(); ++i) {
    if (i > 0 && i % kFilesPerTurn == 0) co_await static_cast<Executor&>(seat).next_turn();
    waited = files.file_table.cancel_wait({at[i], token}) || waited;
  }
  if (waited) files.breaks.retry(token);
}

// What filestate keeps of an open that waits goes by the open: it is needed as long as one request
// of the open waits, and the last one to leave takes it away.
void leave_operation(FileServices& files, const filestate::OpenRef& ref, const Waiter& waiter,
                     const WaitPlace& place, const WorkOwner& owner) {
  if (!files.breaks.leave(ref.token, waiter)) return;
  // Without the lock of `place`: what is spawned begins here.
  std::vector<FileKey> at{ref.file};
  if (place) at = *place->lock();
  files.spawn(cancel_waits(files, ref.token, std::move(at), owner));
}

}  // namespace

Task<Result<NtStatus>> wait_for_others(Request& request, Waiter waiter, LeaveWait leave) {
  Reactor& reactor = request.connection->reactor();
  co_await reactor.schedule();
  if (const Result<void> waiting = begin_waiting(request, waiter, leave); !waiting) {
    leave(waiter);
    co_return std::unexpected(waiting.error());
  }
  request.open.release();
  request.source.release();
  NtStatus woken_with{};
  {
    const Connection::RepeatableWait wait(request);
    woken_with = co_await waiter->wait(reactor);
  }
  request.end_wait = nullptr;
  if (woken_with == NtStatus::kPending) co_await stay_aside(request);
  if (request.cancelled) co_return fail(NtStatus::kCancelled);
  co_return woken_with;
}

Task<Result<void>> wait_for_retry(Request& request, filestate::OpenToken token, uint64_t seen,
                                  LeaveWait leave) {
  const Breaks::RetryWait wait(request.files.breaks, token, seen);
  BRAID_CO_CHECK(co_await wait_for_others(request, wait.waiter(), std::move(leave)));
  co_return Result<void>{};
}

Task<Result<void>> wait_to_ask_again(Request& request, uint64_t seen, WaitPlace place) {
  const std::shared_ptr<Open> open = request.open.get();
  const std::shared_ptr<Open> source = request.source.get();
  const filestate::OpenRef ref = open->ref();
  const bool on_reactor = request.connection->reactor().is_current();
  BRAID_CO_CHECK(co_await wait_for_retry(
      request, ref.token, seen,
      [&files = request.files, ref, place, owner = request.seat.owner()](const Waiter& waiter) {
        leave_operation(files, ref, waiter, place, owner);
        return true;
      }));
  request.open = Open::use(open);
  if (source) request.source = Open::use(source);
  if (!request.open || (source && !request.source)) co_return fail(NtStatus::kFileClosed);
  if (!on_reactor) BRAID_CO_CHECK(co_await request.seat.turn());
  co_return Result<void>{};
}

uint64_t retries_so_far(const Request& request) { return request.files.breaks.retries(); }

}  // namespace braid::smb2
