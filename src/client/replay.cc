// What happens to a request of a session with several channels.
#include <algorithm>

#include "client/channel_set.h"

namespace braid::client {

namespace {

// What a request weighs beside its data: small ones are spread, too.
constexpr uint64_t kRequestWeight = 1024;

// Between two tries of a request whose first try the server still works on.
constexpr std::chrono::nanoseconds kRetryDelayMin = std::chrono::milliseconds(20);
constexpr std::chrono::nanoseconds kRetryDelayMax = std::chrono::milliseconds(500);

// A LOCK that is tried again may meet the one that was granted a moment ago. Once that is done the
// server knows the sequence number.
constexpr int kLockTriesMax = 4;

}  // namespace

// A request that is on its way. Its slot outlives it.
class ChannelSet::Load {
 public:
  Load(ChannelSet& set, Slot& slot, const Request& request)
      : set_(set), slot_(slot), bytes_(request.payload_size + kRequestWeight) {
    slot_.info.bytes_in_flight += bytes_;
    slot_.info.bytes += request.payload_size;
    ++slot_.info.requests;
    ++slot_.requests_in_flight;
  }
  ~Load() {
    slot_.info.bytes_in_flight -= bytes_;
    --slot_.requests_in_flight;
    if (slot_.is_retiring) set_.retire(slot_);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

 private:
  ChannelSet& set_;
  Slot& slot_;
  const uint64_t bytes_;
};

// The fewest bytes in flight; among equals in turn. One that is about to go only if it is all there
// is.
ChannelSet::Slot* ChannelSet::pick() {
  Slot* best = nullptr;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[(next_slot_ + i) % slots_.size()];
    if (!is_usable(slot)) continue;
    if (best == nullptr || std::pair(slot.is_retiring, slot.info.bytes_in_flight) <
                               std::pair(best->is_retiring, best->info.bytes_in_flight)) {
      best = &slot;
    }
  }
  if (!slots_.empty()) next_slot_ = (next_slot_ + 1) % slots_.size();
  return best;
}

size_t ChannelSet::choose() {
  const Slot* slot = pick();
  return slot ? session_->channel_of(*slot->connection).value_or(0) : 0;
}

Task<Result<Response>> ChannelSet::call(Request request, bool encrypt) {
  using std::chrono::steady_clock;
  const auto self = shared_from_this();
  const auto end = steady_clock::now() + options_.replay_limit;
  auto delay = kRetryDelayMin;
  Result<Response> last = fail(NtStatus::kConnectionDisconnected);
  bool is_replay = false;
  for (int tries = 1;; ++tries) {
    Slot* slot = pick();
    for (; slot == nullptr; slot = pick()) {
      const auto left = end - steady_clock::now();
      if (ended_ || left <= left.zero()) co_return ended_ ? fail(*ended_) : std::move(last);
      co_await changed_.wait(left);
    }
    const ConnectionPtr connection = slot->connection;
    Request copy = request.copy();
    // [MS-SMB2] 3.2.4.1 "Sending Any Outgoing Message": as it is now, not at the first try.
    copy.header.channel_sequence = channel_sequence_;
    if (is_replay) copy.header.flags |= wire::HeaderFlags::kReplayOperation;
    {
      Load load(*this, *slot, request);
      last = co_await session_->call(std::move(copy), *session_->channel_of(*connection), encrypt);
    }
    if (last) {
      last->was_replayed = is_replay;
      if (judge(request, *last, tries) == Verdict::kDone) co_return last;
    } else {
      // A late answer or a wrong signature is no loss of the channel.
      if (!connection->is_closed()) co_return last;
      lost(*connection);
      if (!request.may_be_replayed) co_return last;
    }
    if (ended_ || steady_clock::now() >= end) co_return last;
    is_replay = true;
    ++replays_;
    if (last) {
      co_await stopping_.wait(delay);
      delay = std::min(delay * 2, kRetryDelayMax);
    }
  }
}

// [MS-SMB2] 3.2.5.12, 3.2.5.14 and 3.2.5.18, and 3.3.5.2.10 for what it means:
// STATUS_FILE_NOT_AVAILABLE says that an earlier request for the open is not done yet, or that this
// one had an older ChannelSequence when it was looked at.
ChannelSet::Verdict ChannelSet::judge(const Request& request, const Response& response,
                                      int tries) const {
  if (response.status() == NtStatus::kFileNotAvailable) {
    return request.may_be_replayed ? Verdict::kAgain : Verdict::kDone;
  }
  if (response.status() == NtStatus::kLockNotGranted && response.was_replayed &&
      tries < kLockTriesMax) {
    return Verdict::kAgain;
  }
  return Verdict::kDone;
}

}  // namespace braid::client
