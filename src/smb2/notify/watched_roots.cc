#include "smb2/notify/watched_roots.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "smb2/notify/change_event.h"
#include "smb2/notify/paths.h"
#include "store/group.h"

namespace braid::smb2 {
namespace {

// FNV-1a, as each prefix of a path is one step from the last.
struct PathHash {
  uint64_t value = 14'695'981'039'346'656'037u;

  void add(char byte) { value = (value ^ static_cast<uint8_t>(byte)) * 1'099'511'628'211u; }
  uint64_t result() const { return std::max<uint64_t>(value, 1); }  // 0 is no root
};

uint64_t hash_of(std::string_view path) {
  PathHash hash;
  for (const char byte : path) hash.add(byte);
  return hash.result();
}

// Hashes of the directories that lead to `path`, and of it, of `depth_max` components at most.
void add_prefixes(std::string_view path, size_t depth_max, std::vector<uint64_t>& hashes) {
  PathHash hash;
  size_t depth = 0;
  for (const char byte : path) {
    if (byte == '/') {
      hashes.push_back(hash.result());
      if (++depth > depth_max) return;
    }
    hash.add(byte);
  }
  hashes.push_back(hash.result());
}

}  // namespace

auto WatchedRoots::hold(std::string_view root) -> Hold {
  if (!group_) return nullptr;
  auto roots = roots_.lock();
  auto found = roots->by_path.find(root);
  if (found == roots->by_path.end()) {
    found = roots->by_path.emplace(root, Root{}).first;
    auto& places = roots->places.roots;
    const auto free = std::ranges::find(places, uint64_t{0});
    if (free == places.end()) {
      found->second.at = kElsewhere;
      ++roots->elsewhere;
    } else {
      found->second.at = static_cast<size_t>(free - places.begin());
      *free = hash_of(root);
    }
    say(*roots);
  }
  ++found->second.holds;
  return {this, [this, path = found->first](const void*) { release(path); }};
}

void WatchedRoots::release(const std::string& root) {
  auto roots = roots_.lock();
  const auto found = roots->by_path.find(root);
  if (--found->second.holds != 0) return;
  if (found->second.at == kElsewhere) {
    --roots->elsewhere;
  } else {
    roots->places.roots[found->second.at] = 0;
  }
  roots->by_path.erase(found);
  say(*roots);
}

void WatchedRoots::say(Roots& roots) {
  size_t deepest = 0;
  for (const auto& [path, root] : roots.by_path) deepest = std::max(deepest, depth_of(path));
  roots.places.deepest_root = deepest;
  roots.places.are_unknown = roots.are_unknown || roots.elsewhere != 0;
  group_->say_watched(roots.places);
}

void WatchedRoots::moved(std::string_view from, std::string_view to) {
  if (!group_) return;
  auto roots = roots_.lock();
  if (roots->are_unknown) return;
  const bool stays = std::ranges::all_of(roots->by_path, [&](const auto& each) {
    const std::string_view root = each.first;
    return is_at_or_below(from, root) ? is_at_or_below(to, root) && from != root
                                      : !is_at_or_below(root, from);
  });
  if (stays) return;
  // For good: it takes shares within each other, and costs the others only messages.
  roots->are_unknown = true;
  say(*roots);
}

uint64_t WatchedRoots::concerned(const ChangeEvent& event) const {
  if (!group_) return 0;
  const size_t own = group_->own_tag().index();
  uint64_t all = 0;
  size_t deepest = 0;
  for (size_t i = 0; i < group_->size(); ++i) {
    if (i == own || group_->watch_notice(i).watches == 0) continue;
    all |= uint64_t{1} << i;
    deepest = std::max<size_t>(deepest, group_->watch_notice(i).deepest_root);
  }
  if (all == 0) return 0;
  std::vector<uint64_t> hashes;
  const auto add = [&](const std::string& path) {
    if (!path.empty()) add_prefixes(path, deepest, hashes);
  };
  for (const PathChange& change : event.changes) add(change.path);
  for (const ChangeEvent::Note& note : event.notes) add(note.path);
  add(event.moved_from);
  add(event.moved_to);
  add(event.going);
  std::ranges::sort(hashes);
  uint64_t concerned = 0;
  for (size_t i = 0; i < group_->size(); ++i) {
    if ((all >> i & 1) == 0) continue;
    const store::WatchNotice& notice = group_->watch_notice(i);
    bool is_news = notice.are_unknown ||
                   (!event.moved_from.empty() && depth_of(event.moved_from) < notice.deepest_root);
    for (size_t at = 0; !is_news && at < notice.roots_end; ++at) {
      const uint64_t root = notice.roots[at];
      is_news = root != 0 && std::ranges::binary_search(hashes, root);
    }
    if (is_news) concerned |= uint64_t{1} << i;
  }
  return concerned;
}

}  // namespace braid::smb2
