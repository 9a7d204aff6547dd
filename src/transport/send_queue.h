// SendQueue: frames waiting for the socket. No I/O.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "transport/out_frame.h"

namespace braid::transport {

// The sending half of [MS-SMB2] 2.1 "Transport": puts the length header before each frame and
// remembers how much of the first one is gone. Owned by TcpTransport. Thread: one.
class SendQueue {
 public:
  void push(OutFrame frame);
  // The bytes that push() would add to the stream. REQUIRES: a framed frame is no longer than
  // kFrameSizeMax.
  static size_t size_on_wire(const OutFrame& frame);

  // Fills `places` with the next bytes to send, none of them empty, and returns how many it used.
  size_t gather(std::span<iovec> places) const;
  // The first `count` bytes are gone.
  void sent(size_t count);

  bool empty() const { return entries_.empty(); }
  void clear();

 private:
  struct Entry {
    std::array<uint8_t, 4> header;
    size_t header_size;
    OutFrame frame;
    size_t size;
  };
  std::deque<Entry> entries_;
  size_t done_ = 0;  // bytes of the first entry that are gone
};

}  // namespace braid::transport
