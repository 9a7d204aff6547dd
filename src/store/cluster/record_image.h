// RecordImage: a record with its parts, on its way to another node.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/record_store.h"
#include "wire/reader.h"

namespace braid::store::cluster {

// Views of what it was decoded from. What the values mean is of whoever wrote them.
struct RecordImage {
  static constexpr uint8_t kVersion = 1;

  // No value of the key had this version or a larger one where it was.
  uint64_t version = 0;
  ByteView value;                 // empty: there is no record
  std::vector<PartChange> parts;  // by ascending numbers, none empty

  // Unsupported: of another version.
  static Result<RecordImage> decode(wire::Reader& r);
};

// `is_there`: else there is none, whatever the value.
Bytes image_of(const RecordStore::Held& record, bool is_there);

}  // namespace braid::store::cluster
