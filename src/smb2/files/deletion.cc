#include "smb2/files/deletion.h"

#include <fcntl.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "base/log.h"
#include "smb2/connections/request.h"
#include "smb2/files/close_open.h"
#include "smb2/files/directory_leases.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/files/recycling.h"
#include "smb2/files/report.h"
#include "smb2/opens/sync.h"
#include "smb2/opens/work_owner.h"
#include "smb2/shares/tree_path.h"
#include "vfs/names.h"

namespace braid::smb2 {
namespace {

using SharePtr = std::shared_ptr<const Share>;

// How often a name may be moved on the machine between two looks before its deletion has failed.
constexpr int kMovesMax = 8;

// Null when its folder cannot be had, or the configuration has it no more. May block.
SharePtr share_of(FileServices& files, const std::string& name) {
  const auto entry = files.settings.shares()->entry(name);
  if (!entry) return nullptr;
  auto share = entry->connect({});
  return share ? *std::move(share) : nullptr;
}

// With whose rights something may be removed, and through which share.
struct Way {
  Credentials who;
  SharePtr share;
  std::string path;  // as he knew it: DeleterRights::path
};

// The right to delete was looked at when it was asked for, and whoever closes last need not have
// it, nor the share that he came through: so what was promised is done as who asked.
std::vector<Way> ways(FileServices& files, const Open& open, const filestate::Deleters& deleters) {
  const SharePtr& own = open.tree_connect->share;
  std::vector<Way> all;
  for (const filestate::Deleter& each : deleters) {
    SharePtr share = each->share == own->name ? own : share_of(files, each->share);
    all.push_back({each->who, share ? std::move(share) : own, each->path});
  }
  if (all.empty()) all.push_back({open.credentials, own, {}});
  return all;
}

// The file that `open` has at `path` of its share, as another share has it. ESTALE: not there.
Result<vfs::Found> find_elsewhere(const Open& open, const vfs::Path& path, const Way& way,
                                  FileKey file) {
  file.stream = 0;
  const auto at = [&](const std::string& in_all) -> Result<vfs::Found> {
    const auto name = in_this_share(*way.share, in_all);
    if (!name) return fail_os(ESTALE);
    BRAID_TRY(const auto parsed, vfs::parse_path(*name, vfs::NameRules::kPosix));
    BRAID_TRY(auto found, way.share->volume->find(way.who, parsed.path, {.pin_parent = true}));
    if (found.attributes.key != file || !found.place.parent) return fail_os(ESTALE);
    return found;
  };
  if (auto found = at(in_all_shares(*open.tree_connect->share, path.text()))) return found;
  // A folder that is mounted twice: the name may have been moved since, and of several names it
  // would be any.
  auto found = at(way.path);
  if (!found || (!found->attributes.is_directory() && found->attributes.nlink != 1)) {
    return fail_os(ESTALE);
  }
  return found;
}

// A file does what it is told as who opened it, so `way` gets the same file again.
Result<void> remove_stream(FileServices& files, const Way& way, Open& open,
                           const std::string& stream) {
  vfs::File& base = *open.base_file;
  if (way.share != open.tree_connect->share) {
    BRAID_TRY(const auto found,
              find_elsewhere(open, current_path(files, open), way, open.attributes.file_key));
    BRAID_TRY(const auto file, way.share->volume->open(way.who, found, {}));
    return file->remove_stream(stream);
  }
  if (base.descriptor() < 0 || *way.who == *open.credentials) return base.remove_stream(stream);
  UniqueFd again(::fcntl(base.descriptor(), F_DUPFD_CLOEXEC, 0));
  if (!again) return fail_last_os();
  const std::string name(open.path.lock()->name());
  BRAID_TRY(const auto file, way.share->volume->adopt(way.who, std::move(again), {.name = name}));
  return file->remove_stream(stream);
}

Deletion delete_stream(FileServices& files, Open& open, const filestate::CloseDecision& decision) {
  const std::string name = current_path(files, open).text();
  const std::string stream = open.stream_name();
  if (stream.empty()) return {};  // an orphan that has gone already
  Result<void> removed;
  for (const Way& way : ways(files, open, decision.stream_deleters)) {
    const Result<void> before = removed;
    removed = remove_stream(files, way, open, stream);
    if (removed) break;
    if (removed.error().is_os(ENOENT)) return {};
    if (!before) removed = before;  // what the first was refused for
  }
  if (!removed) {
    log::warn("cannot delete stream {} of {}: {}", stream, name, removed.error().message());
    return {.done = removed, .on_disk = {}};
  }
  report_removed(files, open, name);
  if (!is_write_through(open)) return {};
  return {.done = {}, .on_disk = open.base_file->flush(vfs::Durability::kDataAndMetadata)};
}

// What was removed.
struct Removed {
  std::shared_ptr<vfs::Node> parent;
  vfs::Path path;  // in the share of the open
};

// Into the recycle bin of the share, if it has one that takes it, or for good.
Result<void> take_away(const Way& way, const vfs::Place& place, const vfs::Path& path,
                       FileKey file) {
  if (way.share->recycle_days != 0) {
    const auto kept = way.share->volume->recycle(way.who, place, path, file);
    if (kept && *kept) return {};
    if (!kept && (kept.error().is_os(ENOENT) || kept.error().is_os(ESTALE))) {
      return fail(kept.error());
    }
    if (!kept) {
      log::warn("share '{}': {} is deleted without a stay in the recycle bin: {}", way.share->name,
                path.text(), kept.error().message());
    }
  }
  return way.share->volume->remove(way.who, place, file);
}

// Removes the name wherever it is now. Nothing: it has gone already, as the file itself says; what
// is only not found is still there.
Result<std::optional<Removed>> remove_name(const Way& way, Open& open,
                                           const filestate::CloseDecision& decision) {
  for (int move = 0; move < kMovesMax; ++move) {
    auto located = locate_closed(open, way.who, decision.path);
    if (!located && located.error().is_os(ENOENT)) return std::nullopt;
    if (!located) return fail(located.error());
    vfs::Place place = located->place;
    vfs::Path path = located->path;  // in the share of `way`
    if (way.share != open.tree_connect->share) {
      auto found = find_elsewhere(open, located->path, way, decision.file);
      if (!found && found.error().is_os(ESTALE)) continue;
      if (!found) return fail(found.error());
      place = std::move(found->place);
      path = std::move(found->path);
    }
    const auto removed = take_away(way, place, path, decision.file);
    if (removed) return Removed{std::move(place.parent), std::move(located->path)};
    if (!removed.error().is_os(ENOENT) && !removed.error().is_os(ESTALE)) {
      return fail(removed.error());
    }
  }
  return fail_os(ESTALE);
}

// The name by which `open` was opened, the last that has the file open by it, or the one that
// deletes it whoever has.
Deletion delete_name(FileServices& files, Open& open, const filestate::CloseDecision& decision) {
  std::optional<Error> refused;
  for (const Way& way : ways(files, open, decision.link_deleters)) {
    const auto removed = remove_name(way, open, decision);
    if (!removed) {
      if (!refused) refused = removed.error();
      continue;
    }
    if (!*removed) return {};
    const auto& [parent, path] = **removed;
    begin_sweep(files, way.share);
    files.file_table.child_changed(parent->key(), open.parent_lease());
    report_removed(files, open, path.text());
    if (!is_write_through(open)) return {};
    return {.done = {}, .on_disk = sync_names(*way.share->volume, parent)};
  }
  const std::string name = current_path(files, open).text();
  log::info("cannot delete {}: {}", name, refused->message());
  // [MS-FSA] 2.1.5.5, phase 1: a directory that is not empty is not marked by its close.
  const bool is_of_open =
      (open.attributes.create_options & wire::CreateOptions::kDeleteOnClose) != 0;
  if (refused->is_os(ENOTEMPTY) && is_of_open) return {};
  return {.done = fail(*refused), .on_disk = {}};
}

// As much of an open as it takes to delete something, by the name that filestate has of it.
// Null when nobody that asked finds it.
std::shared_ptr<Open> open_to_delete(FileServices& files,
                                     const filestate::OrphanedDeletion& deletion) {
  const filestate::CloseDecision& closed = deletion.closed;
  const auto& deleters =
      closed.link_deleters.empty() ? closed.stream_deleters : closed.link_deleters;
  const std::string known = closed.path ? *closed.path : "";
  FileKey key = deletion.of;
  key.stream = 0;
  std::vector<std::string> names;
  for (const filestate::Deleter& each : deleters) names.push_back(each->share);
  for (const auto& entry : files.settings.shares()->all()) {
    if (entry->type() == ShareType::kDisk) names.push_back(entry->name());
  }
  for (const std::string& name : names) {
    const SharePtr share = share_of(files, name);
    if (!share) continue;
    const auto text = in_this_share(*share, known);
    const auto path = text ? vfs::parse_path(*text, vfs::NameRules::kPosix)
                           : Result<vfs::PathAndStream>(fail_os(ENOENT));
    if (!path) continue;
    for (const filestate::Deleter& each : deleters) {
      const auto found = share->volume->find(each->who, path->path);
      if (!found || found->attributes.key != key) continue;
      auto file = share->volume->open(each->who, *found, {});
      if (!file) continue;
      const bool is_stream = deletion.of.stream != 0;
      const OpenAttributes attributes{.file_key = deletion.of,
                                      .is_directory = found->attributes.is_directory(),
                                      .is_stream = is_stream};
      auto open = std::make_shared<Open>(OpenValues{.attributes = attributes}, nullptr,
                                         std::make_shared<TreeConnect>(TreeId{}, share, 0));
      if (is_stream) {
        const auto streams = (*file)->streams();
        if (!streams) continue;
        for (const vfs::StreamInfo& stream : *streams) {
          if (vfs::stream_key(stream.name) != deletion.stream_name) continue;
          open->its_stream_name = std::make_shared<vfs::StreamName>(stream.name);
        }
        open->base_file = *std::move(file);
      } else {
        open->file = *std::move(file);
      }
      open->credentials = each->who;
      *open->path.lock() = found->path;
      open->begin_close();
      return open;
    }
  }
  return nullptr;
}

}  // namespace

filestate::Deleter deleter_of(const Request& request, const vfs::Path& path) {
  const Share& share = *request.tree_connect->share;
  return filestate::make_deleter(request.credentials(), share.name,
                                 in_all_shares(share, path.text()));
}

Deletion carry_out(FileServices& files, Open& open, const filestate::CloseDecision& decision) {
  if (decision.file.stream != 0) return delete_stream(files, open, decision);
  if (decision.stream_too) {
    if (auto deletion = delete_stream(files, open, decision); !deletion.done) return deletion;
  }
  return delete_name(files, open, decision);
}

Task<void> delete_orphaned(FileServices& files, filestate::OrphanedDeletion deletion) {
  WorkerPool::Seat seat(files.pool, {});
  co_await seat.schedule();
  if (const auto open = open_to_delete(files, deletion)) {
    (void)finish_close(files, *open, std::move(deletion.closed));
    co_return;
  }
  log::info("cannot delete {}, as a worker that died had promised: it is not there",
            deletion.closed.path ? *deletion.closed.path : "a file without a name");
  files.file_table.not_removed(deletion.closed, deletion.of);
}

}  // namespace braid::smb2
