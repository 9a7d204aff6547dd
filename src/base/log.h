// The log: lines on stderr, "time level [component] message". Never keys, passwords or payloads.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <string>
#include <string_view>
#include <utility>

namespace braid::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// Names may be a client's, and a client may send 64 KiB of one: every text in a line is cut.
inline constexpr size_t kTextMax = 256;
// A message. With time and component the line stays below PIPE_BUF, so that lines of several
// processes do not mix.
inline constexpr size_t kMessageMax = 3'840;

// Our own text, or the administrator's, which is not cut but with its line.
struct Whole {
  std::string_view text;
};
// What every other text becomes.
struct Cut {
  std::string_view text;
};

void set_level(Level level);
void set_component(std::string_view component);  // "front", "worker 0"; shown in every line
bool enabled(Level level);

// The one place that writes a line: whatever is in it, it is one line, printable() and no longer
// than kMessageMax. Thread: any.
void write(Level level, std::string_view message);
// Whether a line of the kind `kind` is to be made: its level is on, and there were not too many.
// What is for debugging is not counted.
bool admit(Level level, std::string_view kind);

template <class T>
decltype(auto) argument(const T& value) {
  if constexpr (std::convertible_to<const T&, std::string_view>) {
    return Cut{std::string_view(value)};
  } else {
    return (value);
  }
}

template <class... Args>
std::string message_of(fmt::string_view format, const Args&... args) {
  return fmt::vformat(format, fmt::make_format_args(args...));
}

// The format is the kind of the line.
template <class... Args>
void at(Level level, fmt::format_string<Args...> format, Args&&... args) {
  const auto text = fmt::string_view(format);
  if (!admit(level, {text.data(), text.size()})) return;
  write(level, message_of(text, argument(args)...));
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

template <>
struct fmt::formatter<braid::log::Whole> : fmt::formatter<fmt::string_view> {
  template <class Context>
  auto format(const braid::log::Whole& whole, Context& context) const {
    return fmt::formatter<fmt::string_view>::format(whole.text, context);
  }
};

template <>
struct fmt::formatter<braid::log::Cut> : fmt::formatter<fmt::string_view> {
  fmt::format_context::iterator format(const braid::log::Cut& cut,
                                       fmt::format_context& context) const;
};
