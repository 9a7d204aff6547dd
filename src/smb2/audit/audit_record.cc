#include "smb2/audit/audit_record.h"

#include <fmt/format.h>

#include <ctime>
#include <iterator>
#include <utility>

#include "base/printable.h"

namespace braid::smb2 {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

// The next code point of `text`, which is not empty, and takes it from there.
uint32_t next_point(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  uint32_t point = length == 1 ? first : first & (0xFFu >> (length + 1));
  const bool is_start = first < 0x80 || (first >= 0xC2 && first <= 0xF4);
  bool is_good = is_start && length <= text.size();
  for (size_t i = 1; is_good && i < length; ++i) {
    is_good = (byte(i) & 0xC0) == 0x80;
    point = point << 6 | (byte(i) & 0x3Fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = point >= 0xD800 && point <= 0xDFFF;
  is_good = is_good && point >= kLeast[length] && point <= 0x10FFFF && !is_surrogate;
  text.remove_prefix(is_good ? length : 1);
  return is_good ? point : kReplacement;
}

void append_unit(std::string& out, uint32_t unit) {
  fmt::format_to(std::back_inserter(out), "\\u{:04x}", unit);
}

// "2026-11-30T09:00:00.123Z". The day is that of the second before, as a rule.
void append_time(std::string& out, FileTime now) {
  struct Second {
    time_t at = -1;
    char text[32] = {};
  };
  thread_local Second last;
  const timespec time = to_timespec(now);
  if (last.at != time.tv_sec) {
    std::tm parts{};
    ::gmtime_r(&time.tv_sec, &parts);
    std::strftime(last.text, sizeof last.text, "%Y-%m-%dT%H:%M:%S", &parts);
    last.at = time.tv_sec;
  }
  fmt::format_to(std::back_inserter(out), "{}.{:03}Z", last.text, time.tv_nsec / 1'000'000);
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    // Most of it stands for itself.
    size_t plain = 0;
    while (plain < text.size()) {
      const auto c = static_cast<unsigned char>(text[plain]);
      if (c < 0x20 || c >= 0x7F || c == '"' || c == '\\') break;
      ++plain;
    }
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    const uint32_t point = next_point(text);
    if (point == '"' || point == '\\') {
      out += '\\';
      out += static_cast<char>(point);
    } else if (point < 0x10000) {
      append_unit(out, point);
    } else {
      append_unit(out, 0xD800 + ((point - 0x10000) >> 10));
      append_unit(out, 0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
}

AuditRecord::AuditRecord(FileTime now, std::string_view operation, std::string_view result) {
  line_.reserve(384);
  line_ += R"({"v":1,"time":")";
  append_time(line_, now);
  line_ += '"';
  add("op", operation);
  add("result", result);
}

AuditRecord& AuditRecord::add(std::string_view key, std::string_view text) {
  if (text.empty()) return *this;
  line_ += ",\"";
  line_ += key;
  line_ += "\":\"";
  const std::string_view kept = cut_text(text, kAuditTextMax);
  append_escaped(line_, kept);
  if (kept.size() < text.size()) line_ += "...";
  line_ += '"';
  return *this;
}

AuditRecord& AuditRecord::add(std::string_view key, uint64_t number) {
  fmt::format_to(std::back_inserter(line_), ",\"{}\":{}", key, number);
  return *this;
}

std::string AuditRecord::take() && {
  line_ += '}';
  return std::move(line_);
}

std::string lost_record(uint64_t count) {
  return std::move(AuditRecord(system_clock().now(), "lost", "").add("lines", count)).take();
}

}  // namespace braid::smb2
