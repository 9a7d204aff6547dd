// The log: lines on stderr, "time level [component] message". Never keys, passwords or payloads.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace braid::log {

enum class Level { kDebug, kInfo, kWarning, kError };

void set_level(Level level);
void set_component(std::string_view component);  // "front", "worker 0"; shown in every line
bool enabled(Level level);
void write(Level level, std::string_view message);  // Thread: any

template <class... Args>
void at(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level)) write(level, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  at(Level::kDebug, format, std::forward<Args>(args)...);
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  at(Level::kInfo, format, std::forward<Args>(args)...);
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  at(Level::kWarning, format, std::forward<Args>(args)...);
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  at(Level::kError, format, std::forward<Args>(args)...);
}

}  // namespace braid::log
