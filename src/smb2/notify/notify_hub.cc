#include "smb2/notify/notify_hub.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "smb2/notify/paths.h"
#include "smb2/open.h"
#include "smb2/store_account.h"
#include "store/worker_group.h"
#include "wire/reader.h"
#include "wire/writer.h"

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

NotifyHub::NotifyHub(store::WorkerGroup* group)
    : group_(group),
      fanotify_(
          open_fanotify(*this, [group](pid_t pid) { return group && group->has_member(pid); })),
      inotify_(open_inotify(*this)) {
  if (group_) {
    group_->bus().handle(
        store::Topic::kChanges, [this](store::BusMessage& message) { on_message(message.payload); },
        [this] { lose_all(); });
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
  for (const WatchTable::Watch& watch : outcome.ended) {
    if (watch.source) watch.source->unwatch(watch.local);
  }
  for (auto& [waiter, answer] : outcome.answers) waiter->set(std::move(answer));
}

void NotifyHub::listen(const Open& open) {
  const uint64_t id = open.file_id.persistent;
  const Share& share = *open.tree_connect->share;
  if (share.real_path.empty()) return;
  LocalWatch wanted{.root = share.real_path,
                    .device = open.attributes.file_key.device,
                    .user = open.owner ? static_cast<uint64_t>(account_of(*open.owner)) : 0};
  {
    auto table = table_.lock();
    const WatchTable::Watch* const watch = table->find(id);
    if (!watch || watch->source) return;
    wanted.directory = spelled_on_disk(watch->directory);
    wanted.tree = watch->tree;
  }
  if (wanted.directory.empty()) wanted.directory = "/";
  for (LocalChanges* source : {fanotify_.get(), inotify_.get()}) {
    if (!source) continue;
    const uint64_t local = source->watch(wanted);
    if (local == 0) continue;
    // It may have ended meanwhile, or another request have done this.
    if (!table_.lock()->set_source(id, source, local)) source->unwatch(local);
    return;
  }
}

NotifyWaiter NotifyHub::wait(const Open& open, std::string_view path,
                             const wire::ChangeNotifyRequest& request, bool& is_first) {
  auto waiter = std::make_shared<OneShot<NotifyAnswer>>();
  const uint64_t id = open.file_id.persistent;
  WatchTable::Outcome outcome;
  {
    auto table = table_.lock();
    is_first = !table->find(id);
    if (is_first) {
      const Share& share = *open.tree_connect->share;
      WatchTable::Watch watch;
      watch.id = id;
      watch.user = open.user;
      watch.root = in_table(share, {});
      watch.directory = in_table(share, path);
      watch.tree = (request.flags & wire::ChangeNotifyRequest::kFlagWatchTree) != 0;
      watch.filter = request.completion_filter;
      watch.capacity = request.output_buffer_length;
      if (!table->add(std::move(watch))) return nullptr;
      set_watch_count(table->size());
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
    set_watch_count(table->size());
  }
  finish(std::move(outcome));
}

void NotifyHub::delete_pending(const Share& share, std::string_view path) {
  if (anyone()) publish({.going = in_table(share, path)});
}

bool NotifyHub::others_watch() const {
  for (size_t i = 0; i < group_->size(); ++i) {
    if (i != group_->own_tag().index() && group_->region().slot(i).watches != 0) return true;
  }
  return false;
}

void NotifyHub::set_watch_count(size_t count) {
  watch_count_ = count;
  if (group_) {
    group_->region().slot(group_->own_tag().index()).watches = static_cast<uint32_t>(count);
  }
}

void NotifyHub::publish(const Event& event) {
  apply(event);
  if (!group_ || !others_watch()) return;
  const Bytes message = event.encode();
  for (size_t i = 0; i < group_->size(); ++i) {
    if (i == group_->own_tag().index() || group_->region().slot(i).watches == 0) continue;
    group_->bus().send(i, store::Topic::kChanges, message);
  }
}

void NotifyHub::apply(const Event& event) {
  if (watch_count_ == 0) return;
  for (const Event::Note& note : event.notes) {
    if (!inotify_) break;
    if (note.is_name) {
      inotify_->own_name_change(note.path);
    } else {
      inotify_->own_modification(note.path);
    }
  }
  if (!event.changes.empty()) report(event.changes);
  if (!event.moved_from.empty()) table_.lock()->moved(event.moved_from, event.moved_to);
  if (event.going.empty()) return;
  WatchTable::Outcome outcome;
  {
    auto table = table_.lock();
    table->end_at(event.going, false, NtStatus::kDeletePending, outcome);
    set_watch_count(table->size());
  }
  finish(std::move(outcome));
}

void NotifyHub::on_message(ByteView message) {
  if (const auto event = Event::decode(message)) apply(*event);
}

void NotifyHub::lose_all() {
  if (watch_count_ == 0) return;
  WatchTable::Outcome outcome;
  table_.lock()->lose(outcome);
  finish(std::move(outcome));
}

namespace {

// The paths of an event, each once: an event has three at most that are not the same, and one may
// take nearly 100,000 bytes.
class Texts {
 public:
  uint8_t index(const std::string& text) {
    const auto at = std::ranges::find(texts_, text) - texts_.begin();
    if (at == std::ssize(texts_)) texts_.push_back(text);
    return static_cast<uint8_t>(at);
  }
  void encode(wire::Writer& w) const {
    w.u8(static_cast<uint8_t>(texts_.size()));
    for (const std::string& text : texts_) {
      w.u32(static_cast<uint32_t>(text.size()));
      w.bytes(as_bytes(text));
    }
  }
  static Texts decode(wire::Reader& r) {
    Texts texts;
    const uint8_t count = r.u8();
    for (uint8_t i = 0; i < count && r.ok(); ++i) {
      const uint32_t size = r.u32();
      texts.texts_.emplace_back(as_text(r.bytes(size)));
    }
    return texts;
  }
  // Of what another worker sent: nothing where there is none.
  std::string at(uint8_t index) const {
    return index < texts_.size() ? texts_[index] : std::string();
  }

 private:
  std::vector<std::string> texts_;
};

}  // namespace

Bytes NotifyHub::Event::encode() const {
  Texts texts;
  Bytes parts;
  wire::Writer w(parts);
  w.u8(static_cast<uint8_t>(notes.size()));
  for (const Note& note : notes) {
    w.u8(note.is_name);
    w.u8(texts.index(note.path));
  }
  w.u8(static_cast<uint8_t>(changes.size()));
  for (const PathChange& change : changes) {
    w.value(change.action);
    w.u32(change.filter);
    w.u8(texts.index(change.path));
  }
  w.u8(texts.index(moved_from));
  w.u8(texts.index(moved_to));
  w.u8(texts.index(going));
  Bytes bytes;
  wire::Writer whole(bytes);
  texts.encode(whole);
  whole.bytes(parts);
  return bytes;
}

auto NotifyHub::Event::decode(ByteView bytes) -> Result<Event> {
  wire::Reader r(bytes);
  const Texts texts = Texts::decode(r);
  Event event;
  const uint8_t note_count = r.u8();
  for (uint8_t i = 0; i < note_count && r.ok(); ++i) {
    const bool is_name = r.u8() != 0;
    event.notes.push_back({is_name, texts.at(r.u8())});
  }
  const uint8_t change_count = r.u8();
  for (uint8_t i = 0; i < change_count && r.ok(); ++i) {
    PathChange change;
    change.action = r.as<FileAction>();
    change.filter = r.u32();
    change.path = texts.at(r.u8());
    event.changes.push_back(std::move(change));
  }
  event.moved_from = texts.at(r.u8());
  event.moved_to = texts.at(r.u8());
  event.going = texts.at(r.u8());
  return r.finish(std::move(event));
}

void NotifyHub::report(std::span<const PathChange> changes) {
  WatchTable::Outcome outcome;
  table_.lock()->report(changes, outcome);
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
  const std::vector<Event::Note> notes{{true, from}, {true, to}};
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
        set_watch_count(table->size());
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
