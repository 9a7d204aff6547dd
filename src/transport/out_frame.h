// OutFrame: one message on its way out, as the pieces it was made from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/memory_charge.h"

namespace braid::transport {

// Owned memory that becomes part of a frame without being copied.
using Part = std::variant<Bytes, Buffer>;

inline ByteView view_of(const Part& part) {
  if (const auto* bytes = std::get_if<Bytes>(&part)) return *bytes;
  return std::get<Buffer>(part).view();
}

// Whether the transport puts its length header before the frame. Without one the bytes go into
// the stream as they are: for tests that play a broken peer.
enum class Framing : uint8_t { kLengthHeader, kNone };

// Most frames are a head only; a READ response is a head and one Buffer of file data. A value.
struct OutFrame {
  Bytes head;
  std::vector<Part> parts;  // follow the head, in order
  Framing framing = Framing::kLengthHeader;
  MemoryCharge charge;  // for as long as it waits to be sent
  // A token of the peer's which its card invalidates when this arrives. Only for a transport with
  // remote_memory(); others leave it aside.
  std::optional<uint32_t> invalidate = {};

  size_t size() const {
    size_t total = head.size();
    for (const Part& part : parts) total += view_of(part).size();
    return total;
  }
};

// One contiguous copy, for transports that have no gathering send.
Buffer flatten(const OutFrame& frame);

}  // namespace braid::transport
