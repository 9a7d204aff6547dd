// Opens that a FileTable does not have before somebody asks about their file.
#pragma once

#include <functional>
#include <string_view>

#include "base/ids.h"

namespace braid::filestate {

// Implemented by who keeps them. Called by FileTable with no lock held, before it looks at a file
// for somebody who does not have it open. Thread: any, concurrently.
class Sleepers {
 public:
  virtual ~Sleepers() = default;
  // When it returns, FileTable has what slept of this file, whichever stream.
  virtual void wake(const FileKey& file) = 0;
  // The same for all whose path `is` so.
  virtual void wake_where(const std::function<bool(std::string_view path)>& is) = 0;
};

}  // namespace braid::filestate
