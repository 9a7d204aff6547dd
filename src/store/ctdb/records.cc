#include "store/ctdb/records.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace braid::store::ctdb {
namespace {

using std::chrono::microseconds;

// ctdbd has the lock of a record for as long as it takes to move it, some tens of microseconds, or
// that of all for a recovery, some tens of milliseconds.
constexpr microseconds kBusyFirst{50};
constexpr microseconds kBusyMax{5'000};

}  // namespace

Task<Result<void>> Records::change(Bytes key, Change change) {
  const auto pnn = client_.pnn();
  microseconds wait = kBusyFirst;
  for (;;) {
    if (!pnn || client_.pnn() != pnn) co_return fail_os(ENOTCONN);
    std::optional<RecordHeader> removed;
    BRAID_CO_TRY(const Tried tried, try_change(key, change, removed));
    switch (tried) {
      case Tried::kDone:
        // That it is empty is what counts; when it goes is ctdbd's affair, and that it may is said
        // again by whoever empties it next.
        if (removed) (void)co_await client_.schedule_for_deletion(database_, *removed, key);
        co_return Result<void>();
      case Tried::kBusy:
        ++busy_;
        co_await reactor_.sleep_for(wait);
        wait = std::min(2 * wait, kBusyMax);
        break;
      case Tried::kElsewhere:
        ++migrations_;
        wait = kBusyFirst;
        BRAID_CO_CHECK(co_await client_.migrate(database_, key));
    }
  }
}

auto Records::try_change(ByteView key, const Change& change, std::optional<RecordHeader>& removed)
    -> Result<Tried> {
  BRAID_TRY(const bool is_locked, file_.try_lock(key));
  if (!is_locked) return Tried::kBusy;
  struct Unlock {
    RecordFile& file;
    ByteView key;
    ~Unlock() { file.unlock(key); }
  } const unlock{file_, key};
  BRAID_TRY(const auto record, file_.read(key));
  // One that was never here has no header that says whose it is; ctdbd makes it.
  if (!record || record->header.dmaster != client_.pnn() ||
      (record->header.flags & RecordHeader::kReadOnlyCopies) != 0) {
    return Tried::kElsewhere;
  }
  ++local_;
  const auto data = change(record->data);
  if (!data) return Tried::kDone;
  RecordHeader header = record->header;
  ++header.rsn;
  if (data->empty()) {
    header.flags = (header.flags & ~RecordHeader::kMigratedWithData) | RecordHeader::kAutomatic;
    removed = header;
  } else {
    header.flags = (header.flags & ~RecordHeader::kAutomatic) | RecordHeader::kMigratedWithData;
  }
  BRAID_CHECK(file_.write(key, header, *data));
  return Tried::kDone;
}

}  // namespace braid::store::ctdb
