// Payload of FSCTL_SRV_ENUMERATE_SNAPSHOTS.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.32.2 "SRV_SNAPSHOT_ARRAY".
struct SrvSnapshotArray {
  // NumberOfSnapShots, NumberOfSnapShotsReturned and SnapShotArraySize.
  static constexpr size_t kHeadSize = 12;
  // "@GMT-YYYY.MM.DD-HH.MM.SS" and a NUL, as UTF-16.
  static constexpr size_t kTokenSize = 50;

  uint32_t number_of_snapshots = 0;
  // SnapShotArraySize; larger than what snapshots need if the output buffer had no room for them.
  uint32_t snapshot_array_size = 0;
  std::vector<std::string> snapshots;  // those returned: "@GMT-..." tokens

  // What SnapShotArraySize is for `count` snapshots: each token, and one NUL at the end.
  static constexpr uint32_t array_size_for(uint32_t count) {
    return count == 0 ? 0 : count * kTokenSize + 2;
  }

  static Result<SrvSnapshotArray> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
