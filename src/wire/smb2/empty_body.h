// The four-byte body that several messages share: StructureSize 4 and two reserved bytes.
#pragma once

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

template <class T>
Result<T> decode_empty_body(Reader& r) {
  r.expect_u16(4);
  r.skip(2);
  return r.finish(T{});
}

inline void encode_empty_body(Writer& w) {
  w.u16(4);
  w.u16(0);
}

}  // namespace braid::wire
