#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <ctime>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/line_rate.h"
#include "base/log_prepare.h"
#include "base/printable.h"

namespace braid::log {
namespace {

constexpr std::string_view kMore = "...";

spdlog::logger& logger() {
  // Never destroyed: threads may log while the process exits.
  static auto* const instance = [] {
    auto* made = new spdlog::logger("braid", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

void prepare() {
  logger();
  // localtime_r(), which makes the time of a line, reads the zone's file once and only if nobody
  // has before.
  ::tzset();
}

void set_level(Level level) { logger().set_level(to_spdlog(level)); }

void set_component(std::string_view component) {
  logger().set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l [" + std::string(component) + "] %v");
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view message) {
  std::string line = printable(cut_text(message, kMessageMax));
  if (message.size() > kMessageMax || line.size() > kMessageMax) {
    line.resize(cut_text(line, kMessageMax - kMore.size()).size());
    line += kMore;
  }
  logger().log(to_spdlog(level), line);
}

bool admit(Level level, std::string_view kind) {
  if (!enabled(level)) return false;
  if (level == Level::kDebug) return true;
  // Never destroyed, as the logger.
  static auto* const rate = new Guarded<LineRate, LockRank::kLog>();
  const Clock::Instant now = system_clock().monotonic();
  auto held = rate->lock();
  const auto verdict = held->count(kind, now);
  const auto due = held->due(now);
  held.mutex_lock().unlock();
  if (due)
    write(Level::kWarning, fmt::format("{} more suppressed: {}", due->suppressed, due->kind));
  if (verdict == LineRate::Verdict::kSayOnce) {
    write(Level::kWarning, fmt::format("too many lines, the next are suppressed: {}", kind));
  }
  return verdict == LineRate::Verdict::kWrite;
}

}  // namespace braid::log

fmt::format_context::iterator fmt::formatter<braid::log::Cut>::format(
    const braid::log::Cut& cut, fmt::format_context& context) const {
  using Plain = fmt::formatter<fmt::string_view>;
  const std::string_view kept = braid::cut_text(cut.text, braid::log::kTextMax);
  if (kept.size() == cut.text.size()) return Plain::format(kept, context);
  return Plain::format(std::string(kept) + std::string(braid::log::kMore), context);
}
