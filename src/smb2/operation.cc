#include "smb2/operation.h"

#include "smb2/connection.h"
#include "smb2/deletion.h"
#include "smb2/open_name.h"
#include "smb2/server.h"

namespace braid::smb2 {
namespace {

bool end_wait(Server& server, const filestate::OpenRef& ref, const WaitPlace& place) {
  const std::vector<FileKey> files = place ? *place->lock() : std::vector{ref.file};
  bool waited = false;
  for (const FileKey& file : files) {
    waited = server.file_table.cancel_wait({file, ref.token}) || waited;
  }
  return waited;
}

// A CANCEL may come in any round of the waiting, and each has a Waiter of its own.
void cancel_waiting(Server& server, const filestate::OpenRef& ref, const WaitPlace& place) {
  if (!end_wait(server, ref, place)) return;
  server.breaks.expect(ref.token)->set({Wake::kCancelled, NtStatus::kCancelled});
}

}  // namespace

Task<Result<void>> until_decided(Request& request, std::function<filestate::Decision()> ask,
                                 WaitPlace place) {
  Server& server = request.server;
  const std::shared_ptr<Open> open = request.open.get();
  const std::shared_ptr<Open> source = request.source.get();
  const filestate::OpenRef ref = open->ref();
  for (;;) {
    const filestate::Decision decision = ask();
    if (decision.verdict == filestate::Verdict::kGo) co_return Result<void>{};
    if (decision.verdict == filestate::Verdict::kFail) co_return fail(decision.status);

    const bool on_reactor = request.connection->reactor().is_current();
    co_await request.connection->reactor().schedule();
    const Waiter waiter = server.breaks.expect(ref.token);
    const Result<void> waiting = begin_waiting(request, ref, place);
    if (!waiting) {
      end_wait(server, ref, place);
      waiter->set({});  // another request of this open that waits asks again
      server.breaks.forget(ref.token);
      co_return waiting;
    }
    // Whoever closes an Open meanwhile must not wait for us.
    request.open.release();
    request.source.release();
    const WakeUp wake = co_await waiter->wait(request.connection->reactor());
    server.breaks.forget(ref.token);
    // Or it was another request of this open that was cancelled.
    if (wake.why == Wake::kCancelled && request.cancelled) co_return fail(NtStatus::kCancelled);
    request.open = Open::use(open);
    if (source) request.source = Open::use(source);
    if (!request.open || (source && !request.source)) co_return fail(NtStatus::kFileClosed);
    if (!on_reactor) BRAID_CO_CHECK(co_await request.seat.turn());
  }
}

Result<void> begin_waiting(Request& request, const filestate::OpenRef& ref, WaitPlace place) {
  Server& server = request.server;
  if (!request.has_gone_async()) {
    return request.go_async([&request, &server, ref, place] {
      request.cancelled = true;
      cancel_waiting(server, ref, place);
    });
  }
  // It may have come between two rounds.
  if (request.cancelled) cancel_waiting(server, ref, place);
  return {};
}

Task<Result<void>> prepare_operation(Request& request, filestate::Operation operation) {
  const filestate::OpenRef ref = request.open->ref();
  using filestate::Operation;
  if (operation == Operation::kWrite || operation == Operation::kZeroData) {
    request.open->is_modified = true;
  }
  co_return co_await until_decided(request, [&request, ref, operation] {
    return request.server.file_table.prepare(ref, operation);
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
            request.server.file_table.break_handles_below(directory, ref, waits_at);
        *place->lock() = std::move(waits_at);
        return decision;
      },
      place);
}

Task<Result<void>> set_delete_pending(Request& request, bool delete_pending,
                                      filestate::DeleteSemantics semantics) {
  const filestate::OpenRef ref = request.open->ref();
  filestate::Deleter deleter;
  if (delete_pending) deleter = deleter_of(request, current_path(request.server, *request.open));
  co_return co_await until_decided(request, [&request, ref, delete_pending, semantics, deleter] {
    return request.server.file_table.set_delete_pending(ref, delete_pending, semantics, deleter);
  });
}

}  // namespace braid::smb2
