// What the buses of workers say to each other in messages of ctdb.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "store/message_bus.h"
#include "store/worker_tag.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::store::ctdb {

// One message. Anybody in the cluster's network can make one, so it says nothing that is believed
// beyond what a lost message would do: whoever gets it looks at the records.
struct BusPacket {
  static constexpr uint32_t kMagic = 0x31425242;  // "BRB1": another version has another
  static constexpr size_t kHeading = 32;
  static constexpr size_t kTopics = static_cast<size_t>(Topic::kCount);
  static_assert(kTopics < 32);

  enum class Kind : uint8_t {
    kMessage,
    kMissed,  // only that something was missed
    kTaken,   // what came up to `position` was handled
    kCount,
  };

  WorkerTag from;
  WorkerTag to;  // of kTaken: whose messages were taken. Else as its sender knows it
  Kind kind = Kind::kMessage;
  Lane lane = Lane::kControl;
  Topic topic = Topic::kRecords;  // of kMessage
  bool is_fd_lost = false;
  uint32_t missed = 0;  // a set of 1 << Topic: messages of them will not come
  // Bytes of this sender to this receiver in this lane, up to the end of this message: whoever
  // finds more than he has got has missed some.
  uint64_t position = 0;
  ByteView payload;

  // What a message counts.
  static uint64_t weight(size_t payload) { return kHeading + payload; }

  static Result<BusPacket> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

}  // namespace braid::store::ctdb
