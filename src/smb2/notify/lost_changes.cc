#include "smb2/notify/lost_changes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "smb2/notify/paths.h"

namespace braid::smb2 {
namespace {

constexpr uint32_t kAll = ~uint32_t{0};

}  // namespace

void LostChanges::add(const ChangeEvent& event) {
  for (const PathChange& change : event.changes) {
    add(std::string(parent_of(change.path)), {.filter = change.filter});
  }
  // Watches that did not go with it hear of nothing from there on.
  if (!event.moved_from.empty()) add(event.moved_from, {.filter = kAll, .below = true});
  if (!event.going.empty()) add(event.going, {.filter = kAll});
  for (const ChangeEvent::Lost& each : event.lost) {
    add(each.directory, {.filter = each.filter, .below = each.below});
  }
}

void LostChanges::add(std::string directory, Place place) {
  if (directory.size() > kPathMax) {
    const size_t cut = directory.rfind('/', kPathMax);
    directory.resize(cut == std::string::npos ? 0 : cut);
    place.below = true;
  }
  // One above may stand for it already.
  for (size_t end = directory.rfind('/'); end != std::string::npos && end != 0;
       end = directory.rfind('/', end - 1)) {
    const auto above = places_.find(std::string_view(directory).substr(0, end));
    if (above == places_.end() || !above->second.below) continue;
    above->second.filter |= place.filter;
    return;
  }
  Place& there = places_[std::move(directory)];
  there.filter |= place.filter;
  there.below |= place.below;
  while (places_.size() > kPlacesMax) {
    size_t deepest = 0;
    for (const auto& [path, each] : places_) deepest = std::max(deepest, depth_of(path));
    if (deepest == 0) return;  // shares that are no directory of this machine: as many as there are
    decltype(places_) fewer;
    for (const auto& [path, each] : places_) {
      const bool goes_up = depth_of(path) == deepest;
      Place& above = fewer[goes_up ? std::string(parent_of(path)) : path];
      above.filter |= each.filter;
      above.below |= each.below || goes_up;
    }
    places_ = std::move(fewer);
  }
}

ChangeEvent LostChanges::take() {
  ChangeEvent event;
  for (const auto& [path, place] : std::exchange(places_, {})) {
    event.lost.push_back({.filter = place.filter, .below = place.below, .directory = path});
  }
  return event;
}

}  // namespace braid::smb2
