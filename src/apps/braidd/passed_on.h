// PassedOn: connections that this worker has and another should.
#pragma once

#include <deque>

#include "base/bytes.h"
#include "base/guarded.h"
#include "base/unique_fd.h"
#include "runtime/connection_sink.h"

namespace braid::braidd {

// A queue between the threads that serve connections and the worker's main thread, which alone
// writes to the link. Waits out a front that is started again; a connection in it is nobody's
// and unanswered, and its client waits as it would in the front.
//
// Owned by the worker's main. Thread: any, except where it says otherwise.
class PassedOn final : public ConnectionRouter {
 public:
  // Of worker `index`, of `workers`.
  PassedOn(size_t index, size_t workers);

  bool belongs_elsewhere(const ClientGuid& client) const override;
  void pass_on(UniqueFd socket, Buffer frame) override;

  // Readable when there is something new to send.
  int wake_fd() const { return wake_.get(); }
  // Sends what it can over `link`, -1 while there is none. False: some is left, for when there
  // is room. Thread: the worker's main thread.
  bool send(int link);

 private:
  struct Waiting {
    UniqueFd socket;
    Buffer frame;
  };

  const size_t index_;
  const size_t workers_;
  const UniqueFd wake_;
  Guarded<std::deque<Waiting>> waiting_;
};

}  // namespace braid::braidd
