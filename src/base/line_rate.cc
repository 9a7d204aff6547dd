#include "base/line_rate.h"

#include <algorithm>
#include <utility>

namespace braid::log {

LineRate::Verdict LineRate::count(std::string_view text, Clock::Instant now) {
  Kind& kind = kinds_.try_emplace(text.data(), Kind{.text = text, .counted = now}).first->second;
  const std::chrono::duration<double> passed = now - kind.counted;
  kind.counted = now;
  kind.allowance = std::min<double>(kBurst, kind.allowance + passed.count() * kSteady);
  if (kind.allowance >= 1) {
    kind.allowance -= 1;
    return Verdict::kWrite;
  }
  if (kind.suppressed++ > 0) return Verdict::kSuppress;
  ++kinds_suppressed_;
  kind.reported = now;
  return Verdict::kSayOnce;
}

std::optional<LineRate::Report> LineRate::due(Clock::Instant now) {
  if (kinds_suppressed_ == 0) return std::nullopt;
  for (auto& [address, kind] : kinds_) {
    if (kind.suppressed == 0 || now - kind.reported < kReportEvery) continue;
    --kinds_suppressed_;
    return Report{kind.text, std::exchange(kind.suppressed, 0)};
  }
  return std::nullopt;
}

}  // namespace braid::log
