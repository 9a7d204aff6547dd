#include "vfs/names.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

namespace braid::vfs {
namespace {

constexpr char32_t kInvalidByteBase = 0xF100;
constexpr char32_t kTrailingSpace = 0xF028;
constexpr char32_t kTrailingDot = 0xF029;
constexpr std::string_view kReserved = "\"*:<>?\\|";  // U+F020 onwards, in this order
constexpr char32_t kReservedBase = 0xF020;
constexpr char32_t kControlBase = 0xF000;

struct Decoded {
  char32_t code = 0;
  size_t length = 1;
  bool valid = false;
};

// One code point of generalised UTF-8: surrogates (0xD800 to 0xDFFF) are taken, since that is how
// WTF-8 carries names that are not UTF-16; overlong forms are not.
Decoded decode(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(at);
  if (first < 0x80) return {first, 1, true};
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() - at < length) return {};
  char32_t code = first & (0xFF >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(at + i) & 0x3F);
  }
  const char32_t smallest = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (code < smallest || code > 0x10FFFF) return {};
  return {code, length, true};
}

void append_utf8(std::string& out, char32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// What a character stands for that a client sends; nothing: for itself. `last`: of its name.
std::optional<char> meant(char32_t code, bool last) {
  if (code > kControlBase && code < kControlBase + 0x20) {
    return static_cast<char>(code - kControlBase);
  }
  if (code >= kReservedBase && code < kReservedBase + kReserved.size()) {
    return kReserved[code - kReservedBase];
  }
  if (last && code == kTrailingSpace) return ' ';
  if (last && code == kTrailingDot) return '.';
  if (code >= kInvalidByteBase + 0x80 && code <= kInvalidByteBase + 0xFF) {
    return static_cast<char>(code - kInvalidByteBase);
  }
  return std::nullopt;
}

// What a client sees of one place of a name on disk.
struct Shown {
  size_t length = 1;  // on disk
  bool as_bytes = false;
  char32_t code = 0;  // unless as bytes
};

bool is_high_surrogate(char32_t code) { return code >= 0xD800 && code < 0xDC00; }
bool is_low_surrogate(char32_t code) { return code >= 0xDC00 && code < 0xE000; }

Shown shown(std::string_view name, size_t at) {
  const Decoded decoded = decode(name, at);
  if (!decoded.valid) return {.as_bytes = true};
  const char32_t code = decoded.code;
  const size_t next = at + decoded.length;
  const bool last = next == name.size();
  if (code >= 0x80) {
    // What would come back as something else: a character of this mapping, and two that UTF-16
    // makes one of.
    const bool is_pair =
        is_high_surrogate(code) && !last && is_low_surrogate(decode(name, next).code);
    return {.length = decoded.length, .as_bytes = is_pair || meant(code, last), .code = code};
  }
  if (code < 0x20) return {.code = kControlBase + code};
  if (const size_t i = kReserved.find(static_cast<char>(code)); i != kReserved.npos) {
    return {.code = kReservedBase + static_cast<char32_t>(i)};
  }
  if (last && code == ' ') return {.code = kTrailingSpace};
  if (last && code == '.') return {.code = kTrailingDot};
  return {.code = code};
}

bool is_plain_at(std::string_view name, size_t at, const Shown& shown) {
  return !shown.as_bytes && (shown.length > 1 || shown.code == static_cast<uint8_t>(name[at]));
}

}  // namespace

bool is_plain(std::string_view disk_name) {
  for (size_t at = 0; at < disk_name.size();) {
    const Shown here = shown(disk_name, at);
    if (!is_plain_at(disk_name, at, here)) return false;
    at += here.length;
  }
  return true;
}

std::string to_client(std::string_view disk_name) {
  if (is_plain(disk_name) || disk_name == "." || disk_name == "..") return std::string(disk_name);
  std::string out;
  for (size_t at = 0; at < disk_name.size();) {
    const Shown here = shown(disk_name, at);
    if (here.as_bytes) {
      for (const char byte : disk_name.substr(at, here.length)) {
        append_utf8(out, kInvalidByteBase + static_cast<uint8_t>(byte));
      }
    } else {
      append_utf8(out, here.code);
    }
    at += here.length;
  }
  return out;
}

std::string to_disk(std::string_view client_name) {
  std::string out;
  out.reserve(client_name.size());
  for (size_t at = 0; at < client_name.size();) {
    const Decoded decoded = decode(client_name, at);
    const bool last = at + decoded.length == client_name.size();
    const auto other = decoded.valid ? meant(decoded.code, last) : std::nullopt;
    if (other) {
      out += *other;
    } else {
      out.append(client_name.substr(at, decoded.length));
    }
    at += decoded.length;
  }
  // A lone mapped dot, or two, would name the directory or its parent.
  if (out == "." || out == "..") return std::string(client_name);
  return out;
}

std::string to_posix_client(std::string_view disk_name) {
  for (size_t at = 0; at < disk_name.size();) {
    const Shown here = shown(disk_name, at);
    if (here.as_bytes) return to_client(disk_name);
    at += here.length;
  }
  return std::string(disk_name);
}

std::optional<std::string> with_plain_end(std::string_view client_name) {
  for (const auto& [shown, plain] :
       {std::pair(kTrailingSpace, ' '), std::pair(kTrailingDot, '.')}) {
    std::string end;
    append_utf8(end, shown);
    if (!client_name.ends_with(end)) continue;
    return std::string(client_name.substr(0, client_name.size() - end.size())) + plain;
  }
  return std::nullopt;
}

std::string composed(std::string_view name) {
  // Before U+0300 there is nothing that composes with what stands before it.
  constexpr uint8_t kFirstOfMarks = 0xCC;
  if (std::ranges::none_of(name, [](char c) { return static_cast<uint8_t>(c) >= kFirstOfMarks; })) {
    return std::string(name);
  }
  utf8proc_uint8_t* text = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(name.data()),
                   static_cast<utf8proc_ssize_t>(name.size()), &text,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) return std::string(name);
  std::string out(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
  ::free(text);
  return out;
}

uint64_t fold_hash(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : fold(name)) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  }
  return hash;
}

uint64_t stream_key(std::string_view stream_name) {
  const uint64_t hash = fold_hash(stream_name);
  return hash == 0 ? 1 : hash;
}

bool is_unfinished(std::string_view name) {
  constexpr size_t kLength = kUnfinishedPrefix.size();
  if (!name.starts_with('.') || name.size() <= kLength) return false;
  return equal_folded(name.substr(0, kLength), kUnfinishedPrefix) &&
         name.find_first_not_of("0123456789", kLength) == name.npos;
}

size_t utf16_units(std::string_view name) {
  size_t units = 0;
  for (size_t at = 0; at < name.size();) {
    const Decoded decoded = decode(name, at);
    units += decoded.code > 0xFFFF ? 2 : 1;
    at += decoded.length;
  }
  return units;
}

}  // namespace braid::vfs
