#include "smb2/notify/watch_table.h"

#include <algorithm>
#include <utility>

namespace braid::smb2 {
namespace {

// Whether `path` is `directory` or something below it.
bool is_at_or_below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

// What the server keeps in a share's root and hides from clients.
constexpr std::string_view kPrivateFolder = "/.braid";

}  // namespace

const WatchTable::Watch* WatchTable::find(uint64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second->watch;
}

bool WatchTable::set_source(uint64_t id, LocalChanges* source, uint64_t local) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || found->second->watch.source) return false;
  found->second->watch.source = source;
  found->second->watch.local = local;
  return true;
}

void WatchTable::add(Watch watch) {
  ChangeBuffer buffer(watch.capacity);
  auto entry = std::make_unique<Entry>(Entry{std::move(watch), std::move(buffer), {}});
  by_directory_[entry->watch.directory].push_back(entry.get());
  by_id_[entry->watch.id] = std::move(entry);
}

void WatchTable::wait(uint64_t id, NotifyWaiter waiter, uint32_t limit, Outcome& outcome) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  found->second->pending.push_back({std::move(waiter), limit});
  answer(*found->second, outcome);
}

void WatchTable::cancel(uint64_t id, const NotifyWaiter& waiter, Outcome& outcome) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  auto& pending = found->second->pending;
  const auto request = std::ranges::find(pending, waiter, &Entry::Pending::waiter);
  if (request == pending.end()) return;
  outcome.answers.emplace_back(waiter, NotifyAnswer{NtStatus::kCancelled, {}});
  pending.erase(request);
}

void WatchTable::unlink(const Entry& entry) {
  const auto found = by_directory_.find(entry.watch.directory);
  std::erase(found->second, &entry);
  if (found->second.empty()) by_directory_.erase(found);
}

void WatchTable::end(uint64_t id, NtStatus status, Outcome& outcome) {
  auto node = by_id_.extract(id);
  if (!node) return;
  Entry& entry = *node.mapped();
  unlink(entry);
  buffered_ -= entry.buffer.size();
  for (auto& pending : entry.pending) {
    outcome.answers.emplace_back(std::move(pending.waiter), NotifyAnswer{status, {}});
  }
  outcome.ended.push_back(std::move(entry.watch));
}

void WatchTable::end_at(const std::string& directory, bool below, NtStatus status,
                        Outcome& outcome) {
  std::vector<uint64_t> ids;
  if (below) {
    for (const auto& [id, entry] : by_id_) {
      if (is_at_or_below(entry->watch.directory, directory)) ids.push_back(id);
    }
  } else if (const auto found = by_directory_.find(directory); found != by_directory_.end()) {
    for (const Entry* entry : found->second) ids.push_back(entry->watch.id);
  }
  for (const uint64_t id : ids) end(id, status, outcome);
}

void WatchTable::tell(Entry& entry, const PathChange& change) {
  const Watch& watch = entry.watch;
  if ((change.filter & watch.filter) == 0) return;
  if (change.path.starts_with(watch.root) &&
      is_at_or_below(std::string_view(change.path).substr(watch.root.size()), kPrivateFolder)) {
    return;
  }
  std::string name = change.path.substr(watch.directory.size() + 1);
  std::ranges::replace(name, '/', '\\');
  buffered_ -= entry.buffer.size();
  entry.buffer.add(change.action, std::move(name));
  if (buffered_ + entry.buffer.size() > kBufferedMax) entry.buffer.lose();
  buffered_ += entry.buffer.size();
}

void WatchTable::answer(Entry& entry, Outcome& outcome) {
  if (entry.pending.empty() || entry.buffer.empty()) return;
  buffered_ -= entry.buffer.size();
  outcome.answers.emplace_back(std::move(entry.pending.front().waiter),
                               entry.buffer.take(entry.pending.front().limit));
  entry.pending.pop_front();
}

void WatchTable::report(std::span<const PathChange> changes, Outcome& outcome) {
  std::vector<Entry*> told;
  for (const PathChange& change : changes) {
    // From the immediate parent upwards; above it only who watches the tree.
    bool is_parent = true;
    for (size_t end = change.path.rfind('/'); end != std::string::npos;
         end = end == 0 ? std::string::npos : change.path.rfind('/', end - 1)) {
      const auto found = by_directory_.find(change.path.substr(0, end));
      if (found != by_directory_.end()) {
        for (Entry* entry : found->second) {
          if (!is_parent && !entry->watch.tree) continue;
          tell(*entry, change);
          told.push_back(entry);
        }
      }
      is_parent = false;
    }
  }
  for (Entry* entry : told) answer(*entry, outcome);
}

void WatchTable::moved(const std::string& from, const std::string& to) {
  for (const auto& [id, entry] : by_id_) {
    Watch& watch = entry->watch;
    if (!is_at_or_below(watch.directory, from)) continue;
    unlink(*entry);
    watch.directory.replace(0, from.size(), to);
    if (is_at_or_below(watch.root, from)) watch.root.replace(0, from.size(), to);
    by_directory_[watch.directory].push_back(entry.get());
  }
}

void WatchTable::lose(Outcome& outcome) {
  for (const auto& [id, entry] : by_id_) {
    buffered_ -= entry->buffer.size();
    entry->buffer.lose();
    answer(*entry, outcome);
  }
}

}  // namespace braid::smb2
