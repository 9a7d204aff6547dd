// What filestate calls upward; implemented by the layer that has connections.
#pragma once

#include <vector>

#include "filestate/types.h"

namespace braid::filestate {

// Called by FileTable after it dropped its locks, on the thread that made the event, in the order
// the events decided. An implementation may call FileTable again. Thread: any, concurrently.
class BreakSink {
 public:
  virtual ~BreakSink() = default;
  virtual void send_break(const Break& notification) = 0;
  // Those of one event, which may be any number. REQUIRES: there are some.
  virtual void send_breaks(std::vector<Break> notifications) {
    for (const Break& notification : notifications) send_break(notification);
  }
  virtual void completed(const FileKey& file, const Completion& completion) = 0;
  // A disconnected open was given up and is closed as far as filestate goes: free what was kept for
  // its return, and delete the file if `closed` says so.
  virtual void purged(const OpenRef& open, const CloseDecision& closed) = 0;
  // A worker that died was to make this deletion, and somebody was told that it is made: it is this
  // one's now.
  virtual void orphaned(const OrphanedDeletion& deletion) = 0;
};

}  // namespace braid::filestate
