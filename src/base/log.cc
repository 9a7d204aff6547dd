#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/line_rate.h"
#include "base/log_prepare.h"
#include "base/printable.h"
#include "base/recent_lines.h"

namespace braid::log {
namespace {

constexpr std::string_view kMore = "...";

// Whether stderr is what systemd.exec(5) says in JOURNAL_STREAM: a socket of the journal, which
// reads a priority at the beginning of each line.
bool is_stderr_the_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  unsigned long long device = 0;
  unsigned long long inode = 0;
  struct stat status{};
  return stream && std::sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
         ::fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

// As sd-daemon(3) writes priorities: those of syslog, as "<4>".
class Priority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& line) override {
    const char digit = message.level >= spdlog::level::err    ? '3'
                       : message.level == spdlog::level::warn ? '4'
                       : message.level == spdlog::level::info ? '6'
                                                              : '7';
    for (const char each : {'<', digit, '>'}) line.push_back(each);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<Priority>();
  }
};

// `component` with what is around it, or nothing.
std::unique_ptr<spdlog::formatter> lines_with(const std::string& component) {
  static const bool is_journal = is_stderr_the_journal();
  auto made = std::make_unique<spdlog::pattern_formatter>();
  made->add_flag<Priority>('*');
  made->set_pattern((is_journal ? "%*" : "") + std::string("%Y-%m-%dT%H:%M:%S.%e%z %l ") +
                    component + "%v");
  return made;
}

spdlog::logger& logger() {
  // Never destroyed: threads may log while the process exits.
  static auto* const instance = [] {
    auto* made = new spdlog::logger("braid", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_formatter(lines_with(""));
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

// Never destroyed, as the logger.
auto& kept_lines() {
  static auto* const lines = new Guarded<std::deque<RecentLine>, LockRank::kLog>();
  return *lines;
}

void keep(Level level, std::string line) {
  auto kept = kept_lines().lock();
  if (kept->size() == kRecentLinesMax) kept->pop_front();
  kept->push_back({system_clock().now(), level, std::move(line)});
}

}  // namespace

std::vector<RecentLine> recent_lines() {
  auto kept = kept_lines().lock();
  return {kept->begin(), kept->end()};
}

void prepare() {
  logger();
  // localtime_r(), which makes the time of a line, reads the zone's file once and only if nobody
  // has before.
  ::tzset();
}

void set_level(Level level) { logger().set_level(to_spdlog(level)); }

void set_component(std::string_view component) {
  logger().set_formatter(lines_with("[" + std::string(component) + "] "));
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view message) {
  std::string line = printable(cut_text(message, kMessageMax));
  if (message.size() > kMessageMax || line.size() > kMessageMax) {
    line.resize(cut_text(line, kMessageMax - kMore.size()).size());
    line += kMore;
  }
  logger().log(to_spdlog(level), line);
  if (level != Level::kDebug && enabled(level)) keep(level, std::move(line));
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
