#include "smb2/files/waiting.h"

#include <utility>

#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"

namespace braid::smb2 {
namespace {

// Whichever round it is.
Result<void> begin_waiting(Request& request, const Waiter& waiter, const LeaveWait& leave) {
  if (request.cancelled) return fail(NtStatus::kCancelled);
  request.end_wait = [waiter, leave] {
    if (!leave()) return false;
    waiter->set(NtStatus::kCancelled);
    return true;
  };
  if (request.has_gone_async()) return {};
  auto waiting = request.go_async([&request] {
    auto end = std::exchange(request.end_wait, nullptr);
    if (!end || end()) request.cancelled = true;
  });
  if (!waiting) request.end_wait = nullptr;
  return waiting;
}

// What filestate keeps of an open that waits goes by the open: the other requests that wait with it
// lose their place with this one, and ask again.
bool leave_operation(FileServices& files, const filestate::OpenRef& ref, const WaitPlace& place) {
  const std::vector<FileKey> keys = place ? *place->lock() : std::vector{ref.file};
  bool waited = false;
  for (const FileKey& file : keys) {
    waited = files.file_table.cancel_wait({file, ref.token}) || waited;
  }
  if (waited) files.breaks.retry(ref.token);
  return true;
}

}  // namespace

Task<Result<NtStatus>> wait_for_others(Request& request, Waiter waiter, LeaveWait leave) {
  Reactor& reactor = request.connection->reactor();
  co_await reactor.schedule();
  if (const Result<void> waiting = begin_waiting(request, waiter, leave); !waiting) {
    leave();
    co_return std::unexpected(waiting.error());
  }
  request.open.release();
  request.source.release();
  const NtStatus woken_with = co_await waiter->wait(reactor);
  request.end_wait = nullptr;
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
      [&files = request.files, ref, place] { return leave_operation(files, ref, place); }));
  request.open = Open::use(open);
  if (source) request.source = Open::use(source);
  if (!request.open || (source && !request.source)) co_return fail(NtStatus::kFileClosed);
  if (!on_reactor) BRAID_CO_CHECK(co_await request.seat.turn());
  co_return Result<void>{};
}

uint64_t retries_so_far(const Request& request) { return request.files.breaks.retries(); }

}  // namespace braid::smb2
