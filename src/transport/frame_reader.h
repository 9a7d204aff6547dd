// FrameReader: cuts a byte stream into messages. No I/O.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <optional>

#include "base/bytes.h"
#include "base/counted_buffer.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "transport/limits.h"

namespace braid::transport {

// The receiving half of [MS-SMB2] 2.1 "Transport": a zero byte and 24 bits of length before each
// message. Of the NetBIOS session service ([RFC1002] 4.3) the keep-alive (0x85), which wants no
// answer, is skipped; everything else is malformed, a session request (0x81) too.
//
// Use: next() until it gives nothing; then, if it is starved(), grant() what it lacks; else read
// into space() and report with received(). Owned by TcpTransport. Thread: one.
class FrameReader {
 public:
  // Where the next bytes go: the rest of a large message first, then the read buffer.
  using Space = std::array<iovec, 2>;

  void set_limit(size_t size) { limit_ = size < kFrameSizeMax ? size : kFrameSizeMax; }
  // Messages carry a charge of `account`, taken before there is memory for them.
  void set_account(std::shared_ptr<MemoryAccount> account) { account_ = std::move(account); }
  // Bytes that were received elsewhere, before any other.
  void seed(ByteView bytes);

  // The next message if all of it is here. Fails with malformed for a frame type that is none, and
  // for a message longer than the limit.
  Result<std::optional<CountedBuffer>> next();
  // How much the account has to have room for before next() gives the next message; 0 if it is not
  // that what is missing.
  size_t starved() const { return starved_; }
  void grant(MemoryCharge charge);
  // True if next() would give a message.
  bool has_message() const;

  // Fills in the places and returns how many there are, 1 or 2. REQUIRES: next() gave nothing.
  size_t space(Space& places);
  void received(size_t count);

  // All that was received and that next() has not given yet, framing included.
  Bytes unread() const;

  // What is still missing of a message that is received in place; 0: of none.
  size_t missing() const { return large_ ? large_->size() - large_filled_ : 0; }

  // True between two messages: an end of stream here loses nothing.
  bool at_boundary() const { return !large_ && begin_ == end_; }

 private:
  ByteView held() const { return buffer_.view().subspan(begin_, end_ - begin_); }
  void start_large(size_t size);
  // The charge of the message that begins; false if there is no room for it yet.
  bool take_charge(size_t size);
  void make_room();

  size_t limit_ = kReceiveLimitInitial;
  CountedBuffer buffer_;  // bytes [begin_, end_) are held
  size_t begin_ = 0;
  size_t end_ = 0;
  // A message being received in place; then the buffer is empty.
  std::optional<CountedBuffer> large_;
  size_t large_filled_ = 0;
  bool large_before_ = false;  // the last message was a large one
  bool is_busy_ = false;       // a read has filled the buffer
  std::shared_ptr<MemoryAccount> account_;
  MemoryCharge charge_;  // of the next message, once granted
  bool is_charged_ = false;
  size_t starved_ = 0;
};

}  // namespace braid::transport
