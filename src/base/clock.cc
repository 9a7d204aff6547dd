#include "base/clock.h"

namespace braid {
namespace {

class SystemClock final : public Clock {
 public:
  FileTime now() const override {
    timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return to_file_time(ts);
  }
  Instant monotonic() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace braid
