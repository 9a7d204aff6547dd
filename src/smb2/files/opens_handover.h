// OpensHandover: the disconnected opens of this worker on their way to those that take its place,
// and on the other side their arrival.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "smb2/opens/preserved_open.h"

namespace braid::smb2 {

class FileServices;

// Of opens that are in a handle log nothing is handed over: the next writer of the log has them.
//
//   give() --> take_back()   nothing came of it, and all is as before
//          --> (the process ends without closing a file)
//
// Owned by the Server. Thread: one, that may wait for the disk and is no pool's.
class OpensHandover {
 public:
  explicit OpensHandover(FileServices& files) : files_(files) {}

  // For one worker. The descriptors are those of the opens that have one, in their order, and stay
  // this process's.
  struct Part {
    Bytes state;
    std::vector<int> descriptors;
  };
  // A part for each of `workers`; `worker_of` says which a client comes to. REQUIRES: no client is
  // served, here or by another worker, and no time-out runs.
  using WorkerOf = std::function<size_t(const ClientGuid&)>;
  std::vector<Part> give(size_t workers, const WorkerOf& worker_of);
  void take_back();

  // A part, with its descriptors; one that was lost on the way is none. What cannot be had again is
  // said in the log, by name. How many there are. An error: `state` is of a newer version, or
  // damaged, and nothing of it is here. REQUIRES: no client is connected.
  Result<size_t> take(ByteView state, std::vector<UniqueFd> descriptors);
  // From here on the kernel tells this process of what of them it guards. REQUIRES: the other one
  // has ended.
  void serve();

 private:
  FileServices& files_;
  std::vector<PreservedOpen> given_;
  std::vector<uint64_t> guarded_;  // by FileId.Persistent: of what was taken
};

// An open that waits for its client, of a process before this one, which has ended: the kernel
// tells this process of what it guards of it (local_access = "strict"). Thread: one that may wait
// for the disk.
void guard_again(FileServices& files, uint64_t persistent_id);

}  // namespace braid::smb2
