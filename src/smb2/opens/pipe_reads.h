// PipeReads: READs of a pipe that wait for something to read.
#pragma once

#include <deque>
#include <memory>

#include "base/guarded.h"
#include "base/result.h"
#include "rpc/pipe.h"
#include "runtime/one_shot.h"
#include "runtime/task.h"

namespace braid::smb2 {

class Request;

// [MS-SMB2] 3.3.5.12 "Receiving an SMB2 READ Request": where there is nothing to read yet, a READ
// of a pipe waits. First come, first served. Owned by the Open. Thread: any.
class PipeReads {
 public:
  struct Waiting {
    explicit Waiting(size_t bytes) : max(bytes) {}
    const size_t max;
    OneShot<Result<rpc::PipeRead>> answer;
  };

  // Null once the pipe is closed.
  std::shared_ptr<Waiting> add(size_t max);
  // False: it is being answered, or was.
  bool remove(const std::shared_ptr<Waiting>& read);
  bool is_empty() const { return state_.lock()->reads.empty(); }
  // Gives what `pipe` has to those who wait. REQUIRES: the turn of the pipe's calls.
  void deliver(rpc::Pipe& pipe);
  // Ends all of them: the pipe is being closed.
  void close();

 private:
  struct State {
    std::deque<std::shared_ptr<Waiting>> reads;
    bool closed = false;
  };
  Guarded<State> state_;
};

// Reads up to `max` bytes of the pipe that `request` has open, after waiting for them if need be;
// meanwhile the request holds neither a thread nor its OpenUse.
Task<Result<rpc::PipeRead>> read_pipe(Request& request, size_t max);

}  // namespace braid::smb2
