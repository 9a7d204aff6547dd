// Records: changes of records that all nodes share.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "store/ctdb/client.h"
#include "store/ctdb/record_file.h"

namespace braid::store::ctdb {

// A record is where it was changed last. There a change is a look-up and a store in memory; from
// elsewhere the record comes first, through the ctdbds. After a node has died a record that was
// there alone is gone, or as it was when it left another node last: who relies on one has to know
// himself what he put there, and puts it back.
// Owned by who has the client and the file, for one connection of it (on_connected to on_lost);
// outlives its calls. Thread: that of the reactor.
class Records {
 public:
  Records(Reactor& reactor, Client& client, RecordFile& file, uint32_t database)
      : reactor_(reactor), client_(client), file_(file), database_(database) {}

  // What the record is to be, after what it is (empty: it is not there); nothing: as it is. Empty
  // removes it. Runs with the record locked: it does not wait.
  using Change = std::function<std::optional<Bytes>(ByteView)>;
  // When this returned without error the change is to be seen by all nodes. An error: nothing was
  // changed. ENOTCONN: ctdbd was lost.
  Task<Result<void>> change(Bytes key, Change change);

  // How often a record was here, had to come, and its lock was another's.
  uint64_t local() const { return local_; }
  uint64_t migrations() const { return migrations_; }
  uint64_t busy() const { return busy_; }

 private:
  enum class Tried : uint8_t { kDone, kBusy, kElsewhere };
  // `removed`: the header of a record that is empty from now on.
  Result<Tried> try_change(ByteView key, const Change& change,
                           std::optional<RecordHeader>& removed);

  Reactor& reactor_;
  Client& client_;
  RecordFile& file_;
  const uint32_t database_;
  uint64_t local_ = 0;
  uint64_t migrations_ = 0;
  uint64_t busy_ = 0;
};

}  // namespace braid::store::ctdb
