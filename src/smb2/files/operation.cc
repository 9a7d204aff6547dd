#include "smb2/files/operation.h"

#include <utility>

#include "smb2/connections/connection.h"
#include "smb2/files/deletion.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"

namespace braid::smb2 {
namespace {

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
void leave(FileServices& files, const filestate::OpenRef& ref, const Waiter& waiter,
           const WaitPlace& place, const WorkOwner& owner) {
  if (!files.breaks.leave(ref.token, waiter)) return;
  files.spawn(
      cancel_waits(files, ref.token, place ? *place->lock() : std::vector{ref.file}, owner));
}

}  // namespace

Result<void> begin_waiting(Request& request, std::move_only_function<void()> end_wait) {
  if (request.cancelled) return fail(NtStatus::kCancelled);
  request.end_wait = std::move(end_wait);
  if (request.has_gone_async()) return {};
  auto waiting = request.go_async([&request] {
    request.cancelled = true;
    if (auto end = std::exchange(request.end_wait, nullptr)) end();
  });
  if (!waiting) request.end_wait = nullptr;
  return waiting;
}

Result<void> end_waiting(Request& request) {
  request.end_wait = nullptr;
  return request.cancelled ? fail(NtStatus::kCancelled) : Result<void>{};
}

Task<Result<void>> until_decided(Request& request, std::function<filestate::Decision()> ask,
                                 WaitPlace place) {
  FileServices& files = request.files;
  const std::shared_ptr<Open> open = request.open.get();
  const std::shared_ptr<Open> source = request.source.get();
  const filestate::OpenRef ref = open->ref();
  for (;;) {
    const uint64_t seen = files.breaks.retries();
    const filestate::Decision decision = ask();
    if (decision.verdict == filestate::Verdict::kGo) co_return Result<void>{};
    if (decision.verdict == filestate::Verdict::kFail) co_return fail(decision.status);

    const Breaks::RetryWait wait(files.breaks, ref.token, seen);
    const bool on_reactor = request.connection->reactor().is_current();
    co_await request.connection->reactor().schedule();
    const Result<void> waiting = begin_waiting(
        request, [&files, ref, place, waiter = wait.waiter(), owner = request.seat.owner()] {
          waiter->set(NtStatus::kCancelled);
          leave(files, ref, waiter, place, owner);
        });
    if (!waiting) {
      leave(files, ref, wait.waiter(), place, request.seat.owner());
      co_return waiting;
    }
    // Whoever closes an Open meanwhile must not wait for us.
    request.open.release();
    request.source.release();
    (void)co_await wait.waiter()->wait(request.connection->reactor());
    BRAID_CO_CHECK(end_waiting(request));
    request.open = Open::use(open);
    if (source) request.source = Open::use(source);
    if (!request.open || (source && !request.source)) co_return fail(NtStatus::kFileClosed);
    if (!on_reactor) BRAID_CO_CHECK(co_await request.seat.turn());
  }
}

Task<Result<void>> prepare_operation(Request& request, filestate::Operation operation) {
  const filestate::OpenRef ref = request.open->ref();
  using filestate::Operation;
  if (operation == Operation::kWrite || operation == Operation::kZeroData) {
    request.open->is_modified = true;
  }
  co_return co_await until_decided(request, [&request, ref, operation] {
    return request.files.file_table.prepare(ref, operation);
  });
}

Task<Result<void>> break_handles_below(Request& request, std::string directory) {
  const filestate::OpenRef ref = request.open->ref();
  const WaitPlace place = std::make_shared<Guarded<std::vector<FileKey>>>();
  co_return co_await until_decided(
      request,
      [&request, ref, directory, place] {
        std::vector<FileKey> waits_at;
        const auto decision =
            request.files.file_table.break_handles_below(directory, ref, waits_at);
        *place->lock() = std::move(waits_at);
        return decision;
      },
      place);
}

Task<Result<void>> set_delete_pending(Request& request, bool delete_pending,
                                      filestate::DeleteSemantics semantics) {
  const filestate::OpenRef ref = request.open->ref();
  filestate::Deleter deleter;
  if (delete_pending) deleter = deleter_of(request, current_path(request.files, *request.open));
  co_return co_await until_decided(request, [&request, ref, delete_pending, semantics, deleter] {
    return request.files.file_table.set_delete_pending(ref, delete_pending, semantics, deleter);
  });
}

}  // namespace braid::smb2
