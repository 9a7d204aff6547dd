#include "smb2/files/operation.h"

#include <utility>

#include "smb2/connections/connection.h"
#include "smb2/files/deletion.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"

namespace braid::smb2 {
namespace {

// What filestate keeps of an open that waits goes by the open: the other requests that wait with it
// lose their place with this one, and ask again.
void leave(FileServices& files, const filestate::OpenRef& ref, const WaitPlace& place) {
  const std::vector<FileKey> keys = place ? *place->lock() : std::vector{ref.file};
  bool waited = false;
  for (const FileKey& file : keys) {
    waited = files.file_table.cancel_wait({file, ref.token}) || waited;
  }
  if (waited) files.breaks.retry(ref.token);
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
    const Result<void> waiting =
        begin_waiting(request, [&files, ref, place, waiter = wait.waiter()] {
          waiter->set(NtStatus::kCancelled);
          leave(files, ref, place);
        });
    if (!waiting) {
      leave(files, ref, place);
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
