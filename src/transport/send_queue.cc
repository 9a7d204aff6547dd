#include "transport/send_queue.h"

#include <cassert>
#include <utility>

#include "transport/limits.h"

namespace braid::transport {

size_t SendQueue::size_on_wire(const OutFrame& frame) {
  const size_t size = frame.size();
  if (frame.framing != Framing::kLengthHeader) return size;
  assert(size <= kFrameSizeMax);
  return size + kLengthHeaderSize;
}

void SendQueue::push(OutFrame frame) {
  const size_t length = frame.size();
  Entry entry{.header = {}, .header_size = 0, .frame = std::move(frame), .size = length};
  if (entry.frame.framing == Framing::kLengthHeader) {
    entry.header = {0, static_cast<uint8_t>(length >> 16), static_cast<uint8_t>(length >> 8),
                    static_cast<uint8_t>(length)};
    entry.header_size = kLengthHeaderSize;
    entry.size += kLengthHeaderSize;
  }
  if (entry.size > 0) entries_.push_back(std::move(entry));
}

size_t SendQueue::gather(std::span<iovec> places) const {
  size_t used = 0;
  size_t skip = done_;
  // Empty pieces are left out: a socket layer that sends piece by piece would stop at one.
  const auto add = [&](ByteView bytes) {
    if (skip >= bytes.size()) {
      skip -= bytes.size();
    } else if (used < places.size()) {
      const ByteView rest = bytes.subspan(skip);
      skip = 0;
      places[used++] = {const_cast<uint8_t*>(rest.data()), rest.size()};
    }
  };
  for (const Entry& entry : entries_) {
    if (used == places.size()) break;
    add(ByteView(entry.header).first(entry.header_size));
    add(entry.frame.head);
    for (const Part& part : entry.frame.parts) add(view_of(part));
  }
  return used;
}

void SendQueue::sent(size_t count) {
  done_ += count;
  while (!entries_.empty() && done_ >= entries_.front().size) {
    done_ -= entries_.front().size;
    entries_.pop_front();
  }
}

void SendQueue::clear() {
  entries_.clear();
  done_ = 0;
}

}  // namespace braid::transport
