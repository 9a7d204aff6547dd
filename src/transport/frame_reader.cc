#include "transport/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace braid::transport {

namespace {

// [RFC1002] 4.3.1 "SESSION PACKETS". Direct TCP knows the first only; some clients send the other.
enum FrameType : uint8_t {
  kMessage = 0x00,
  kKeepAlive = 0x85,
};

size_t length_of(ByteView header) {
  return size_t{header[1]} << 16 | size_t{header[2]} << 8 | header[3];
}

// Gives Buffers that begin some bytes behind where their memory does; whose that is stands before
// them.
class LedBuffers final : public BufferOwner {
 public:
  explicit constexpr LedBuffers(size_t lead) : lead_(lead) {}

  Buffer make(size_t size) {
    const BufferMemory::Block block = BufferMemory::take(lead_ + size);
    new (block.data) BufferOwner*(block.owner);
    return Buffer(block.data + lead_, size, *this);
  }
  void take_back(uint8_t* data, size_t size) noexcept override {
    uint8_t* const block = data - lead_;
    auto* const owner = *std::launder(reinterpret_cast<BufferOwner**>(block));
    owner->take_back(block, lead_ + size);
  }

 private:
  const size_t lead_;
};
static_assert(kLeadPlain >= sizeof(BufferOwner*) && kLeadSealed >= sizeof(BufferOwner*));
constinit LedBuffers led_plain(kLeadPlain);
constinit LedBuffers led_sealed(kLeadSealed);

// Of a message that begins with `start`.
Buffer room_for(size_t size, ByteView start) {
  if (size < BufferMemory::kKeptMin) return Buffer(size);
  const bool is_sealed = !start.empty() && start[0] == kFirstByteSealed;
  return (is_sealed ? led_sealed : led_plain).make(size);
}

}  // namespace

void FrameReader::seed(ByteView bytes) {
  buffer_ = Buffer(std::max(bytes.size(), kReadBufferSize));
  if (!bytes.empty()) std::memcpy(buffer_.data(), bytes.data(), bytes.size());
  begin_ = 0;
  end_ = bytes.size();
}

Result<std::optional<CountedBuffer>> FrameReader::next() {
  if (large_) {
    if (large_filled_ < large_->size()) return std::nullopt;
    return std::exchange(large_, std::nullopt);
  }
  while (end_ - begin_ >= kLengthHeaderSize) {
    const ByteView frame = held();
    const size_t length = length_of(frame);
    const size_t available = frame.size() - kLengthHeaderSize;
    if (frame[0] == kMessage) {
      if (length > limit_) return fail(Error::malformed());
      const size_t missing = available < length ? length - available : 0;
      const bool fits = kLengthHeaderSize + length <= buffer_.size();
      if (missing > 0 && missing < kDirectReceiveMin && fits) return std::nullopt;
      if (!take_charge(length)) return std::nullopt;
      if (missing > 0) {
        start_large(length);
        return std::nullopt;
      }
      CountedBuffer message(Buffer::copy_of(frame.subspan(kLengthHeaderSize, length)),
                            std::exchange(charge_, {}));
      is_charged_ = false;
      begin_ += kLengthHeaderSize + length;
      large_before_ = false;
      return message;
    }
    if (frame[0] != kKeepAlive || length != 0) return fail(Error::malformed());
    begin_ += kLengthHeaderSize;
  }
  return std::nullopt;
}

bool FrameReader::has_message() const {
  if (large_) return large_filled_ == large_->size();
  if (end_ - begin_ < kLengthHeaderSize) return false;
  const ByteView frame = held();
  return frame[0] == kMessage && frame.size() - kLengthHeaderSize >= length_of(frame);
}

bool FrameReader::take_charge(size_t size) {
  if (!account_ || is_charged_) return true;
  if (auto charge = account_->try_take(size, MemoryUse::kFrame)) {
    grant(std::move(*charge));
    return true;
  }
  starved_ = size;
  return false;
}

void FrameReader::grant(MemoryCharge charge) {
  charge_ = std::move(charge);
  is_charged_ = true;
  starved_ = 0;
}

void FrameReader::start_large(size_t size) {
  const ByteView start = held().subspan(kLengthHeaderSize);
  large_.emplace(room_for(size, start), std::exchange(charge_, {}));
  is_charged_ = false;
  is_busy_ = false;  // it was filled by this one message
  if (!start.empty()) std::memcpy(large_->data(), start.data(), start.size());
  large_filled_ = start.size();
  large_before_ = true;
  begin_ = end_ = 0;
}

void FrameReader::make_room() {
  // What another process had received may be more than what a read takes, once.
  if (begin_ == end_ && buffer_.size() > kReadBufferSize) {
    buffer_ = CountedBuffer();
    begin_ = end_ = 0;
  }
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.empty()) buffer_ = Buffer(kReadBufferSizeInitial);
  if (!is_busy_ || buffer_.size() >= kReadBufferSize) return;
  MemoryCharge charge;
  if (account_) {
    auto room = account_->try_take(kReadBufferSize, MemoryUse::kLasting);
    if (!room) return;
    charge = std::move(*room);
  }
  CountedBuffer larger(Buffer(kReadBufferSize), std::move(charge));
  if (end_ > 0) std::memcpy(larger.data(), buffer_.data(), end_);
  buffer_ = std::move(larger);
}

size_t FrameReader::space(Space& places) {
  make_room();
  size_t count = 0;
  if (large_) {
    places[count++] = {large_->data() + large_filled_, large_->size() - large_filled_};
  }
  size_t room = buffer_.size() - end_;
  if (large_before_) room = std::min(room, kReadAheadAfterLarge);
  places[count++] = {buffer_.data() + end_, room};
  return count;
}

Bytes FrameReader::unread() const {
  Bytes bytes;
  if (large_) {
    const size_t size = large_->size();
    bytes = {kMessage, static_cast<uint8_t>(size >> 16), static_cast<uint8_t>(size >> 8),
             static_cast<uint8_t>(size)};
    const ByteView start = large_->view().first(large_filled_);
    bytes.insert(bytes.end(), start.begin(), start.end());
  }
  const ByteView behind = held();
  bytes.insert(bytes.end(), behind.begin(), behind.end());
  return bytes;
}

void FrameReader::received(size_t count) {
  if (large_) {
    const size_t taken = std::min(count, large_->size() - large_filled_);
    large_filled_ += taken;
    count -= taken;
  }
  end_ += count;
  is_busy_ = is_busy_ || (!large_before_ && end_ == buffer_.size());
}

}  // namespace braid::transport
