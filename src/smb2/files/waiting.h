// Waiting for what other clients do: CREATE, operations and LOCK, once filestate has said kWait.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/guarded.h"
#include "filestate/types.h"
#include "runtime/task.h"
#include "smb2/breaks/breaks.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

// Takes a wait out of filestate. False: it is over already, and its end is on the way to the
// Waiter.
using LeaveWait = std::function<bool(const Waiter&)>;

// Waits until `waiter` is set, and says what with; kPending: the wait was given up for an upgrade
// of which nothing came, and whoever still wants something asks for it again. Sends the interim
// response; holds no Open, since whoever closes one waits for the requests that use it. CANCEL and
// the end of the connection call `leave`, and if that says so the request is cancelled:
// STATUS_CANCELLED, also when that was between two waits. INSUFFICIENT_RESOURCES: too many wait.
// Starts on any thread; ends on the connection's reactor.
Task<Result<NtStatus>> wait_for_others(Request& request, Waiter waiter, LeaveWait leave);

// The same for what asks again when it was woken. `seen`: Breaks::retries() from before it asked.
Task<Result<void>> wait_for_retry(Request& request, filestate::OpenToken token, uint64_t seen,
                                  LeaveWait leave);

// The files whose breaks are waited for when it is not that of the open; others in each round.
using WaitPlace = std::shared_ptr<Guarded<std::vector<FileKey>>>;

// The same for an operation of the request's open: has its Opens again afterwards, unless they were
// closed meanwhile (FILE_CLOSED), and is on the kind of thread (reactor or pool) it was on.
Task<Result<void>> wait_to_ask_again(Request& request, uint64_t seen, WaitPlace place = {});

uint64_t retries_so_far(const Request& request);

// Asks filestate until it says kGo or kFail, waiting in between. `ask()` gives a Decision; it
// registers a wait for the open of the request, with its own file or with those that `place` says
// by then. Starts on any thread; continues on the same kind.
template <class Ask>
Task<Result<void>> until_decided(Request& request, Ask ask, WaitPlace place = {}) {
  for (;;) {
    const uint64_t seen = retries_so_far(request);
    const filestate::Decision decision = ask();
    if (decision.verdict == filestate::Verdict::kGo) co_return Result<void>{};
    if (decision.verdict == filestate::Verdict::kFail) co_return fail(decision.status);
    BRAID_CO_CHECK(co_await wait_to_ask_again(request, seen, place));
  }
}

}  // namespace braid::smb2
