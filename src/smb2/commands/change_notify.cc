// [MS-SMB2] 3.3.5.19 "Receiving an SMB2 CHANGE_NOTIFY Request".
#include "wire/smb2/change_notify.h"

#include "filestate/elsewhere.h"
#include "smb2/commands/commands.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "smb2/files/watching.h"
#include "smb2/server.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
Task<Result<Reply>> handle_change_notify(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto notify, wire::ChangeNotifyRequest::decode(reader));
  if (notify.output_buffer_length > request.connection->negotiated.max_transact_size) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  BRAID_CO_CHECK(request.check_credit_charge(0, notify.output_buffer_length));
  const std::shared_ptr<Open> open = request.open.get();
  if (!open->attributes.is_directory) co_return fail(NtStatus::kInvalidParameter);
  if (!open->has_access(wire::Access::kFileListDirectory)) co_return fail(NtStatus::kAccessDenied);
  // The share's owner turned it off.
  if (!open->tree_connect->share->change_notify) co_return fail(NtStatus::kNotImplemented);

  NotifyHub& hub = request.files.notify;
  const NotifyHub::Waiting waiting = hub.wait(*open, notify);
  const NotifyWaiter& waiter = waiting.waiter;
  // [MS-FSA] 2.1.5.11: looked at after the request is queued, so that neither a CLOSE nor a delete
  // that comes between is missed.
  if (open->is_closing()) hub.closed(*open);
  // What is known of the directory may be on another machine: it comes while the request is queued,
  // as what the client asks for next does not wait for it.
  const FileKey& directory = open->attributes.file_key;
  const bool is_here = filestate::is_here(request.server.workers.group(), directory);
  if (!waiting.is_first && is_here) end_watch_if_going(request.files, *open);
  // A CANCEL may be right behind it; who has the interim response may count on being told.
  if (!waiter->is_set()) {
    const bool is_told = is_here && waiting.placed->is_set();
    auto async = request.go_async([&hub, open, waiter] { hub.cancel(*open, waiter); },
                                  is_told ? Interim::kAtOnce : Interim::kLater);
    if (!async) {
      hub.cancel(*open, waiter);
      if (waiting.is_first) {  // nobody would say where it is
        hub.end(*open, async.error().status());
        waiting.placed->set(true);
      }
      co_return std::unexpected(async.error());
    }
  }
  // What was kept is told at once.
  if (!is_here && !waiter->is_set()) {
    co_await request.files.file_table.fetch(directory, request.connection->reactor());
  }
  if (waiting.is_first) {
    (void)co_await request.seat.turn();  // goes on in any case
    place_watch(request.files, *open, notify);
    waiting.placed->set(true);
    co_await request.connection->reactor().schedule();
  } else if (request.has_gone_async()) {
    (void)co_await waiting.placed->wait(request.connection->reactor());
  }
  if ((waiting.is_first || !is_here) && !waiter->is_set()) {
    end_watch_if_going(request.files, *open);
  }
  if (!waiter->is_set()) request.send_interim();
  // A CLOSE ends the wait, so it must not wait for this request.
  request.open.release();
  NotifyAnswer answer = co_await waiter->wait(request.connection->reactor());
  const Bytes changes = answer.encode(notify.output_buffer_length);
  // STATUS_NOTIFY_CLEANUP and STATUS_NOTIFY_ENUM_DIR are no errors, and answers without changes.
  if (is_error(answer.status)) co_return fail(answer.status);
  co_return reply_with(wire::ChangeNotifyResponse{.output_buffer = changes}, answer.status);
}

}  // namespace braid::smb2
