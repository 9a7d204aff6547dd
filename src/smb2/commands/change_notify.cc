// [MS-SMB2] 3.3.5.19 "Receiving an SMB2 CHANGE_NOTIFY Request".
#include "wire/smb2/change_notify.h"

#include <algorithm>

#include "smb2/commands/commands.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

// A directory that will be deleted.
void end_if_going(FileServices& files, const Open& open) {
  if (files.file_table.is_delete_pending(open.ref())) {
    files.notify.end(open, NtStatus::kDeletePending);
  }
}

// Room for the changes that wait and for where the directory is, which may come to have a longer
// name. Once for an open, however many watches of it end with its directory.
bool count_watch(Open& open, size_t size) {
  size_t counted = open.counted_for_notifications;
  do {
    if (size <= counted) return true;
  } while (!open.counted_for_notifications.compare_exchange_weak(counted, size));
  if (open.memory.add(size - counted)) return true;
  open.counted_for_notifications -= size - counted;
  return false;
}

// Says where the directory of a new watch is: on the pool, as its path may be long.
void place(FileServices& files, Open& open, const wire::ChangeNotifyRequest& notify) {
  const bool tree = (notify.flags & wire::ChangeNotifyRequest::kFlagWatchTree) != 0;
  const std::string path = current_path(files, open).text();
  const size_t changes = std::min<size_t>(notify.output_buffer_length, ChangeBuffer::kCapacityMax);
  // The watch ends with the open.
  const auto counts = [&open, changes](size_t cost) { return count_watch(open, changes + cost); };
  if (!files.notify.place(open, path, tree, counts)) {
    files.notify.end(open, NtStatus::kInsufficientResources);
  }
  end_if_going(files, open);
}

}  // namespace

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
  if (!waiting.is_first) end_if_going(request.files, *open);
  // A CANCEL may be right behind it; who has the interim response may count on being told.
  if (!waiter->is_set()) {
    const bool is_placed = waiting.placed->is_set();
    auto async = request.go_async([&hub, open, waiter] { hub.cancel(*open, waiter); },
                                  is_placed ? Interim::kAtOnce : Interim::kLater);
    if (!async) {
      hub.cancel(*open, waiter);
      if (waiting.is_first) {  // nobody would say where it is
        hub.end(*open, async.error().status());
        waiting.placed->set(true);
      }
      co_return std::unexpected(async.error());
    }
  }
  if (waiting.is_first) {
    (void)co_await request.seat.turn();  // goes on in any case
    place(request.files, *open, notify);
    waiting.placed->set(true);
    co_await request.connection->reactor().schedule();
    if (!waiter->is_set()) request.send_interim();
  } else if (request.has_gone_async()) {
    (void)co_await waiting.placed->wait(request.connection->reactor());
    if (!waiter->is_set()) request.send_interim();
  }
  // A CLOSE ends the wait, so it must not wait for this request.
  request.open.release();
  NotifyAnswer answer = co_await waiter->wait(request.connection->reactor());
  const Bytes changes = answer.encode(notify.output_buffer_length);
  // STATUS_NOTIFY_CLEANUP and STATUS_NOTIFY_ENUM_DIR are no errors, and answers without changes.
  if (is_error(answer.status)) co_return fail(answer.status);
  co_return reply_with(wire::ChangeNotifyResponse{.output_buffer = changes}, answer.status);
}

}  // namespace braid::smb2
