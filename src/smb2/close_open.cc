#include "smb2/close_open.h"

#include <fcntl.h>

#include <cerrno>
#include <optional>

#include "base/log.h"
#include "smb2/directory_leases.h"
#include "smb2/notify/report.h"
#include "smb2/open_name.h"
#include "smb2/server.h"
#include "smb2/sync.h"
#include "smb2/work_owner.h"

namespace braid::smb2 {
namespace {

// How often a name may be moved on the machine between two looks before its deletion has failed.
constexpr int kMovesMax = 8;

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

// What a deletion has done, and whether that is on the disk where it has to be.
struct Deletion {
  Result<void> done;
  Result<void> on_disk;
};

Deletion delete_stream(Server& server, Open& open, const filestate::CloseDecision& decision) {
  const std::string name = current_path(server, open).text();
  const std::string stream = open.stream_name();
  const auto removed = remove_stream(rights_of(decision.stream_deleter, open), open, stream);
  if (!removed) {
    if (removed.error().is_os(ENOENT)) return {};
    log::warn("cannot delete stream {} of {}: {}", stream, name, removed.error().message());
    return {.done = removed, .on_disk = {}};
  }
  report_removed(server, open, name);
  if (!is_write_through(open)) return {};
  return {.done = {}, .on_disk = open.base_file->flush(vfs::Durability::kDataAndMetadata)};
}

// Removes the name wherever it is now. Nothing: it has gone already, as the file itself says; what
// is only not found is still there.
Result<std::optional<vfs::Located>> remove_name(Open& open,
                                                const filestate::CloseDecision& decision) {
  vfs::Volume& volume = *open.tree_connect->share->volume;
  const Credentials& who = rights_of(decision.link_deleter, open);
  for (int move = 0; move < kMovesMax; ++move) {
    auto located = locate_closed(open, who, decision.path);
    if (!located && located.error().is_os(ENOENT)) return std::nullopt;
    if (!located) return fail(located.error());
    const auto removed = volume.remove(who, located->place, decision.file);
    if (removed) return *std::move(located);
    if (!removed.error().is_os(ENOENT) && !removed.error().is_os(ESTALE)) {
      return fail(removed.error());
    }
  }
  return fail_os(ESTALE);
}

// The name by which `open` was opened, the last that has the file open by it, or the one that
// deletes it whoever has.
Deletion delete_name(Server& server, Open& open, const filestate::CloseDecision& decision) {
  const auto removed = remove_name(open, decision);
  if (!removed) {
    const std::string name = current_path(server, open).text();
    log::info("cannot delete {}: {}", name, removed.error().message());
    // [MS-FSA] 2.1.5.5, phase 1: a directory that is not empty is not marked by its close.
    const bool is_of_open =
        (open.attributes.create_options & wire::CreateOptions::kDeleteOnClose) != 0;
    if (removed.error().is_os(ENOTEMPTY) && is_of_open) return {};
    return {.done = fail(removed.error()), .on_disk = {}};
  }
  if (!*removed) return {};
  const vfs::Located& located = **removed;
  server.file_table.child_changed(located.place.parent->key(), open.parent_lease());
  report_removed(server, open, located.path.text());
  if (!is_write_through(open)) return {};
  return {.done = {},
          .on_disk = sync_names(*open.tree_connect->share->volume, located.place.parent)};
}

Deletion carry_out(Server& server, Open& open, const filestate::CloseDecision& decision) {
  if (decision.file.stream != 0) return delete_stream(server, open, decision);
  if (decision.stream_too) {
    if (auto deletion = delete_stream(server, open, decision); !deletion.done) return deletion;
  }
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
    const Deletion deletion = carry_out(server, open, *decision);
    if (!deletion.done) server.file_table.not_removed(*decision, open.attributes.file_key);
    done = deletion.done ? deletion.on_disk : deletion.done;
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
