#include "smb2/sessions/overtaken_creates.h"

#include <algorithm>

#include "base/wrapping.h"

namespace braid::smb2 {

bool OvertakenCreates::admit(const CreateGuid& guid, uint16_t channel_sequence, bool is_replay) {
  auto repeated = repeated_.lock();
  if (repeated->empty() && !is_replay) return true;
  const auto found = std::ranges::find(*repeated, guid, &Sending::guid);
  if (found == repeated->end()) {
    if (!is_replay) return true;
    if (repeated->size() == kRememberedMax) repeated->erase(repeated->begin());
    repeated->push_back({guid, channel_sequence});
    return true;
  }
  if (is_behind(channel_sequence, found->channel_sequence)) return false;
  found->channel_sequence = channel_sequence;
  return true;
}

}  // namespace braid::smb2
