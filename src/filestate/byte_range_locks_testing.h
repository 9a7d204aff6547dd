// The locks of a stream as another worker has them.
#pragma once

#include <map>
#include <variant>

#include "filestate/byte_range_locks.h"
#include "filestate/part_table.h"
#include "store/record_store.h"

namespace braid::filestate {

// Locks with the table of their parts.
struct SharedLocks {
  PartTable parts;
  ByteRangeLocks locks{&parts, 0};

  std::map<uint32_t, Bytes> image() const {
    std::map<uint32_t, Bytes> image;
    parts.for_each(0, store::kPartsMax, [&](uint32_t number) {
      wire::Writer w(image[number]);
      const PartThing& thing = parts.at(number).thing;
      if (const auto* const lock = std::get_if<HeldLock>(&thing)) {
        locks.encode_part(*lock, w);
      } else {
        locks.encode_part(std::get<LockWait>(thing), w);
      }
    });
    return image;
  }
  // False if what `other` says is malformed. REQUIRES: nothing is held or waiting.
  bool take(const SharedLocks& other) {
    const auto image = other.image();
    const auto put = [&]<class Thing>(auto put_one) {
      for (const auto& [number, bytes] : image) {
        if (!std::holds_alternative<Thing>(other.parts.at(number).thing)) continue;
        wire::Reader r(bytes);
        (locks.*put_one)(number, r);
        if (!r.ok() || r.remaining() != 0) return false;
      }
      return true;
    };
    return put.template operator()<HeldLock>(&ByteRangeLocks::put_held) &&
           put.template operator()<LockWait>(&ByteRangeLocks::put_waiting);
  }
};

}  // namespace braid::filestate
