// [MS-SMB2] 3.3.5.19 "Receiving an SMB2 CHANGE_NOTIFY Request".
#include "wire/smb2/change_notify.h"

#include <algorithm>

#include "smb2/commands/commands.h"
#include "smb2/connection.h"
#include "smb2/open_name.h"
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

  if (!open->counts_notifications.exchange(true)) {
    const size_t kept = std::min<size_t>(notify.output_buffer_length, ChangeBuffer::kCapacityMax);
    if (auto counted = open->memory.add(kept); !counted) {
      open->counts_notifications = false;
      co_return std::unexpected(counted.error());
    }
  }

  NotifyHub& hub = request.server.notify;
  bool is_first = false;
  const std::string path = current_path(request.server, *open).text();
  const NotifyWaiter waiter = hub.wait(*open, path, notify, is_first);
  if (!waiter) co_return fail(NtStatus::kInsufficientResources);
  // [MS-FSA] 2.1.5.11: looked at after the request is queued, so that neither a CLOSE nor a delete
  // that comes between is missed.
  if (open->is_closing()) hub.closed(*open);
  if (request.server.file_table.is_delete_pending(open->ref())) {
    hub.delete_pending(*open->tree_connect->share, path);
  }
  // A CANCEL may be right behind it; who has the interim response may count on being told.
  if (!waiter->is_set()) {
    auto waiting = request.go_async([&hub, open, waiter] { hub.cancel(*open, waiter); },
                                    is_first ? Interim::kLater : Interim::kAtOnce);
    if (!waiting) {
      hub.cancel(*open, waiter);
      co_return std::unexpected(waiting.error());
    }
  }
  if (is_first) {
    (void)co_await request.seat.turn();  // goes on in any case
    hub.listen(*open);
    co_await request.connection->reactor().schedule();
    request.send_interim();
  }
  // A CLOSE ends the wait, so it must not wait for this request.
  request.open.release();
  const NotifyAnswer answer = co_await waiter->wait(request.connection->reactor());
  // STATUS_NOTIFY_CLEANUP and STATUS_NOTIFY_ENUM_DIR are no errors, and answers without changes.
  if (is_error(answer.status)) co_return fail(answer.status);
  co_return reply_with(wire::ChangeNotifyResponse{.output_buffer = answer.changes}, answer.status);
}

}  // namespace braid::smb2
