// OtherWorkers: how a subject asks and tells those of the other workers.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "store/group.h"

namespace braid::smb2 {

class Questions;

// What is asked and told is its subject's: each has a store::Topic, encodes its own messages and
// answers for this worker (Questions, on_told()). Without a group nothing here does anything, so
// that no subject has to know whether there is one. Owned by the Server. Thread: any.
class OtherWorkers {
 public:
  // `group`: null when there are no others.
  explicit OtherWorkers(store::Group* group) : group_(group) {}
  OtherWorkers(const OtherWorkers&) = delete;
  OtherWorkers& operator=(const OtherWorkers&) = delete;

  store::Group* group() const { return group_; }
  // Whether there can be any.
  bool any() const { return group_ != nullptr; }
  // This one; no worker when it is the only one.
  store::WorkerTag own_tag() const { return group_ ? group_->own_tag() : store::WorkerTag{}; }
  // Whether another worker has this index.
  bool is_other(size_t index) const;
  // Their indexes, from `first` on and then from the start.
  std::vector<size_t> indexes(size_t first = 0) const;

  // All others. Waits for room as long as not too much does; then it is lost.
  void tell(store::Topic topic, ByteView message);
  // Before the group starts. `handler` runs on a thread of the bus and must not block.
  void on_told(store::Topic topic, std::function<void(ByteView message)> handler);

  // From now on nothing is asked, and what was asked is given up: the others may be ending, too.
  void stop();

 private:
  friend class Questions;

  store::Group* const group_;
  std::vector<Questions*> questions_;  // all there are; before the group starts
};

}  // namespace braid::smb2
