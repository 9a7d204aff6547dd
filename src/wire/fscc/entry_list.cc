#include "wire/fscc/entry_list.h"

namespace braid::wire {

bool EntryListReader::next(ByteView& entry) {
  if (done_ || !ok_) return false;
  if (buffer_.empty()) {
    done_ = true;
    return false;
  }
  Reader r(buffer_, position_);
  const uint32_t next_entry_offset = r.u32();
  const size_t left = buffer_.size() - position_;
  if (!r.ok() || next_entry_offset > left ||
      (next_entry_offset != 0 && (next_entry_offset < 4 || next_entry_offset % alignment_ != 0))) {
    ok_ = false;
    return false;
  }
  const size_t length = next_entry_offset == 0 ? left : next_entry_offset;
  entry = buffer_.subspan(position_ + 4, length - 4);
  entry_position_ = position_;
  position_ += length;
  done_ = next_entry_offset == 0;
  return true;
}

void EntryListWriter::begin() {
  before_ = writer_.position();
  writer_.align(alignment_);
  current_ = writer_.position();
  if (count_ > 0) writer_.patch_u32(last_, static_cast<uint32_t>(current_ - last_));
  writer_.u32(0);
}

bool EntryListWriter::end() {
  if (writer_.position() > limit_) {
    writer_.out().resize(writer_.out().size() - (writer_.position() - before_));
    if (count_ > 0) writer_.patch_u32(last_, 0);
    return false;
  }
  last_ = current_;
  ++count_;
  return true;
}

}  // namespace braid::wire
