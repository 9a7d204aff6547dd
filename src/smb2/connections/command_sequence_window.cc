#include "smb2/connections/command_sequence_window.h"

#include <algorithm>

namespace braid::smb2 {

bool CommandSequenceWindow::take(MessageId first, uint32_t count) {
  const uint64_t begin = first.value;
  if (count == 0 || begin < low_ || begin >= high_ || count > high_ - begin) return false;
  for (uint64_t id = begin; id < begin + count; ++id) {
    if (used_.test(id % kCreditsMax)) return false;
  }
  for (uint64_t id = begin; id < begin + count; ++id) used_.set(id % kCreditsMax);
  while (low_ < high_ && used_.test(low_ % kCreditsMax)) {
    used_.reset(low_ % kCreditsMax);
    ++low_;
  }
  return true;
}

uint16_t CommandSequenceWindow::grant(uint16_t requested, uint16_t charge, bool may_grow) {
  const uint64_t width = high_ - low_;
  const uint64_t room = kCreditsMax - width;
  // What was used comes back; more only if asked for and allowed.
  uint64_t granted = std::max<uint16_t>(charge, 1);
  if (may_grow && requested > granted) granted = requested;
  granted = std::min(granted, room);
  if (granted == 0 && width == 0) granted = 1;
  high_ += granted;
  return static_cast<uint16_t>(granted);
}

void CommandSequenceWindow::restart(MessageId first, uint32_t width) {
  low_ = first.value;
  high_ = low_ + width;
  used_.reset();
}

CommandSequenceWindow::Image CommandSequenceWindow::image() const {
  Image image{.low = low_, .high = high_, .used = {}};
  for (uint64_t id = low_; id < high_; ++id) image.used.push_back(used_.test(id % kCreditsMax));
  return image;
}

bool CommandSequenceWindow::is_valid(const Image& image) {
  return image.low <= image.high && image.high - image.low <= kCreditsMax &&
         image.used.size() == image.high - image.low && (image.used.empty() || !image.used[0]);
}

void CommandSequenceWindow::restore(const Image& image) {
  low_ = image.low;
  high_ = image.high;
  used_.reset();
  for (size_t i = 0; i < image.used.size(); ++i) {
    if (image.used[i]) used_.set((low_ + i) % kCreditsMax);
  }
}

}  // namespace braid::smb2
