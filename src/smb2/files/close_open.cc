#include "smb2/files/close_open.h"

#include <optional>

#include "smb2/files/deletion.h"
#include "smb2/files/directory_leases.h"
#include "smb2/files/file_services.h"
#include "smb2/files/local_guarding.h"
#include "smb2/files/local_locks.h"
#include "smb2/files/report.h"
#include "smb2/opens/work_owner.h"
#include "smb2/persistent/persistent_handles.h"

namespace braid::smb2 {

Task<bool> close_open(FileServices& files, std::shared_ptr<Open> open) {
  if (!co_await begin_and_wait(files, open)) co_return false;
  (void)finish_close(files, *open);  // nobody waits for an answer
  co_return true;
}

bool closes_at_once(const FileServices& files, Open& open) {
  const Share& share = *open.tree_connect->share;
  // Whose directory is leased is told of a change.
  if (open.is_modified && files.has_directory_leases()) return false;
  return !open.is_pipe() && open.pending_notifications == 0 && !open.attributes.is_stream &&
         share.slow_requests == 0 && !share.persistent &&
         share.local_access != config::LocalAccess::kStrict && open.file->ends_at_once();
}

bool begin_at_once(FileServices& files, Open& open) {
  if (!open.begin_close_unused()) return false;
  if (auto session = open.session.lock()) session->remove_open(open.file_id);
  files.breaks.open_closed(open.ref().token);
  return true;
}

Task<bool> begin_and_wait(FileServices& files, std::shared_ptr<Open> open) {
  if (!open->begin_close()) co_return false;
  open->pipe_reads.close();
  if (auto session = open->session.lock()) session->remove_open(open->file_id);
  if (open->attributes.is_directory) files.notify.closed(*open);
  WorkerPool::Seat seat(files.pool, work_of(*open));
  co_await open->unused(seat);
  co_await seat.schedule();
  if (!open->is_pipe()) files.breaks.open_closed(open->ref().token);
  co_return true;
}

Result<void> finish_close(FileServices& files, Open& open,
                          std::optional<filestate::CloseDecision> decision) {
  if (open.is_pipe()) return {};
  if (open.pending_notifications != 0) report_noted(files, open);
  if (open.is_modified) child_changed(files, open);
  drop_local_locks(open);
  if (!decision) decision = files.file_table.close(open.ref());
  const FileKey key = open.attributes.file_key;
  Result<void> done;
  if (decision->delete_now) {
    const Deletion deletion = carry_out(files, open, *decision);
    if (!deletion.done) files.file_table.not_removed(*decision, open.attributes.file_key);
    done = deletion.done ? deletion.on_disk : deletion.done;
  } else if (open.attributes.is_directory &&
             files.file_table.pending_links(open.attributes.file_key) != 0) {
    report_delete_pending(files, open);
  }
  // In this order: once the descriptor is closed a new file may get the inode number, and must not
  // find it marked as being deleted.
  decision->until_deleted.reset();
  open.local_watch.reset();
  open.file.reset();
  open.base_file.reset();
  files.local_guarding->closed(key);
  open.enumeration.unshared().enumeration.reset();  // a descriptor, too
  if (open.is_in_open_table) files.open_table.remove(open.file_id);
  // Behind a deletion: who comes back to it after a crash finds the file, or nothing.
  if (open.tree_connect->share->persistent) files.persistent->erase(open);
  return done;
}

}  // namespace braid::smb2
