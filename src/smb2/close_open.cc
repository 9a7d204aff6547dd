#include "smb2/close_open.h"

#include "base/log.h"
#include "smb2/notify/report.h"
#include "smb2/server.h"
#include "smb2/tree_path.h"
#include "smb2/work_owner.h"

namespace braid::smb2 {
namespace {

// The last handle is gone and a delete was pending: of the stream that was open, or of the file.
void delete_file(Server& server, Open& open, const filestate::CloseDecision& decision) {
  // Who renamed it through another share knows its name there.
  const std::string name =
      in_this_share(*open.tree_connect->share, *decision.path).value_or(open.path.lock()->text());
  if (decision.file.stream != 0) {
    const std::string stream = *open.stream_name.lock();
    if (auto removed = open.base_file->remove_stream(stream); !removed) {
      log::warn("cannot delete stream {} of {}: {}", stream, name, removed.error().message());
    } else {
      report_removed(server, open, name);
    }
    return;
  }
  vfs::Volume& volume = *open.tree_connect->share->volume;
  auto path = vfs::parse_path(name, vfs::NameRules::kPosix);
  if (!path) return;
  const auto found = volume.find(open.credentials, path->path, {.pin_parent = true});
  Result<void> removed = fail(NtStatus::kObjectNameNotFound);
  if (found && found->place.parent) {
    removed = volume.remove(open.credentials, found->place, decision.file);
    if (removed) {
      server.file_table.child_changed(found->place.parent->key(), open.client_guid,
                                      open.parent_lease_key);
    }
  }
  if (!removed) {
    log::info("cannot delete {}: {}", name, removed.error().message());
  } else {
    report_removed(server, open, name);
  }
}

// The directory's listing shows another size and time from now on.
void tell_directory_leases(Server& server, Open& open) {
  vfs::Path path = *open.path.lock();
  const auto found = open.tree_connect->share->volume->find(open.credentials, path.parent());
  if (found) {
    server.file_table.child_changed(found->attributes.key, open.client_guid, open.parent_lease_key);
  }
}

}  // namespace

Task<bool> close_open(Server& server, std::shared_ptr<Open> open) {
  if (!co_await begin_and_wait(server, open)) co_return false;
  finish_close(server, *open);
  co_return true;
}

Task<bool> begin_and_wait(Server& server, std::shared_ptr<Open> open) {
  if (!open->begin_close()) co_return false;
  if (auto session = open->session.lock()) session->remove_open(open->file_id);
  if (open->attributes.is_directory) server.notify.closed(*open);
  WorkerPool::Seat seat(server.pool(), work_of(*open));
  co_await open->unused(seat);
  co_await seat.schedule();
  if (!open->is_pipe()) server.breaks.open_closed(open->ref().token);
  co_return true;
}

void finish_close(Server& server, Open& open, std::optional<filestate::CloseDecision> decision) {
  if (open.is_pipe()) return;
  if (open.pending_notifications != 0) report_noted(server, open);
  if (open.is_modified && server.has_directory_leases) tell_directory_leases(server, open);
  if (!decision) decision = server.file_table.close(open.ref());
  if (decision->delete_now) {
    delete_file(server, open, *decision);
  } else if (open.attributes.is_directory &&
             server.file_table.is_delete_pending(open.attributes.file_key)) {
    report_delete_pending(server, open);
  }
  // In this order: once the descriptor is closed a new file may get the inode number, and must not
  // find it marked as being deleted.
  decision->until_deleted.reset();
  open.file.reset();
  open.base_file.reset();
  open.enumeration.unshared().enumeration.reset();  // a descriptor, too
  if (open.is_in_open_table) server.open_table.remove(open.file_id);
}

}  // namespace braid::smb2
