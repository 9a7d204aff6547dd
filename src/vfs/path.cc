#include "vfs/path.h"

#include <algorithm>

#include "vfs/names.h"
#include "wire/fscc/path_name.h"

namespace braid::vfs {
namespace {

Result<PathAndStream> parse_windows(std::string_view text) {
  BRAID_TRY(const wire::PathName name, wire::parse_path(text));
  PathAndStream parsed;
  for (const std::string& component : name.components) BRAID_CHECK(parsed.path.append(component));
  parsed.stream = name.stream;
  parsed.has_stream = name.has_stream_syntax;
  parsed.stream_is_index = name.is_directory_index;
  parsed.trailing_separator = name.trailing_separator;
  return parsed;
}

Result<PathAndStream> parse_posix(std::string_view text) {
  PathAndStream parsed;
  if (text.empty()) return parsed;
  if (text.front() == '\\') return fail(NtStatus::kInvalidParameter);
  if (text.back() == '\\') {
    parsed.trailing_separator = true;
    text.remove_suffix(1);
  }
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find('\\', start), text.size());
    BRAID_CHECK(parsed.path.append(text.substr(start, end - start)));
    start = end + 1;
  }
  return parsed;
}

Result<PathAndStream> parse_exact(std::string_view text) {
  PathAndStream parsed;
  if (text.empty()) return parsed;
  if (text.front() == '/') return fail(NtStatus::kInvalidParameter);
  if (text.back() == '/') {
    parsed.trailing_separator = true;
    text.remove_suffix(1);
  }
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find('/', start), text.size());
    const std::string_view name = text.substr(start, end - start);
    // Before they look like ordinary characters.
    if (name == "." || name == ".." || name.contains('\0')) {
      return fail(NtStatus::kObjectNameInvalid);
    }
    // Clients send some characters in either way.
    BRAID_CHECK(parsed.path.append(to_client(to_disk(name))));
    start = end + 1;
  }
  return parsed;
}

}  // namespace

Result<void> Path::append(std::string_view name) {
  constexpr std::string_view kNever("\0/\\", 3);
  if (name.empty() || name == "." || name == ".." || name.find_first_of(kNever) != name.npos ||
      utf16_units(name) > wire::kComponentLengthMax || count_ >= kComponentsMax) {
    return fail(NtStatus::kObjectNameInvalid);
  }
  if (!text_.empty()) text_ += '\\';
  text_ += name;
  ++count_;
  return {};
}

std::vector<std::string_view> Path::components() const {
  std::vector<std::string_view> components;
  components.reserve(count_);
  for (size_t start = 0; start < text_.size();) {
    const size_t end = std::min(text_.find('\\', start), text_.size());
    components.push_back(std::string_view(text_).substr(start, end - start));
    start = end + 1;
  }
  return components;
}

std::string_view Path::name() const {
  const size_t separator = text_.rfind('\\');
  return std::string_view(text_).substr(separator == text_.npos ? 0 : separator + 1);
}

Path Path::parent() const {
  Path parent;
  const size_t separator = text_.rfind('\\');
  if (separator == text_.npos) return parent;
  parent.text_ = text_.substr(0, separator);
  parent.count_ = count_ - 1;
  return parent;
}

Result<PathAndStream> parse_path(std::string_view text, NameRules rules) {
  if (rules == NameRules::kExact) return parse_exact(text);
  return rules == NameRules::kWindows ? parse_windows(text) : parse_posix(text);
}

}  // namespace braid::vfs
