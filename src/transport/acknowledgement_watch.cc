#include "transport/acknowledgement_watch.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace braid::transport {

void AcknowledgementWatch::set(AcknowledgementLook look) {
  look_ = std::move(look);
  if (!look_) return timer_.reset();
  // Once for the whole watch: the stream's own value grows with every retransmission.
  timeout_ = std::clamp<std::chrono::microseconds>(stream_.retransmission_timeout(), kTimeoutMin,
                                                   kTimeoutMax);
  acknowledged_ = stream_.bytes_acknowledged();
  checks_without_progress_ =
      static_cast<int>(std::min<int64_t>(stream_.silence() / timeout_, kRetransmissionsMax - 1));
  is_suspect_ = checks_without_progress_ > 0;
  start_timer();
}

void AcknowledgementWatch::start_timer() {
  if (!timer_) timer_.emplace(reactor_);
  timer_->start(timeout_, [this] { check(); });
}

void AcknowledgementWatch::check() {
  const uint64_t now = stream_.bytes_acknowledged();
  if (!look_(now)) {
    is_suspect_ = false;
    look_ = nullptr;
    return;
  }
  checks_without_progress_ = now == acknowledged_ ? checks_without_progress_ + 1 : 0;
  is_suspect_ = checks_without_progress_ > 0;
  acknowledged_ = now;
  if (checks_without_progress_ < kRetransmissionsMax) return start_timer();
  log::info("{}: nothing acknowledged for {} ms while it is waited for, the connection is dead",
            stream_.peer().to_string(),
            std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count() *
                kRetransmissionsMax);
  // Nothing of it may arrive after what goes another way.
  stream_.abort();
}

}  // namespace braid::transport
