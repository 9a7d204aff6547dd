#include "transport/relay/ring.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace braid::transport::relay {
namespace {

constexpr size_t kLengthSize = 4;

RingHead& head_of(MutableByteView memory) {
  assert(memory.size() >= sizeof(RingHead));
  assert(reinterpret_cast<uintptr_t>(memory.data()) % alignof(RingHead) == 0);
  return *reinterpret_cast<RingHead*>(memory.data());
}

MutableByteView data_of(MutableByteView memory) {
  assert((memory.size() - sizeof(RingHead)) % 8 == 0);
  return memory.subspan(sizeof(RingHead));
}

}  // namespace

// Both flags are seen by the other side or show what it has done: each says first what it does, and
// looks then.

RingWriter::RingWriter(MutableByteView memory) : head_(head_of(memory)), data_(data_of(memory)) {}

Result<size_t> RingWriter::room() {
  const uint64_t unread = written_ - head_.read.load(std::memory_order_seq_cst);
  // More than fits: the reader is ahead, or has gone back.
  if (unread > data_.size()) is_broken_ = true;
  if (is_broken_) return fail(Error::malformed());
  return data_.size() - unread;
}

void RingWriter::copy(uint64_t at, ByteView bytes) {
  const size_t begin = at % data_.size();
  const size_t first = std::min(bytes.size(), data_.size() - begin);
  if (first > 0) std::memcpy(data_.data() + begin, bytes.data(), first);
  if (first < bytes.size()) std::memcpy(data_.data(), bytes.data() + first, bytes.size() - first);
}

Result<bool> RingWriter::put(std::span<const ByteView> parts) {
  size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  if (size > data_.size() || size_in_ring(size) > data_.size()) {
    return fail(NtStatus::kInvalidBufferSize);
  }
  BRAID_TRY(const size_t free, room());
  if (size_in_ring(size) > free) return false;
  const auto length = static_cast<uint32_t>(size);
  copy(written_, {reinterpret_cast<const uint8_t*>(&length), kLengthSize});
  uint64_t at = written_ + kLengthSize;
  for (const ByteView part : parts) {
    copy(at, part);
    at += part.size();
  }
  written_ += size_in_ring(size);
  head_.written.store(written_, std::memory_order_seq_cst);
  return true;
}

bool RingWriter::must_wake() {
  return head_.reader_sleeps.load(std::memory_order_seq_cst) != 0 &&
         head_.reader_sleeps.exchange(0, std::memory_order_seq_cst) != 0;
}

Result<bool> RingWriter::sleep(size_t size) {
  head_.writer_sleeps.store(1, std::memory_order_seq_cst);
  const auto free = room();
  if (free && *free < size_in_ring(size)) return true;
  head_.writer_sleeps.store(0, std::memory_order_seq_cst);
  if (!free) return std::unexpected(free.error());
  return false;
}

RingReader::RingReader(MutableByteView memory, size_t message_max)
    : head_(head_of(memory)), data_(data_of(memory)), message_max_(message_max) {}

Result<size_t> RingReader::available() {
  const uint64_t unread = head_.written.load(std::memory_order_seq_cst) - read_;
  if (unread > data_.size() || unread % 8 != 0) is_broken_ = true;
  if (is_broken_) return fail(Error::malformed());
  return unread;
}

void RingReader::copy(uint64_t at, MutableByteView to) const {
  const size_t begin = at % data_.size();
  const size_t first = std::min(to.size(), data_.size() - begin);
  if (first > 0) std::memcpy(to.data(), data_.data() + begin, first);
  if (first < to.size()) std::memcpy(to.data() + first, data_.data(), to.size() - first);
}

Result<std::optional<Bytes>> RingReader::take() {
  BRAID_TRY(const size_t unread, available());
  if (unread == 0) return std::nullopt;
  // Once: it may be another one by the next look.
  uint32_t length = 0;
  copy(read_, {reinterpret_cast<uint8_t*>(&length), kLengthSize});
  if (length > message_max_ || size_in_ring(length) > unread) {
    is_broken_ = true;
    return fail(Error::malformed());
  }
  Bytes message(length);
  copy(read_ + kLengthSize, message);
  read_ += size_in_ring(length);
  head_.read.store(read_, std::memory_order_seq_cst);
  return message;
}

bool RingReader::must_wake() {
  return head_.writer_sleeps.load(std::memory_order_seq_cst) != 0 &&
         head_.writer_sleeps.exchange(0, std::memory_order_seq_cst) != 0;
}

Result<bool> RingReader::sleep() {
  head_.reader_sleeps.store(1, std::memory_order_seq_cst);
  const auto unread = available();
  if (unread && *unread == 0) return true;
  head_.reader_sleeps.store(0, std::memory_order_seq_cst);
  if (!unread) return std::unexpected(unread.error());
  return false;
}

}  // namespace braid::transport::relay
