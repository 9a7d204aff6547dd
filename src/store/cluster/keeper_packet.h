// What the keepers of the nodes say to each other in messages of ctdb.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "store/cluster/home.h"
#include "store/record_store.h"
#include "store/worker_tag.h"

namespace braid::store::cluster {

// One message. Anybody in the cluster's network can make one: what it is about is looked for among
// what this keeper itself has begun, and both lives are numbers that nobody guesses.
struct KeeperPacket {
  static constexpr uint32_t kMagic = 0x324B5242;  // "BRK2": another version has another
  // Of a record, in one message.
  static constexpr size_t kPieceMax = size_t{256} << 10;
  // Of a whole record; 100 bytes or more for each open of the file.
  static constexpr uint64_t kRecordMax = uint64_t{128} << 20;

  enum class Kind : uint8_t {
    kHello,    // who lives there
    kBye,      // it ends, and has nothing any more that others need
    kWant,     // the record is to come: its sender is its home by now
    kRecord,   // a piece of it
    kGot,      // all of it has come
    kTake,     // its sender is about to end, and has it: somebody is to want it
    kFind,     // as kWant, to all: the database does not know who has it
    kNotHere,  // its sender was asked for it, and has nothing of it
    kCount,
  };

  Kind kind = Kind::kHello;
  uint32_t node = 0;     // of its sender
  uint64_t life = 0;     // of its sender
  uint64_t to_life = 0;  // of whom it is for; 0: of whoever lives there
  // Of kHello.
  WorkerTag worker;      // the sender's; no worker: there is none now
  WorkerTag known;       // the receiver's, as the sender knows it
  uint32_t process = 0;  // the sender's number on its node
  bool is_serving = false;
  bool wants_answer = false;
  // boot_time_ns() of whoever wants the answer, when it asked: the answer says it again.
  int64_t asked_at = 0;
  // Of all but kHello and kBye.
  RecordKey key{.kind = RecordKind::kFile};
  uint64_t turn = 0;  // Home::turn of whoever wants it
  // Of kRecord.
  uint64_t size = 0;  // of all of it
  uint64_t offset = 0;
  ByteView piece;

  static Result<KeeperPacket> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

}  // namespace braid::store::cluster
