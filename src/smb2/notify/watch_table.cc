#include "smb2/notify/watch_table.h"

#include <algorithm>
#include <utility>

#include "base/fair_share.h"

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

bool WatchTable::add(Watch watch) {
  if (const auto there = by_directory_.find(watch.directory); there != by_directory_.end()) {
    const auto own = there->second.of_user.find(watch.user);
    if (own != there->second.of_user.end() && own->second >= kWatchesOfUserMax) return false;
  }
  ChangeBuffer buffer(watch.capacity);
  auto entry = std::make_unique<Entry>(Entry{std::move(watch), std::move(buffer), {}});
  link(*entry);
  by_id_[entry->watch.id] = std::move(entry);
  return true;
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

void WatchTable::link(Entry& entry) {
  Directory& directory = by_directory_[entry.watch.directory];
  directory.entries.push_back(&entry);
  ++directory.of_user[entry.watch.user];
}

void WatchTable::unlink(const Entry& entry) {
  const auto found = by_directory_.find(entry.watch.directory);
  Directory& directory = found->second;
  std::erase(directory.entries, &entry);
  const auto own = directory.of_user.find(entry.watch.user);
  if (--own->second == 0) directory.of_user.erase(own);
  if (directory.entries.empty()) by_directory_.erase(found);
}

std::vector<WatchTable::Entry*> WatchTable::entries_at(const std::string& directory,
                                                       bool below) const {
  std::vector<Entry*> entries;
  const auto take = [&](Directories::const_iterator at, Directories::const_iterator end) {
    for (; at != end; ++at) {
      entries.insert(entries.end(), at->second.entries.begin(), at->second.entries.end());
    }
  };
  const auto own = by_directory_.find(directory);
  if (own != by_directory_.end()) take(own, std::next(own));
  // '0' comes next after '/'.
  if (below)
    take(by_directory_.lower_bound(directory + '/'), by_directory_.lower_bound(directory + '0'));
  return entries;
}

template <class Change>
void WatchTable::change_buffer(Entry& entry, Change change) {
  const size_t before = entry.buffer.size();
  const auto counted = buffered_of_.try_emplace(entry.watch.user, 0).first;
  size_t& own = counted->second;
  buffered_ -= before;
  own -= before;
  change(entry.buffer);
  if (own + entry.buffer.size() > fair_share(kBufferedMax, buffered_ - own)) entry.buffer.lose();
  buffered_ += entry.buffer.size();
  own += entry.buffer.size();
  if (own == 0) buffered_of_.erase(counted);
}

void WatchTable::end(uint64_t id, NtStatus status, Outcome& outcome) {
  auto node = by_id_.extract(id);
  if (!node) return;
  Entry& entry = *node.mapped();
  unlink(entry);
  change_buffer(entry, [](ChangeBuffer& buffer) { buffer.lose(); });
  for (auto& pending : entry.pending) {
    outcome.answers.emplace_back(std::move(pending.waiter), NotifyAnswer{status, {}});
  }
  outcome.ended.push_back(std::move(entry.watch));
}

void WatchTable::end_at(const std::string& directory, bool below, NtStatus status,
                        Outcome& outcome) {
  for (const Entry* entry : entries_at(directory, below)) end(entry->watch.id, status, outcome);
}

void WatchTable::tell(Entry& entry, const PathChange& change) {
  const Watch& watch = entry.watch;
  if ((change.filter & watch.filter) == 0) return;
  if (change.path.starts_with(watch.root) &&
      is_at_or_below(std::string_view(change.path).substr(watch.root.size()), kPrivateFolder)) {
    return;
  }
  if (entry.buffer.is_lost()) return;
  std::string name = change.path.substr(watch.directory.size() + 1);
  std::ranges::replace(name, '/', '\\');
  change_buffer(entry, [&](ChangeBuffer& buffer) { buffer.add(change.action, std::move(name)); });
}

void WatchTable::answer(Entry& entry, Outcome& outcome) {
  if (entry.pending.empty() || entry.buffer.empty()) return;
  change_buffer(entry, [&](ChangeBuffer& buffer) {
    outcome.answers.emplace_back(std::move(entry.pending.front().waiter),
                                 buffer.take(entry.pending.front().limit));
  });
  entry.pending.pop_front();
}

void WatchTable::report(std::span<const PathChange> changes, Outcome& outcome) {
  std::vector<Entry*> told;
  for (const PathChange& change : changes) {
    // From the immediate parent upwards; above it only who watches the tree.
    bool is_parent = true;
    for (size_t end = change.path.rfind('/'); end != std::string::npos;
         end = end == 0 ? std::string::npos : change.path.rfind('/', end - 1)) {
      const auto found = by_directory_.find(std::string_view(change.path).substr(0, end));
      if (found != by_directory_.end()) {
        for (Entry* entry : found->second.entries) {
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
  for (Entry* const entry : entries_at(from, /*below=*/true)) {
    Watch& watch = entry->watch;
    unlink(*entry);
    watch.directory.replace(0, from.size(), to);
    if (is_at_or_below(watch.root, from)) watch.root.replace(0, from.size(), to);
    link(*entry);
  }
}

void WatchTable::lose(Outcome& outcome) {
  for (const auto& [id, entry] : by_id_) {
    change_buffer(*entry, [](ChangeBuffer& buffer) { buffer.lose(); });
    answer(*entry, outcome);
  }
}

}  // namespace braid::smb2
