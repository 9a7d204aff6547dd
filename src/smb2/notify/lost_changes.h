// LostChanges: where changes were made of which another worker could not be told one by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "smb2/notify/change_event.h"

namespace braid::smb2 {

// Directories, and what of the changes in them. When they are too many or their names too long,
// directories above them stand for all that is below. Pure. Thread: under its owner's lock.
class LostChanges {
 public:
  static constexpr size_t kPlacesMax = 32;
  static constexpr size_t kPathMax = 512;  // bytes

  void add(const ChangeEvent& event);
  bool empty() const { return places_.empty(); }
  // As an event, of 20 KiB at most. Empties it.
  ChangeEvent take();

 private:
  struct Place {
    uint32_t filter = 0;
    bool below = false;
  };
  void add(std::string directory, Place place);

  std::map<std::string, Place, std::less<>> places_;
};

}  // namespace braid::smb2
