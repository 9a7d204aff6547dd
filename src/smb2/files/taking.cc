#include "smb2/files/taking.h"

#include "smb2/files/file_services.h"

namespace braid::smb2 {

Task<Result<void>> wait_for_taker(Request& request, filestate::ReplaceDecision taken) {
  const auto over = request.files.deletion_of(taken.waits_for, *taken.taken_by);
  if (!co_await over->wait(request.seat)) co_return fail(NtStatus::kInsufficientResources);
  co_return co_await request.seat.next_turn();
}

Task<Result<filestate::ReplaceDecision>> take(Request& request, FileKey file,
                                              std::function<filestate::ReplaceDecision()> begin) {
  filestate::ReplaceDecision taken = begin();
  while (taken.taken_by) {
    BRAID_CO_CHECK(co_await wait_for_taker(request, taken));
    taken = begin();
  }
  if (taken.decision.verdict == filestate::Verdict::kGo) {
    taken.until_replaced = request.files.announce_until(file, std::move(taken.until_replaced));
  }
  co_return std::move(taken);
}

}  // namespace braid::smb2
