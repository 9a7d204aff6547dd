// Several workers in one process, for tests.
#pragma once

#include <fcntl.h>

#include <memory>
#include <vector>

#include "store/worker_group.h"

namespace braid::store {

struct TestGroup {
  // `before`: whose place these take.
  explicit TestGroup(size_t workers, RegionSizes sizes = {.buckets = 256, .arena_bytes = 8 << 20},
                     const GroupResources* before = nullptr) {
    sizes.workers = workers;
    resources = *GroupResources::make(sizes, before);
    groups.resize(workers);
    for (size_t i = 0; i < workers; ++i) join(i);
  }
  // A new life of worker `index`.
  void join(size_t index) {
    groups[index].reset();
    std::vector<UniqueFd> fds;
    for (const int fd : resources.for_worker(index)) {
      fds.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    }
    groups[index] = *WorkerGroup::join(index, std::move(fds));
  }
  // As if it had been killed: nothing of it is given back, and the others know.
  void kill(size_t index) {
    region(index).slot(index).tag = 0;
    region(index).roster_version()++;
  }
  // As worker `index` has mapped it.
  const SharedRegion& region(size_t index) const { return groups[index]->region_; }
  // Which of its device's locks the file has.
  size_t lock_of(const FileKey& file) const { return groups[0]->lock_of(file); }
  // Bytes of records that `index` has written and that are in use: by looking at all of them.
  // REQUIRES: the worker changes nothing meanwhile.
  size_t used_bytes(size_t index) const {
    return SharedRecords(region(index), index).arena().used_bytes();
  }

  GroupResources resources;
  std::vector<std::unique_ptr<WorkerGroup>> groups;
};

}  // namespace braid::store
