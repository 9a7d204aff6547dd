// FrameReader: cuts a byte stream into messages. No I/O.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "transport/limits.h"

namespace braid::transport {

// The receiving half of [MS-SMB2] 2.1 "Transport": a zero byte and 24 bits of length before each
// message. Of the NetBIOS session service ([RFC1002] 4.3) the keep-alive (0x85), which wants no
// answer, is skipped; everything else is malformed, a session request (0x81) too.
//
// Use: next() until it gives nothing; then read into space() and report with received().
// Owned by TcpTransport. Thread: one.
class FrameReader {
 public:
  // Where the next bytes go: the rest of a large message first, then the read buffer.
  using Space = std::array<iovec, 2>;

  void set_limit(size_t size) { limit_ = size < kFrameSizeMax ? size : kFrameSizeMax; }
  // Bytes that were received elsewhere, before any other.
  void seed(ByteView bytes);

  // The next message if all of it is here. Fails with malformed for a frame type that is none, and
  // for a message longer than the limit.
  Result<std::optional<Buffer>> next();
  // True if next() would give a message.
  bool has_message() const;

  // Fills in the places and returns how many there are, 1 or 2. REQUIRES: next() gave nothing.
  size_t space(Space& places);
  void received(size_t count);

  // True between two messages: an end of stream here loses nothing.
  bool at_boundary() const { return !large_ && begin_ == end_; }

 private:
  ByteView held() const { return buffer_.view().subspan(begin_, end_ - begin_); }
  void start_large(size_t size);

  size_t limit_ = kReceiveLimitInitial;
  Buffer buffer_;  // bytes [begin_, end_) are held
  size_t begin_ = 0;
  size_t end_ = 0;
  std::optional<Buffer> large_;  // a message being received in place; then the buffer is empty
  size_t large_filled_ = 0;
  bool large_before_ = false;  // the last message was a large one
};

}  // namespace braid::transport
