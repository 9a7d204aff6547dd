#include "smb2/opens/channel_sequence.h"

#include "base/wrapping.h"
#include "smb2/opens/open.h"

namespace braid::smb2 {

void ChannelSequence::start_from(uint16_t sequence) { state_.lock()->counts.sequence = sequence; }

ChannelSequence::Admission ChannelSequence::begin(uint16_t sequence, bool is_replay) {
  auto state = state_.lock();
  Counts& counts = state->counts;
  if (is_behind(sequence, counts.sequence)) return {.is_admitted = false};
  if (sequence != counts.sequence) {
    counts.outstanding_pre += counts.outstanding;
    counts.outstanding = 0;
    counts.sequence = sequence;
    ++state->generation;
  }
  // What is repeated may be one of those still under way.
  if (is_replay && counts.outstanding_pre != 0) return {.is_admitted = false};
  ++counts.outstanding;
  return {.counted_in = state->generation};
}

void ChannelSequence::end(Generation counted_in) {
  auto state = state_.lock();
  --(counted_in == state->generation ? state->counts.outstanding : state->counts.outstanding_pre);
}

void SequenceUse::release() {
  if (const auto open = std::exchange(open_, nullptr)) open->channel_sequence.end(counted_in_);
}

}  // namespace braid::smb2
