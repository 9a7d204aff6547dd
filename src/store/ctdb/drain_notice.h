// DrainNotice: what nodes are told when an administrator empties one.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::store::ctdb {

// Whoever has a witness registers for this.
inline constexpr uint64_t kDrainNumber = 0xB502000000000000;

// Anybody in the cluster's network can make one. All that comes of it is that clients of that node
// who asked to be told are told to use other nodes.
struct DrainNotice {
  static constexpr uint32_t kMagic = 0x31445242;  // "BRD1": another version has another

  uint32_t node = 0;  // about to be empty

  // Unsupported: of another version.
  static Result<DrainNotice> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
  bool operator==(const DrainNotice&) const = default;
};

}  // namespace braid::store::ctdb
