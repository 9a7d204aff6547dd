// [MS-SMB2] 3.3.5.10 "Receiving an SMB2 CLOSE Request".
#include "wire/smb2/close.h"

#include <optional>
#include <utility>

#include "runtime/identity.h"
#include "smb2/commands/commands.h"
#include "smb2/connections/compound.h"
#include "smb2/connections/connection.h"
#include "smb2/files/close_open.h"
#include "smb2/files/file_services.h"
#include "smb2/opens/work_owner.h"
#include "smb2/sessions/close_under_way.h"

namespace braid::smb2 {

namespace {

wire::CloseResponse response_to(const wire::CloseRequest& close, Open& open) {
  wire::CloseResponse response;
  if (!(close.flags & wire::CloseFlags::kPostqueryAttrib) || open.is_pipe()) return response;
  if (auto attributes = open.seen()) {
    response.flags = wire::CloseFlags::kPostqueryAttrib;
    response.creation_time = attributes->creation_time;
    response.last_access_time = attributes->access_time;
    response.last_write_time = attributes->write_time;
    response.change_time = attributes->change_time;
    response.allocation_size = attributes->allocation_size;
    response.end_of_file = attributes->size;
    response.file_attributes = attributes->dos_attributes;
  }
  return response;
}

// The client lost the channel of the first CLOSE while that waits for other requests or deletes the
// file. It has to hear what became of it: a handle that "is closed" already may be one whose file
// is still there.
Task<Result<Reply>> answer_with_first(Request& request, FileId id) {
  const auto first = request.session->find_closing(id);
  if (!first || first->connection == request.connection->number) {
    co_return fail(NtStatus::kFileClosed);
  }
  BRAID_CO_TRY(const auto answer, co_await first->answer.wait(request.connection->reactor()));
  co_return reply_with(answer);
}

}  // namespace

Task<Result<Reply>> handle_close(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto close, wire::CloseRequest::decode(reader));
  const std::shared_ptr<Session> session = request.session;
  std::shared_ptr<Open> open = request.open.get();
  auto under_way = std::make_shared<CloseUnderWay>();
  if (open) {
    under_way->file_id = open->file_id;
    under_way->tree_connect = open->tree_connect;
    under_way->connection = request.connection->number;
  }
  if (!open || !session->begin_closing(under_way)) {
    const FileId id = open ? open->file_id : *request.compound.file_id;
    open.reset();
    request.open.release();
    co_return co_await answer_with_first(request, id);
  }

  if (!open->is_pipe()) request.closed = open->attributes.file_key;
  // Closing waits for those who use the Open; this request must not be one of them.
  request.open.release();
  Result<wire::CloseResponse> answer = fail(NtStatus::kFileClosed);  // somebody else closed it
  // The handle is gone either way; but who closed it to delete the file hears that it is there.
  const auto finish = [&](std::optional<filestate::CloseDecision> decision) {
    const auto done = finish_close(request.files, *open, std::move(decision));
    if (!done) answer = fail(done.error());
  };
  const bool may_be_told = !(close.flags & wire::CloseFlags::kPostqueryAttrib) || open->is_pipe() ||
                           open->file->is_examined_at_once();
  if (may_be_told && request.connection->reactor().is_current() &&
      closes_at_once(request.files, *open) && begin_at_once(request.files, *open)) {
    std::optional<filestate::CloseDecision> deletes;
    {
      const ScopedAtOnce scope;
      answer = response_to(close, *open);
      deletes = request.files.file_table.close(open->ref());
      if (!deletes->delete_now) finish(std::exchange(deletes, std::nullopt));
    }
    if (deletes) {
      WorkerPool::Seat seat(request.files.pool, work_of(*open));
      co_await seat.schedule();
      finish(std::move(deletes));
    }
  } else if (co_await begin_and_wait(request.files, open)) {
    // As those left it who used it until now.
    answer = response_to(close, *open);
    finish({});
  }
  open.reset();
  session->end_closing(under_way->file_id);
  under_way->answer.set(answer);
  if (!answer) co_return std::unexpected(answer.error());
  co_return reply_with(*answer);
}

}  // namespace braid::smb2
