#include "config/smb_conf.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace braid::config {
namespace {

constexpr size_t kSmbLinesMax = 1'000'000;
constexpr size_t kSmbFilesMax = 100;
constexpr size_t kDepthMax = 16;
constexpr size_t kProblemsMax = 200;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string compared(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (!is_blank(c)) out += lower(c);
  }
  return out;
}

bool is_same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

class Parser {
 public:
  Parser(const ReadSmbConf& read, SmbConf& out) : read_(read), out_(out) {}

  void file(std::string_view text, const std::string& name, size_t depth);

 private:
  void take(std::string_view line, const std::string& file, uint32_t number, size_t depth);
  void include(const SmbLine& line, size_t depth);
  void complain(std::string line) {
    if (out_.problems.size() < kProblemsMax) out_.problems.push_back(std::move(line));
  }
  SmbSection& section();

  const ReadSmbConf& read_;
  SmbConf& out_;
  std::string current_ = "global";
  std::string begun_;        // where
  bool is_nowhere_ = false;  // behind a [ without a name: Samba reads no such file at all
  size_t lines_ = 0;
  size_t files_ = 0;
};

SmbSection& Parser::section() {
  for (SmbSection& each : out_.sections) {
    if (is_same_word(each.name, current_)) return each;
  }
  return out_.sections.emplace_back(SmbSection{current_, begun_, {}});
}

void Parser::file(std::string_view text, const std::string& name, size_t depth) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  uint32_t number = 0;
  while (!text.empty()) {
    std::string line;
    const uint32_t first = number + 1;
    // A line goes on where it ends in a backslash.
    for (bool goes_on = true; goes_on && !text.empty();) {
      const size_t end = std::min(text.find('\n'), text.size());
      std::string_view piece = without_blanks(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      ++number;
      const bool is_comment = line.empty() && (piece.starts_with('#') || piece.starts_with(';'));
      goes_on = !is_comment && piece.ends_with('\\');
      if (goes_on) piece.remove_suffix(1);
      line += piece;
    }
    if (++lines_ > kSmbLinesMax) {
      return complain(fmt::format("{}:{}: too long; what follows is not read", name, first));
    }
    take(without_blanks(line), name, first, depth);
  }
}

void Parser::take(std::string_view text, const std::string& file, uint32_t number, size_t depth) {
  if (text.empty() || text.starts_with('#') || text.starts_with(';')) return;
  const std::string place = fmt::format("{}:{}", file, number);
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    const std::string_view name = without_blanks(text.substr(1, end == text.npos ? end : end - 1));
    is_nowhere_ = end == text.npos || name.empty();
    if (is_nowhere_) {
      return complain(place +
                      ": no name between [ and ]; what follows is left out, up to the next");
    }
    current_ = name;
    begun_ = place;
    section();
    return;
  }
  if (is_nowhere_) return;
  const size_t equals = text.find('=');
  if (equals == text.npos || without_blanks(text.substr(0, equals)).empty()) {
    return complain(place + ": neither a comment, a [section] nor KEY = VALUE; it is ignored");
  }
  SmbLine line{.file = file,
               .line = number,
               .key = compared(text.substr(0, equals)),
               .given = std::string(without_blanks(text.substr(0, equals))),
               .value = std::string(without_blanks(text.substr(equals + 1)))};
  if (line.key == "include") return include(line, depth);
  if (line.key == "configbackend" || line.key == "configfile") {
    complain(fmt::format("{}: {} = {} is not read; give that file, or what net conf list prints",
                         place, line.given, line.value));
  }
  section().lines.push_back(std::move(line));
}

void Parser::include(const SmbLine& line, size_t depth) {
  if (line.value.contains('%')) {
    return complain(
        fmt::format("{}: include = {} is not read, as it is another file for each {}; "
                    "what is in one has no counterpart",
                    line.place(), line.value, line.value.contains("%U") ? "user" : "client"));
  }
  if (is_same_word(line.value, "registry")) {
    return complain(line.place() +
                    ": include = registry is not read; give what net conf list prints");
  }
  if (depth + 1 >= kDepthMax || ++files_ > kSmbFilesMax) {
    return complain(
        fmt::format("{}: {} is one file too many, and not read", line.place(), line.value));
  }
  const auto text = read_(line.value);
  if (!text) {
    return complain(fmt::format("{}: {} is not read: {}", line.place(), line.value, text.error()));
  }
  file(*text, line.value, depth + 1);
}

}  // namespace

std::string SmbLine::place() const { return fmt::format("{}:{}", file, line); }

const SmbLine* SmbSection::find(std::string_view key) const {
  const auto found = std::ranges::find(lines.rbegin(), lines.rend(), key, &SmbLine::key);
  return found == lines.rend() ? nullptr : &*found;
}

const SmbSection* SmbConf::find(std::string_view name) const {
  const auto found = std::ranges::find_if(
      sections, [&](const auto& each) { return is_same_word(each.name, name); });
  return found == sections.end() ? nullptr : &*found;
}

SmbConf parse_smb_conf(std::string_view text, const std::string& file, const ReadSmbConf& read) {
  SmbConf out;
  Parser(read, out).file(text, file, 0);
  return out;
}

std::optional<bool> smb_bool(std::string_view value) {
  for (const std::string_view yes : {"yes", "true", "on", "1"}) {
    if (is_same_word(value, yes)) return true;
  }
  for (const std::string_view no : {"no", "false", "off", "0"}) {
    if (is_same_word(value, no)) return false;
  }
  return std::nullopt;
}

std::vector<std::string> smb_list(std::string_view value) {
  std::vector<std::string> words;
  std::string word;
  bool is_quoted = false;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  for (const char c : value) {
    if (c == '"') {
      is_quoted = !is_quoted;
    } else if (!is_quoted && (is_blank(c) || c == ',' || c == ';')) {
      end_word();
    } else {
      word += c;
    }
  }
  end_word();
  return words;
}

}  // namespace braid::config
