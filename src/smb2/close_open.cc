#include "smb2/close_open.h"

#include <fcntl.h>

#include <cerrno>

#include "base/log.h"
#include "smb2/directory_leases.h"
#include "smb2/notify/report.h"
#include "smb2/open_name.h"
#include "smb2/server.h"
#include "smb2/work_owner.h"

namespace braid::smb2 {
namespace {

// What is to be deleted and is not there any more, or has made room for something else, is gone.
bool is_gone(const Error& error) { return error.is_os(ENOENT) || error.is_os(ESTALE); }

// The right to delete was looked at when it was asked for, and whoever closes last need not have
// it: so what was promised is done as who asked. Nobody said: as who opened it.
const Credentials& rights_of(const Credentials& deleter, const Open& open) {
  return deleter ? deleter : open.credentials;
}

// A file does what it is told as who opened it, so `who` gets the same file again.
Result<void> remove_stream(const Credentials& who, Open& open, const std::string& stream) {
  vfs::File& base = *open.base_file;
  if (base.descriptor() < 0 || *who == *open.credentials) return base.remove_stream(stream);
  UniqueFd again(::fcntl(base.descriptor(), F_DUPFD_CLOEXEC, 0));
  if (!again) return fail_last_os();
  const std::string name(open.path.lock()->name());
  BRAID_TRY(const auto file,
            open.tree_connect->share->volume->adopt(who, std::move(again), {.name = name}));
  return file->remove_stream(stream);
}

Result<void> delete_stream(Server& server, Open& open, const filestate::CloseDecision& decision) {
  const std::string name = current_path(server, open).text();
  const std::string stream = open.stream_name();
  const auto removed = remove_stream(rights_of(decision.stream_deleter, open), open, stream);
  if (removed) {
    report_removed(server, open, name);
    return {};
  }
  if (is_gone(removed.error())) return {};
  log::warn("cannot delete stream {} of {}: {}", stream, name, removed.error().message());
  return removed;
}

// The name by which `open` was opened, the last that has the file open by it, or the one that
// deletes it whoever has.
Result<void> delete_name(Server& server, Open& open, const filestate::CloseDecision& decision) {
  const Credentials& who = rights_of(decision.link_deleter, open);
  const auto located = locate_closed(open, who, decision.path);
  Result<void> removed;
  if (located) {
    removed = open.tree_connect->share->volume->remove(who, located->place, decision.file);
  } else {
    removed = fail(located.error());
  }
  if (!removed) {
    const std::string name = current_path(server, open).text();
    log::info("cannot delete {}: {}", name, removed.error().message());
    if (is_gone(removed.error())) return {};
    // [MS-FSA] 2.1.5.5, phase 1: a directory that is not empty is not marked by its close.
    const bool is_of_open =
        (open.attributes.create_options & wire::CreateOptions::kDeleteOnClose) != 0;
    if (removed.error().is_os(ENOTEMPTY) && is_of_open) return {};
    return removed;
  }
  server.file_table.child_changed(located->place.parent->key(), open.parent_lease());
  report_removed(server, open, located->path.text());
  return {};
}

Result<void> carry_out(Server& server, Open& open, const filestate::CloseDecision& decision) {
  if (decision.file.stream != 0) return delete_stream(server, open, decision);
  if (decision.stream_too) BRAID_CHECK(delete_stream(server, open, decision));
  return delete_name(server, open, decision);
}

}  // namespace

Task<bool> close_open(Server& server, std::shared_ptr<Open> open) {
  if (!co_await begin_and_wait(server, open)) co_return false;
  (void)finish_close(server, *open);  // nobody waits for an answer
  co_return true;
}

Task<bool> begin_and_wait(Server& server, std::shared_ptr<Open> open) {
  if (!open->begin_close()) co_return false;
  open->pipe_reads.close();
  if (auto session = open->session.lock()) session->remove_open(open->file_id);
  if (open->attributes.is_directory) server.notify.closed(*open);
  WorkerPool::Seat seat(server.pool(), work_of(*open));
  co_await open->unused(seat);
  co_await seat.schedule();
  if (!open->is_pipe()) server.breaks.open_closed(open->ref().token);
  co_return true;
}

Result<void> finish_close(Server& server, Open& open,
                          std::optional<filestate::CloseDecision> decision) {
  if (open.is_pipe()) return {};
  if (open.pending_notifications != 0) report_noted(server, open);
  if (open.is_modified) child_changed(server, open);
  if (!decision) decision = server.file_table.close(open.ref());
  Result<void> done;
  if (decision->delete_now) {
    done = carry_out(server, open, *decision);
    if (!done) server.file_table.not_removed(*decision, open.attributes.file_key);
  } else if (open.attributes.is_directory &&
             server.file_table.pending_links(open.attributes.file_key) != 0) {
    report_delete_pending(server, open);
  }
  // In this order: once the descriptor is closed a new file may get the inode number, and must not
  // find it marked as being deleted.
  decision->until_deleted.reset();
  open.file.reset();
  open.base_file.reset();
  open.enumeration.unshared().enumeration.reset();  // a descriptor, too
  if (open.is_in_open_table) server.open_table.remove(open.file_id);
  return done;
}

}  // namespace braid::smb2
