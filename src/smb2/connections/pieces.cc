#include "smb2/connections/pieces.h"

#include <algorithm>
#include <chrono>

#include "smb2/common/limits.h"

namespace braid::smb2 {

Task<Result<void>> in_pieces(Request& request, vfs::Range range,
                             std::function<Result<void>(vfs::Range)> work) {
  using Clock = std::chrono::steady_clock;
  uint64_t size = kBytesPerTurn;
  while (range.length > 0) {
    const vfs::Range piece{range.offset, std::min(range.length, size)};
    const auto begun = Clock::now();
    BRAID_CO_CHECK(work(piece));
    range.offset += piece.length;
    range.length -= piece.length;
    if (range.length == 0) break;
    const auto took = Clock::now() - begun;
    if (took < kQuickTurn) {
      size = std::min(size * 2, kBytesPerQuickTurnMax);
    } else if (took > 4 * kQuickTurn) {
      size = std::max(size / 2, kBytesPerTurn);
    }
    BRAID_CO_CHECK(co_await request.seat.next_turn());
  }
  co_return Result<void>{};
}

}  // namespace braid::smb2
