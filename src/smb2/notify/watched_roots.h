// WatchedRoots: which worker watches in which share, as each says to all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "store/watch_notice.h"

namespace braid::store {
class Group;
}

namespace braid::smb2 {

struct ChangeEvent;

// A root is where a share begins, as a path of the watch table. Others see a hash of it, so one
// that they take for another only makes them send what nobody needs. Owned by the NotifyHub.
// Thread: any.
class WatchedRoots {
 public:
  // `group` may be null, and outlives this.
  explicit WatchedRoots(store::Group* group) : group_(group) {}

  // Something is watched there for as long as this is held. Outlived by this object.
  using Hold = std::shared_ptr<const void>;
  Hold hold(std::string_view root);
  // Watches went from `from` to `to` with a directory that was renamed. If that is in other shares
  // than it was, no root says where they are now.
  void moved(std::string_view from, std::string_view to);

  // The other workers to which the event is news, as a set of 1 << index: those that watch in the
  // share of a path of it, or in one above or below that.
  uint64_t concerned(const ChangeEvent& event) const;

 private:
  static constexpr size_t kElsewhere = ~size_t{0};
  struct Root {
    size_t holds = 0;
    size_t at = 0;  // among the places; kElsewhere: there was no room
  };
  struct Roots {
    std::map<std::string, Root, std::less<>> by_path;
    bool are_unknown = false;  // see moved()
    size_t elsewhere = 0;
    store::WatchedPlaces places;
  };

  void release(const std::string& root);
  void say(Roots& roots);

  store::Group* const group_;
  Guarded<Roots> roots_;
};

}  // namespace braid::smb2
