#include "store/ctdb/record_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <tdb.h>

#include <cerrno>
#include <cstdlib>

namespace braid::store::ctdb {
namespace {

TDB_DATA data_of(ByteView bytes) {
  // It is not written to.
  return {const_cast<uint8_t*>(bytes.data()), bytes.size()};
}

Error error_of(tdb_context* tdb) {
  switch (tdb_error(tdb)) {
    case TDB_ERR_OOM:
      return Error::os(ENOMEM);
    case TDB_ERR_CORRUPT:
      return Error::malformed();
    case TDB_ERR_LOCK:
      return Error::os(EDEADLK);
    default:
      return Error::os(EIO);
  }
}

struct Found {
  bool is_whole = false;
  StoredRecord record;
};

int take(TDB_DATA, TDB_DATA value, void* to) {
  auto& found = *static_cast<Found*>(to);
  wire::Reader r(ByteView(value.dptr, value.dsize));
  const auto header = RecordHeader::decode(r);
  if (!header) return 0;
  const ByteView data = r.rest();
  found.record = {*header, Bytes(data.begin(), data.end())};
  found.is_whole = true;
  return 0;
}

}  // namespace

void TdbFile::prepare() { (void)tdb_runtime_check_for_robust_mutexes(); }

Result<std::unique_ptr<TdbFile>> TdbFile::open(const std::string& path, uint32_t tdb_flags) {
  // The library wants to be asked before it takes the flag.
  const auto flags = static_cast<int>(tdb_flags);
  if ((flags & TDB_MUTEX_LOCKING) != 0 && !tdb_runtime_check_for_robust_mutexes()) {
    return fail_os(ENOTSUP);
  }
  tdb_context* const tdb = ::tdb_open(path.c_str(), 0, flags, O_RDWR | O_CLOEXEC, 0600);
  if (!tdb) return fail_last_os();
  return std::unique_ptr<TdbFile>(new TdbFile(tdb));
}

TdbFile::~TdbFile() { ::tdb_close(tdb_); }

Result<bool> TdbFile::try_lock(ByteView key) {
  errno = 0;
  if (::tdb_chainlock_nonblock(tdb_, data_of(key)) == 0) return true;
  if (errno == EAGAIN || errno == EACCES || errno == EINTR || errno == EBUSY) return false;
  return fail(error_of(tdb_));
}

void TdbFile::unlock(ByteView key) { ::tdb_chainunlock(tdb_, data_of(key)); }

Result<std::optional<StoredRecord>> TdbFile::read(ByteView key) {
  Found found;
  if (::tdb_parse_record(tdb_, data_of(key), take, &found) != 0) {
    if (tdb_error(tdb_) == TDB_ERR_NOEXIST) return std::nullopt;
    return fail(error_of(tdb_));
  }
  if (!found.is_whole) return fail(Error::malformed());
  return std::move(found.record);
}

Result<void> TdbFile::write(ByteView key, const RecordHeader& header, ByteView data) {
  Bytes value;
  wire::Writer w(value);
  header.encode(w);
  w.bytes(data);
  if (::tdb_store(tdb_, data_of(key), data_of(value), TDB_REPLACE) != 0) {
    return fail(error_of(tdb_));
  }
  return {};
}

}  // namespace braid::store::ctdb
