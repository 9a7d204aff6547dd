// CountedBuffer: a Buffer for whose memory somebody's account pays as long as it is there.
#pragma once

#include <utility>

#include "base/bytes.h"
#include "base/memory_charge.h"

namespace braid {

class CountedBuffer : public Buffer {
 public:
  CountedBuffer() = default;
  CountedBuffer(Buffer buffer, MemoryCharge charge = {})
      : Buffer(std::move(buffer)), charge_(std::move(charge)) {}

 private:
  MemoryCharge charge_;
};

}  // namespace braid
