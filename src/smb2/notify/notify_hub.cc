#include "smb2/notify/notify_hub.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/log.h"
#include "smb2/common/store_account.h"
#include "smb2/notify/paths.h"
#include "smb2/opens/open.h"
#include "store/group.h"

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

NotifyHub::NotifyHub(store::Group* group, std::function<bool(pid_t)> is_worker)
    : group_(group),
      owed_(group ? group->size() : 0),
      fanotify_(open_fanotify(
          *this, is_worker ? std::move(is_worker) : [](pid_t) { return false; })),
      inotify_(open_inotify(*this)) {
  if (group_) {
    for (size_t i = 0; i < group_->size(); ++i) {
      if (i != group_->own_tag().index()) others_.push_back(&group_->watch_notice(i));
    }
    group_->bus().handle(
        store::Topic::kChanges, [this](store::BusMessage& message) { on_message(message.payload); },
        [this] { lose_all(); });
    group_->bus().on_room(store::Topic::kChanges, [this](size_t worker) { tell_owed(worker); });
  }
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
  if (!outcome.ended.empty()) count_watches();
  for (const WatchTable::Local& local : outcome.ended) {
    if (local.source) local.source->unwatch(local.watch);
  }
  for (auto& [waiter, answer] : outcome.answers) waiter->set(std::move(answer));
}

NotifyHub::Waiting NotifyHub::wait(const Open& open, const wire::ChangeNotifyRequest& request) {
  Waiting waiting{.waiter = std::make_shared<OneShot<NotifyAnswer>>()};
  WatchTable::Outcome outcome;
  waiting.placed =
      table_.wait({.id = open.file_id.persistent,
                   .user = open.user,
                   .tree = (request.flags & wire::ChangeNotifyRequest::kFlagWatchTree) != 0,
                   .filter = request.completion_filter,
                   .capacity = request.output_buffer_length},
                  waiting.waiter, waiting.is_first, outcome);
  if (waiting.is_first) count_watches();
  finish(std::move(outcome));
  return waiting;
}

bool NotifyHub::place(const Open& open, std::string_view path, bool tree,
                      std::function<bool(size_t)> counts) {
  if (!table_.has(open.file_id.persistent)) return true;  // it ended meanwhile
  const Share& share = *open.tree_connect->share;
  const std::string directory = in_table(share, path);
  const std::string root = in_table(share, {});
  // In this order: from the moment it has a place the others tell what they do.
  WatchKeeps keeps{.root = roots_.hold(root), .counts = std::move(counts)};
  if (!table_.place(open.file_id.persistent, directory, std::move(keeps))) return false;
  listen(open, directory, tree);
  return true;
}

void NotifyHub::listen(const Open& open, std::string_view directory, bool tree) {
  const Share& share = *open.tree_connect->share;
  if (share.real_path.empty() || share.local_access == config::LocalAccess::kNone) return;
  LocalWatch wanted{.root = share.real_path,
                    .directory = spelled_on_disk(directory),
                    .device = open.attributes.file_key.device,
                    .tree = tree,
                    .user = open.owner ? static_cast<uint64_t>(account_of(*open.owner)) : 0};
  if (wanted.directory.empty()) wanted.directory = "/";
  for (LocalChanges* source : {fanotify_.get(), inotify_.get()}) {
    if (!source) continue;
    const uint64_t local = source->watch(wanted);
    if (local == 0) continue;
    // It may have ended meanwhile.
    if (!table_.set_local(open.file_id.persistent, {source, local})) source->unwatch(local);
    return;
  }
}

std::optional<WatchTable::Watch> NotifyHub::watch_of(const Open& open) const {
  return table_.watch(open.file_id.persistent);
}

void NotifyHub::cancel(const Open& open, const NotifyWaiter& waiter) {
  WatchTable::Outcome outcome;
  table_.cancel(open.file_id.persistent, waiter, outcome);
  finish(std::move(outcome));
}

void NotifyHub::end(const Open& open, NtStatus status) {
  if (!anyone()) return;
  WatchTable::Outcome outcome;
  table_.end(open.file_id.persistent, status, outcome);
  finish(std::move(outcome));
}

void NotifyHub::delete_pending(const Share& share, std::string_view path) {
  if (anyone()) publish({.going = in_table(share, path)});
}

void NotifyHub::count_watches() {
  // Whoever counts last has counted everything.
  auto counted = counted_.lock();
  const size_t count = table_.size();
  watch_count_ = count;
  if (group_) group_->say_watches(static_cast<uint32_t>(count));
}

void NotifyHub::publish(const ChangeEvent& event) {
  apply(event);
  uint64_t workers = roots_.concerned(event);
  if (workers == 0) return;
  // Where watches are may not be lost with the many changes of files.
  const bool places = !event.moved_from.empty() || !event.going.empty();
  Bytes message = event.encode();
  if (!places && message.size() > kEventBytesMax) {
    LostChanges lost;
    lost.add(event);
    if (lost.empty()) return;
    message = lost.take().encode();
  }
  const auto if_full = places ? store::IfFull::kWaitBounded : store::IfFull::kMiss;
  for (; workers != 0; workers &= workers - 1) {
    const auto worker = static_cast<size_t>(std::countr_zero(workers));
    if (group_->bus().send(worker, store::Topic::kChanges, message, -1, if_full)) continue;
    owe(worker, event);
  }
}

void NotifyHub::owe(size_t worker, const ChangeEvent& event) {
  {
    auto owed = owed_[worker].lock();
    owed->add(event);
    if (owed->empty()) return;
  }
  group_->bus().want_room(worker, store::Topic::kChanges);
}

void NotifyHub::tell_owed(size_t worker) {
  const ChangeEvent event = owed_[worker].lock()->take();
  if (event.lost.empty()) return;
  if (!group_->bus().send(worker, store::Topic::kChanges, event.encode())) owe(worker, event);
}

void NotifyHub::apply(const ChangeEvent& event) {
  if (watch_count_ == 0) return;
  for (const ChangeEvent::Note& note : event.notes) {
    if (!inotify_) break;
    if (note.is_name) {
      inotify_->own_name_change(note.path);
    } else {
      inotify_->own_modification(note.path);
    }
  }
  if (!event.changes.empty()) report(event.changes);
  WatchTable::Outcome outcome;
  if (!event.moved_from.empty()) moved(event.moved_from, event.moved_to, outcome);
  if (!event.going.empty()) {
    table_.end_at(event.going, false, NtStatus::kDeletePending, outcome);
  }
  for (const ChangeEvent::Lost& each : event.lost) {
    table_.lose_at(each.directory, each.filter, each.below, outcome);
  }
  finish(std::move(outcome));
}

void NotifyHub::moved(std::string_view from, std::string_view to, WatchTable::Outcome& outcome) {
  if (table_.moved(from, to, outcome)) roots_.moved(from, to);
}

void NotifyHub::on_message(ByteView message) {
  if (const auto event = ChangeEvent::decode(message)) apply(*event);
}

void NotifyHub::lose_all() {
  if (watch_count_ == 0) return;
  WatchTable::Outcome outcome;
  table_.lose(outcome);
  finish(std::move(outcome));
}

void NotifyHub::report(std::span<const PathChange> changes) {
  WatchTable::Outcome outcome;
  table_.report(changes, outcome);
  finish(std::move(outcome));
}

void NotifyHub::report_changed(const Share& share, std::string_view path, FileAction action,
                               uint32_t filter) {
  const std::string place = in_table(share, path);
  publish({.notes = {{is_name_change(action), place}}, .changes = {{action, filter, place}}});
}

void NotifyHub::stream_changed(const Share& share, std::string_view path, std::string_view stream,
                               FileAction action, uint32_t filter) {
  if (!anyone()) return;
  const std::string place = in_table(share, path);
  publish({.notes = {{false, place}},
           .changes = {{action, filter, place + ':' + std::string(stream)}}});
}

void NotifyHub::report_own_modification(const Share& share, std::string_view path) {
  publish({.notes = {{false, in_table(share, path)}}});
}

// [MS-FSA] 2.1.5.15.12 "FileRenameInformation".
void NotifyHub::report_renamed(const Share& share, const Rename& rename) {
  const std::string from = in_table(share, rename.from);
  const std::string to = in_table(share, rename.to);
  const std::vector<ChangeEvent::Note> notes{{true, from}, {true, to}};
  const uint32_t filter = name_filter(rename.is_directory);
  const bool moves = parent_of(from) != parent_of(to);
  if (!rename.replaced.empty()) {
    const std::string replaced = in_table(share, rename.replaced);
    if (replaced == to) {
      return publish({.notes = notes,
                      .changes = {{FileAction::kRemoved, filter, from},
                                  {FileAction::kModified, kEverythingButName, to}}});
    }
    publish({.changes = {{FileAction::kRemoved, CompletionFilter::kFileName, replaced}}});
  }
  publish({.notes = notes,
           .changes = {{moves ? FileAction::kRemoved : FileAction::kRenamedOldName, filter, from},
                       {moves ? FileAction::kAdded : FileAction::kRenamedNewName, filter, to}},
           .moved_from = rename.is_directory ? from : "",
           .moved_to = rename.is_directory ? to : ""});
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
  switch (change.kind) {
    case LocalChange::Kind::kAdded: {
      const PathChange added{FileAction::kAdded, names, path};
      table_.report({&added, 1}, outcome);
      break;
    }
    case LocalChange::Kind::kRemoved: {
      if (change.is_directory) {
        table_.end_at(path, true, NtStatus::kDeletePending, outcome);
      }
      const PathChange removed{FileAction::kRemoved, names, path};
      table_.report({&removed, 1}, outcome);
      break;
    }
    case LocalChange::Kind::kModified: {
      const PathChange modified{FileAction::kModified, change.filter, path};
      table_.report({&modified, 1}, outcome);
      break;
    }
    case LocalChange::Kind::kRenamed: {
      const std::string to = spelled_for_clients(change.new_path);
      const bool moves = parent_of(path) != parent_of(to);
      const PathChange changes[] = {
          {moves ? FileAction::kRemoved : FileAction::kRenamedOldName, names, path},
          {moves ? FileAction::kAdded : FileAction::kRenamedNewName, names, to}};
      table_.report(changes, outcome);
      if (change.is_directory) moved(path, to, outcome);
      break;
    }
    case LocalChange::Kind::kLost:
      table_.lose(outcome);
      break;
  }
  finish(std::move(outcome));
}

}  // namespace braid::smb2
