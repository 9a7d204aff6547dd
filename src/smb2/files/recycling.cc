#include "smb2/files/recycling.h"

#include <chrono>

#include "smb2/files/file_services.h"
#include "smb2/opens/work_owner.h"

namespace braid::smb2 {
namespace {

constexpr std::chrono::seconds kEvery = std::chrono::hours(1);
// Names of a turn on the pool, behind what requests wait with.
constexpr size_t kPiece = 256;
constexpr uint64_t kTicksPerDay = 86'400 * kTicksPerSecond;

Task<void> sweep(FileServices& files, std::shared_ptr<const Share> share) {
  WorkerPool::Seat seat(files.pool, work_of(nullptr, share.get()));
  const FileTime now = files.clock.now();
  const uint64_t kept = share->recycle_days * kTicksPerDay;
  const auto sweep = share->volume->sweep_bin({now.ticks > kept ? now.ticks - kept : 0});
  if (!sweep) co_return;
  for (;;) {
    if (!co_await seat.next_turn()) co_return;
    const auto more = sweep->next(kPiece);
    if (!more || !*more) co_return;
  }
}

}  // namespace

void begin_sweep(FileServices& files, std::shared_ptr<const Share> share) {
  if (share->recycle_days == 0) return;
  const auto now = files.clock.monotonic().time_since_epoch();
  const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  int64_t due = share->next_sweep;
  if (seconds < due) return;
  if (!share->next_sweep.compare_exchange_strong(due, seconds + kEvery.count())) return;
  files.spawn(sweep(files, std::move(share)));
}

}  // namespace braid::smb2
