#include "smb2/commands/long_lock.h"

#include <algorithm>
#include <span>

#include "filestate/byte_range_locks.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "smb2/files/waiting.h"

namespace braid::smb2 {
namespace {

using filestate::kRangesPerTurn;
using Ranges = std::span<const filestate::LockRange>;

Ranges next_of(Ranges all, size_t done) {
  return all.subspan(done, std::min(kRangesPerTurn, all.size() - done));
}

filestate::LockPart part_of(Ranges all, size_t done, Ranges part) {
  return {.is_first = done == 0, .is_last = done + part.size() == all.size()};
}

Task<void> give_back(FileServices& files, filestate::OpenRef ref, Ranges taken,
                     Executor& executor) {
  for (size_t done = 0; done < taken.size();) {
    const Ranges part = next_of(taken, done);
    files.file_table.give_back(ref, part);
    done += part.size();
    co_await executor.next_turn();
  }
}

}  // namespace

Task<Result<void>> lock_in_turns(Request& request, std::vector<filestate::LockRange> ranges,
                                 std::optional<filestate::LockSequence> sequence) {
  FileServices& files = request.files;
  Executor& reactor = request.connection->reactor();
  const Ranges all(ranges);
  if (!std::ranges::all_of(all, filestate::ByteRangeLocks::is_valid)) {
    co_return fail(NtStatus::kInvalidLockRange);
  }
  const filestate::OpenRef ref = request.open->ref();
  const auto turn = co_await files.long_locks.take(ref.file, reactor);
  for (size_t done = 0; done < all.size();) {
    const Ranges part = next_of(all, done);
    bool is_repeated = false;
    const Result<void> taken = co_await until_decided(request, [&] {
      return files.file_table.lock_part(ref, part, sequence, part_of(all, done, part), is_repeated);
    });
    if (!taken) {
      co_await give_back(files, ref, all.first(done), reactor);
      co_return taken;
    }
    if (is_repeated) break;
    done += part.size();
    if (done < all.size()) co_await reactor.next_turn();
  }
  co_return Result<void>{};
}

Task<Result<void>> unlock_in_turns(Request& request, std::vector<filestate::LockRange> ranges,
                                   std::optional<filestate::LockSequence> sequence) {
  FileServices& files = request.files;
  Executor& reactor = request.connection->reactor();
  const Ranges all(ranges);
  const filestate::OpenRef ref = request.open->ref();
  const auto turn = co_await files.long_locks.take(ref.file, reactor);
  for (size_t done = 0; done < all.size();) {
    const Ranges part = next_of(all, done);
    bool is_repeated = false;
    const NtStatus status =
        files.file_table.unlock_part(ref, part, sequence, part_of(all, done, part), is_repeated);
    if (status != NtStatus::kSuccess) co_return fail(status);
    if (is_repeated) break;
    done += part.size();
    if (done < all.size()) co_await reactor.next_turn();
  }
  co_return Result<void>{};
}

}  // namespace braid::smb2
