#include "smb2/files/watching.h"

#include <algorithm>

#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"

namespace braid::smb2 {
namespace {

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

}  // namespace

void end_watch_if_going(FileServices& files, const Open& open) {
  if (files.file_table.is_delete_pending(open.ref())) {
    files.notify.end(open, NtStatus::kDeletePending);
  }
}

void place_watch(FileServices& files, Open& open, const wire::ChangeNotifyRequest& notify) {
  const bool tree = (notify.flags & wire::ChangeNotifyRequest::kFlagWatchTree) != 0;
  const std::string path = current_path(files, open).text();
  const size_t changes = std::min<size_t>(notify.output_buffer_length, ChangeBuffer::kCapacityMax);
  // The watch ends with the open.
  const auto counts = [&open, changes](size_t cost) { return count_watch(open, changes + cost); };
  if (!files.notify.place(open, path, tree, counts)) {
    files.notify.end(open, NtStatus::kInsufficientResources);
  }
}

}  // namespace braid::smb2
