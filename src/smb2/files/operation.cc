#include "smb2/files/operation.h"

#include <memory>
#include <utility>
#include <vector>

#include "smb2/connections/connection.h"
#include "smb2/files/deletion.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/files/waiting.h"
#include "smb2/persistent/persistent_handles.h"

namespace braid::smb2 {
namespace {

using filestate::Operation;

void note_modified(const Request& request, Operation operation) {
  if (operation == Operation::kWrite || operation == Operation::kZeroData) {
    request.open->is_modified = true;
  }
}

bool changes_data(Operation operation) {
  return operation == Operation::kWrite || operation == Operation::kSetSize ||
         operation == Operation::kZeroData;
}

// Before the file changes: whoever has lost his caching for that does not get it back by a crash.
Task<Result<void>> settle_caching(Request& request, Operation operation) {
  if (!request.tree_connect->share->persistent) co_return Result<void>{};
  Executor& executor = request.connection->reactor().is_current()
                           ? static_cast<Executor&>(request.connection->reactor())
                           : request.seat;
  co_return co_await request.files.persistent->settle(
      *request.tree_connect->share,
      {.files = {request.open->attributes.file_key}, .changes_data = changes_data(operation)},
      executor);
}

}  // namespace

Task<Result<void>> prepare_operation(Request& request, Operation operation) {
  return begin_io(request, operation, {});
}

Task<Result<void>> begin_io(Request& request, Operation operation,
                            std::span<const filestate::IoRange> ranges) {
  note_modified(request, operation);
  BRAID_CO_CHECK(
      co_await until_decided(request, [&request, ref = request.open->ref(), operation, ranges] {
        return request.files.file_table.begin_io(ref, operation, ranges);
      }));
  if (operation == Operation::kRead) co_return Result<void>{};
  co_return co_await settle_caching(request, operation);
}

Task<Result<WriterTurn>> begin_write(Request& request, Operation operation,
                                     std::span<const filestate::IoRange> ranges) {
  note_modified(request, operation);
  FileServices& files = request.files;
  const filestate::OpenRef ref = request.open->ref();
  for (;;) {
    BRAID_CO_CHECK(co_await request.seat.turn());
    auto turn = co_await files.writers.take(ref.file, request.seat, request.seat.owner().user);
    BRAID_CO_CHECK(request.seat.check_wanted());
    const uint64_t seen = retries_so_far(request);
    const filestate::Decision decision = files.file_table.begin_io(ref, operation, ranges);
    if (decision.verdict == filestate::Verdict::kGo) {
      BRAID_CO_CHECK(co_await settle_caching(request, operation));
      co_return std::move(turn);
    }
    if (decision.verdict == filestate::Verdict::kFail) co_return fail(decision.status);
    turn.end();
    BRAID_CO_CHECK(co_await wait_to_ask_again(request, seen));
  }
}

std::optional<WriterTurn> begin_write_at_once(Request& request, const filestate::IoRange& range) {
  if (request.tree_connect->share->persistent) return std::nullopt;
  const filestate::OpenRef ref = request.open->ref();
  auto turn = request.files.writers.take_free(ref.file, request.seat);
  if (!turn || !request.files.file_table.is_unobstructed(ref, Operation::kWrite, range)) {
    return std::nullopt;
  }
  note_modified(request, Operation::kWrite);
  return turn;
}

Task<Result<void>> break_handles_below(Request& request, std::string directory) {
  const WaitPlace place = std::make_shared<Guarded<std::vector<FileKey>>>();
  return until_decided(
      request,
      [&request, ref = request.open->ref(), directory = std::move(directory), place] {
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
  filestate::Deleter deleter;
  if (delete_pending) deleter = deleter_of(request, current_path(request.files, *request.open));
  return until_decided(request, [&request, ref = request.open->ref(), delete_pending, semantics,
                                 deleter = std::move(deleter)] {
    return request.files.file_table.set_delete_pending(ref, delete_pending, semantics, deleter);
  });
}

}  // namespace braid::smb2
