#include "smb2/notify/watch_table.h"

#include <algorithm>
#include <utility>

#include "base/fair_share.h"
#include "wire/utf16.h"

namespace braid::smb2 {
namespace {

using Hits = std::vector<DirectoryTree::Hit>;

// The names by which changes are told, one for each change and watched directory.
class Names {
 public:
  // `hits` in the order in which they were found.
  Names(std::span<const PathChange> changes, const Hits& hits) : texts_(changes.size()) {
    for (size_t i = 0; i < hits.size();) {
      const size_t change = hits[i].change;
      std::string& text = texts_[change];
      text = changes[change].path;
      std::ranges::replace(text, '/', '\\');
      const size_t first = i;
      for (; i < hits.size() && hits[i].change == change; ++i) {
        if (i == first || hits[i].name_at != hits[i - 1].name_at) starts_.push_back(hits[i]);
      }
    }
    // From the last backwards, so that each byte is measured once.
    names_.reserve(starts_.size());
    size_t size = 0;
    for (size_t i = starts_.size(); i-- > 0;) {
      const Start& start = starts_[i];
      const bool is_last = i + 1 == starts_.size() || starts_[i + 1].change != start.change;
      const std::string_view text = texts_[start.change];
      if (is_last) size = 0;
      const size_t end = is_last ? text.size() : starts_[i + 1].at;
      size += wire::utf16le_size(text.substr(start.at, end - start.at));
      names_.emplace_back(text.substr(start.at), size);
    }
    std::ranges::reverse(names_);
  }

  ChangedName& of(const DirectoryTree::Hit& hit) {
    const auto at = std::ranges::lower_bound(starts_, Start(hit));
    return names_[static_cast<size_t>(at - starts_.begin())];
  }

 private:
  struct Start {
    Start(const DirectoryTree::Hit& hit) : change(hit.change), at(hit.name_at) {}
    size_t change;
    size_t at;
    auto operator<=>(const Start&) const = default;
  };
  std::vector<std::string> texts_;  // by change; "" for those nobody hears of
  std::vector<Start> starts_;
  std::vector<ChangedName> names_;  // of the starts
};

}  // namespace

size_t WatchTable::cost_of(std::string_view directory) {
  return sizeof(Entry) + DirectoryTree::cost_of(directory);
}

auto WatchTable::find(uint64_t id) const -> EntryRef {
  auto by_id = by_id_.lock();
  const auto found = by_id->find(id);
  return found == by_id->end() ? nullptr : found->second;
}

auto WatchTable::wait(const Watch& watch, NotifyWaiter waiter, bool& is_first, Outcome& outcome)
    -> Placed {
  EntryRef entry;
  {
    auto by_id = by_id_.lock();
    EntryRef& there = (*by_id)[watch.id];
    is_first = !there;
    if (is_first) there = std::make_shared<Entry>(watch);
    entry = there;
  }
  auto state = entry->state.lock();
  if (state->ended) {  // just now
    outcome.answers.emplace_back(std::move(waiter), NotifyAnswer{NtStatus::kNotifyCleanup, {}});
    return entry->placed;
  }
  state->pending.push_back(std::move(waiter));
  answer(*entry, *state, outcome);
  return entry->placed;
}

bool WatchTable::place(uint64_t id, std::string_view directory, WatchKeeps keeps) {
  const EntryRef entry = find(id);
  if (!entry) return true;
  {
    auto state = entry->state.lock();
    if (state->ended) return true;
    state->keeps = std::move(keeps);
  }
  if (!count(*entry, cost_of(directory))) return false;
  return tree_.lock()->add(entry, directory);
}

bool WatchTable::count(Entry& entry, size_t cost) {
  auto state = entry.state.lock();
  if (state->ended || cost <= state->counted || !state->keeps.counts) return true;
  if (!state->keeps.counts(cost)) return false;
  state->counted = cost;
  return true;
}

bool WatchTable::set_local(uint64_t id, Local local) {
  const EntryRef entry = find(id);
  if (!entry) return false;
  auto state = entry->state.lock();
  if (state->ended) return false;
  state->local = local;
  return true;
}

void WatchTable::cancel(uint64_t id, const NotifyWaiter& waiter, Outcome& outcome) {
  const EntryRef entry = find(id);
  if (!entry) return;
  auto state = entry->state.lock();
  const auto request = std::ranges::find(state->pending, waiter);
  if (request == state->pending.end()) return;
  outcome.answers.emplace_back(waiter, NotifyAnswer{NtStatus::kCancelled, {}});
  state->pending.erase(request);
}

template <class Change>
void WatchTable::change_buffer(const Entry& entry, State& state, Change change) {
  const size_t before = state.buffer.size();
  change(state.buffer);
  if (state.buffer.size() == before) return;
  auto buffered = buffered_.lock();
  const auto counted = buffered->of_user.try_emplace(entry.user, 0).first;
  size_t& own = counted->second;
  buffered->size -= before;
  own -= before;
  if (own + state.buffer.size() > fair_share(kBufferedMax, buffered->size - own)) {
    state.buffer.lose();
  }
  buffered->size += state.buffer.size();
  own += state.buffer.size();
  if (own == 0) buffered->of_user.erase(counted);
}

std::optional<WatchTable::Watch> WatchTable::watch(uint64_t id) const {
  const EntryRef entry = find(id);
  if (!entry) return std::nullopt;
  return Watch{.id = id,
               .user = entry->user,
               .tree = entry->tree,
               .filter = entry->filter,
               .capacity = entry->capacity};
}

void WatchTable::end(uint64_t id, NtStatus status, Outcome& outcome) {
  auto node = by_id_.lock()->extract(id);
  if (!node) return;
  const EntryRef entry = std::move(node.mapped());
  tree_.lock()->remove(*entry);
  WatchKeeps dropped;  // after the lock
  auto state = entry->state.lock();
  state->ended = true;
  std::swap(dropped, state->keeps);
  change_buffer(*entry, *state, [](ChangeBuffer& buffer) { buffer.lose(); });
  for (NotifyWaiter& waiter : state->pending) {
    outcome.answers.emplace_back(std::move(waiter), NotifyAnswer{status, {}});
  }
  state->pending.clear();
  outcome.ended.push_back(state->local);
}

void WatchTable::end_at(std::string_view directory, bool below, NtStatus status, Outcome& outcome) {
  const auto places = tree_.lock()->places_at(directory, below);
  for (const auto& place : places) end(entry_of(place).id, status, outcome);
}

void WatchTable::answer(const Entry& entry, State& state, Outcome& outcome) {
  if (state.pending.empty() || state.buffer.empty()) return;
  change_buffer(entry, state, [&](ChangeBuffer& buffer) {
    outcome.answers.emplace_back(std::move(state.pending.front()), buffer.take());
  });
  state.pending.pop_front();
}

void WatchTable::report(std::span<const PathChange> changes, Outcome& outcome) {
  Hits hits = tree_.lock()->find(changes);
  if (hits.empty()) return;
  Names names(changes, hits);
  if (changes.size() > 1) {
    std::ranges::sort(hits, {}, [](const DirectoryTree::Hit& hit) {
      return std::pair(hit.place.get(), hit.change);
    });
  }
  for (auto hit = hits.begin(); hit != hits.end();) {
    const Entry& entry = entry_of(hit->place);
    auto state = entry_of(hit->place).state.lock();
    for (; hit != hits.end() && hit->place.get() == &entry; ++hit) {
      if (state->ended || state->buffer.is_lost()) continue;
      change_buffer(entry, *state, [&](ChangeBuffer& buffer) {
        buffer.add(changes[hit->change].action, names.of(*hit));
      });
    }
    if (!state->ended) answer(entry, *state, outcome);
  }
}

bool WatchTable::moved(std::string_view from, std::string_view to, Outcome& outcome) {
  // What it would take more is nobody's.
  if (DirectoryTree::is_too_deep(to)) {
    end_at(from, /*below=*/true, NtStatus::kNotifyCleanup, outcome);
    return false;
  }
  if (!tree_.lock()->moved(from, to)) return false;
  // One that takes less keeps its count: it may come back.
  if (DirectoryTree::cost_of(to) <= DirectoryTree::cost_of(from)) return true;
  const auto costs = tree_.lock()->costs_at(to);
  for (const auto& [place, cost] : costs) {
    if (count(entry_of(place), sizeof(Entry) + cost)) continue;
    end(entry_of(place).id, NtStatus::kNotifyCleanup, outcome);
  }
  return true;
}

void WatchTable::lose(Entry& entry, Outcome& outcome) {
  auto state = entry.state.lock();
  if (state->ended) return;
  change_buffer(entry, *state, [](ChangeBuffer& buffer) { buffer.lose(); });
  answer(entry, *state, outcome);
}

void WatchTable::lose(Outcome& outcome) {
  std::vector<EntryRef> entries;
  {
    auto by_id = by_id_.lock();
    entries.reserve(by_id->size());
    for (const auto& [id, entry] : *by_id) entries.push_back(entry);
  }
  for (const EntryRef& entry : entries) lose(*entry, outcome);
}

void WatchTable::lose_at(std::string_view directory, uint32_t filter, bool below,
                         Outcome& outcome) {
  const auto places = tree_.lock()->concerned(directory, filter, below);
  for (const auto& place : places) lose(entry_of(place), outcome);
}

}  // namespace braid::smb2
