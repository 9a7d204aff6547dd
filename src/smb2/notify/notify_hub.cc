#include "smb2/notify/notify_hub.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "smb2/notify/paths.h"
#include "smb2/open.h"

namespace braid::smb2 {
namespace {

using wire::CompletionFilter;
using wire::FileAction;

// Where `path` is in the watch table.
std::string in_table(const Share& share, std::string_view path) {
  // A share that is no directory of this machine has a place that no path of it has.
  std::string out =
      share.real_path.empty() ? "\n" + share.name : spelled_for_clients(share.real_path);
  if (path.empty()) return out;
  out += '/';
  const size_t start = out.size();
  out += path;
  std::replace(out.begin() + static_cast<ptrdiff_t>(start), out.end(), '\\', '/');
  return out;
}

std::string_view parent_of(std::string_view path) { return path.substr(0, path.rfind('/')); }

uint32_t name_filter(bool is_directory) {
  return is_directory ? CompletionFilter::kDirName : CompletionFilter::kFileName;
}

bool is_name_change(FileAction action) {
  return action != FileAction::kModified && action != FileAction::kModifiedStream;
}

// What [MS-FSA] 2.1.5.15.12 says of a name that now is another file.
constexpr uint32_t kEverythingButName =
    CompletionFilter::kAttributes | CompletionFilter::kSize | CompletionFilter::kLastWrite |
    CompletionFilter::kLastAccess | CompletionFilter::kCreation | CompletionFilter::kSecurity |
    CompletionFilter::kEa;

}  // namespace

NotifyHub::NotifyHub() : fanotify_(open_fanotify(*this)), inotify_(open_inotify(*this)) {
  if (!fanotify_ && !inotify_) {
    log::warn("changes that local programs make are not told to clients: there is no inotify");
  } else if (!fanotify_) {
    log::info("changes that local programs make are heard of through inotify");
  }
}

NotifyHub::NotifyHub(std::unique_ptr<LocalChanges> local) : fanotify_(std::move(local)) {}

NotifyHub::~NotifyHub() {
  // Each may end a watch of the other, so both stay until both are silent.
  for (LocalChanges* source : {fanotify_.get(), inotify_.get()}) {
    if (source) source->stop();
  }
}

void NotifyHub::finish(WatchTable::Outcome outcome) {
  for (const WatchTable::Watch& watch : outcome.ended) {
    if (watch.source) watch.source->unwatch(watch.local);
  }
  for (auto& [waiter, answer] : outcome.answers) waiter->set(std::move(answer));
}

void NotifyHub::watch_locally(WatchTable::Watch& watch, const Open& open) {
  const Share& share = *open.tree_connect->share;
  if (share.real_path.empty()) return;
  LocalWatch wanted{.root = share.real_path,
                    .directory = spelled_on_disk(watch.directory),
                    .device = open.attributes.file_key.device,
                    .tree = watch.tree};
  if (wanted.directory.empty()) wanted.directory = "/";
  for (LocalChanges* source : {fanotify_.get(), inotify_.get()}) {
    if (!source) continue;
    watch.local = source->watch(wanted);
    if (watch.local == 0) continue;
    watch.source = source;
    return;
  }
}

NotifyWaiter NotifyHub::wait(const Open& open, const wire::ChangeNotifyRequest& request) {
  auto waiter = std::make_shared<OneShot<NotifyAnswer>>();
  const uint64_t id = open.file_id.persistent;
  const std::string path = open.path.lock()->text();
  WatchTable::Outcome outcome;
  {
    auto table = table_.lock();
    if (!table->find(id)) {
      const Share& share = *open.tree_connect->share;
      WatchTable::Watch watch;
      watch.id = id;
      watch.root = in_table(share, {});
      watch.directory = in_table(share, path);
      watch.tree = (request.flags & wire::ChangeNotifyRequest::kFlagWatchTree) != 0;
      watch.filter = request.completion_filter;
      watch.capacity = request.output_buffer_length;
      watch_locally(watch, open);
      table->add(std::move(watch));
      watch_count_ = table->size();
    }
    table->wait(id, waiter, request.output_buffer_length, outcome);
  }
  finish(std::move(outcome));
  return waiter;
}

void NotifyHub::cancel(const Open& open, const NotifyWaiter& waiter) {
  WatchTable::Outcome outcome;
  table_.lock()->cancel(open.file_id.persistent, waiter, outcome);
  finish(std::move(outcome));
}

void NotifyHub::closed(const Open& open) {
  if (!anyone()) return;
  WatchTable::Outcome outcome;
  {
    auto table = table_.lock();
    table->end(open.file_id.persistent, NtStatus::kNotifyCleanup, outcome);
    watch_count_ = table->size();
  }
  finish(std::move(outcome));
}

void NotifyHub::delete_pending(const Share& share, std::string_view path) {
  if (!anyone()) return;
  const std::string directory = in_table(share, path);
  WatchTable::Outcome outcome;
  {
    auto table = table_.lock();
    table->end_at(directory, false, NtStatus::kDeletePending, outcome);
    watch_count_ = table->size();
  }
  finish(std::move(outcome));
}

void NotifyHub::report(std::span<const PathChange> changes) {
  WatchTable::Outcome outcome;
  table_.lock()->report(changes, outcome);
  finish(std::move(outcome));
}

void NotifyHub::report_changed(const Share& share, std::string_view path, FileAction action,
                               uint32_t filter) {
  PathChange change{action, filter, in_table(share, path)};
  if (inotify_) {
    if (is_name_change(action)) {
      inotify_->own_name_change(change.path);
    } else {
      inotify_->own_modification(change.path);
    }
  }
  report({&change, 1});
}

void NotifyHub::stream_changed(const Share& share, std::string_view path, std::string_view stream,
                               FileAction action, uint32_t filter) {
  if (!anyone()) return;
  const PathChange change{action, filter, in_table(share, path) + ':' + std::string(stream)};
  if (inotify_) inotify_->own_modification(in_table(share, path));
  report({&change, 1});
}

void NotifyHub::report_own_modification(const Share& share, std::string_view path) {
  if (inotify_) inotify_->own_modification(in_table(share, path));
}

// [MS-FSA] 2.1.5.15.12 "FileRenameInformation".
void NotifyHub::report_renamed(const Share& share, const Rename& rename) {
  const std::string from = in_table(share, rename.from);
  const std::string to = in_table(share, rename.to);
  if (inotify_) {
    inotify_->own_name_change(from);
    inotify_->own_name_change(to);
  }
  const uint32_t filter = name_filter(rename.is_directory);
  const bool moves = parent_of(from) != parent_of(to);
  if (!rename.replaced.empty()) {
    const std::string replaced = in_table(share, rename.replaced);
    if (replaced == to) {
      const PathChange changes[] = {{FileAction::kRemoved, filter, from},
                                    {FileAction::kModified, kEverythingButName, to}};
      return report(changes);
    }
    const PathChange gone{FileAction::kRemoved, CompletionFilter::kFileName, replaced};
    report({&gone, 1});
  }
  const PathChange changes[] = {
      {moves ? FileAction::kRemoved : FileAction::kRenamedOldName, filter, from},
      {moves ? FileAction::kAdded : FileAction::kRenamedNewName, filter, to}};
  report(changes);
  if (rename.is_directory) table_.lock()->moved(from, to);
}

// [MS-FSA] 2.1.5.15.7 "FileLinkInformation".
void NotifyHub::linked(const Share& share, std::string_view path, std::string_view replaced) {
  if (!anyone()) return;
  if (path == replaced) return changed(share, path, FileAction::kModified, kEverythingButName);
  if (!replaced.empty()) {
    changed(share, replaced, FileAction::kRemoved, CompletionFilter::kFileName);
  }
  changed(share, path, FileAction::kAdded, CompletionFilter::kFileName);
}

void NotifyHub::local_change(const LocalChange& change) {
  if (!anyone()) return;
  WatchTable::Outcome outcome;
  const std::string path = spelled_for_clients(change.path);
  const uint32_t names = name_filter(change.is_directory);
  auto table = table_.lock();
  switch (change.kind) {
    case LocalChange::Kind::kAdded: {
      const PathChange added{FileAction::kAdded, names, path};
      table->report({&added, 1}, outcome);
      break;
    }
    case LocalChange::Kind::kRemoved: {
      if (change.is_directory) {
        table->end_at(path, true, NtStatus::kDeletePending, outcome);
        watch_count_ = table->size();
      }
      const PathChange removed{FileAction::kRemoved, names, path};
      table->report({&removed, 1}, outcome);
      break;
    }
    case LocalChange::Kind::kModified: {
      const PathChange modified{FileAction::kModified, change.filter, path};
      table->report({&modified, 1}, outcome);
      break;
    }
    case LocalChange::Kind::kRenamed: {
      const std::string to = spelled_for_clients(change.new_path);
      const bool moves = parent_of(path) != parent_of(to);
      const PathChange changes[] = {
          {moves ? FileAction::kRemoved : FileAction::kRenamedOldName, names, path},
          {moves ? FileAction::kAdded : FileAction::kRenamedNewName, names, to}};
      table->report(changes, outcome);
      if (change.is_directory) table->moved(path, to);
      break;
    }
    case LocalChange::Kind::kLost:
      table->lose(outcome);
      break;
  }
  table.mutex_lock().unlock();
  finish(std::move(outcome));
}

}  // namespace braid::smb2
