#include "wire/fscc/path_name.h"

#include <algorithm>

#include "wire/fold.h"
#include "wire/utf16.h"

namespace braid::wire {
namespace {

constexpr std::string_view kSeparators = "\\/";
constexpr std::string_view kForbidden = "\\/:|";
constexpr std::string_view kWildcards = "<>*?\"";
constexpr std::string_view kForbiddenInStream = "\\/:";

std::unexpected<Error> invalid() { return fail(NtStatus::kObjectNameInvalid); }

bool is_sendable(std::string_view name) {
  return is_well_formed(name) && utf16le_size(name) / 2 <= kComponentLengthMax;
}

}  // namespace

Result<void> validate_component(std::string_view name, Wildcards wildcards) {
  if (name.empty() || name == "." || name == ".." || !is_sendable(name)) return invalid();
  for (char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || kForbidden.contains(c)) return invalid();
    if (wildcards == Wildcards::kRefuse && kWildcards.contains(c)) return invalid();
  }
  return {};
}

Result<void> validate_stream_name(std::string_view name) {
  if (!is_sendable(name)) return invalid();
  for (char c : name) {
    if (c == '\0' || kForbiddenInStream.contains(c)) return invalid();
  }
  return {};
}

Result<StreamName> split_stream(std::string_view component) {
  StreamName result;
  const size_t colon = component.find(':');
  result.file = component.substr(0, colon);
  if (colon == std::string_view::npos) return result;
  result.has_stream_syntax = true;
  const std::string_view rest = component.substr(colon + 1);
  const size_t second = rest.find(':');
  const std::string_view stream = rest.substr(0, second);
  BRAID_CHECK(validate_stream_name(stream));
  if (second == std::string_view::npos) {
    if (stream.empty()) return invalid();
    result.stream = stream;
    return result;
  }
  const std::string_view type = rest.substr(second + 1);
  if (equal_fold(type, "$DATA")) {
    result.stream = stream;
  } else if (equal_fold(type, "$INDEX_ALLOCATION")) {
    // [MS-FSA] 2.1.5.1: a directory has one index.
    if (!stream.empty() && !equal_fold(stream, "$I30")) return fail(NtStatus::kInvalidParameter);
    result.is_directory_index = true;
  } else {
    return invalid();
  }
  return result;
}

std::string PathName::posix() const {
  std::string joined;
  for (const std::string& component : components) {
    if (!joined.empty()) joined += '/';
    joined += component;
  }
  return joined;
}

Result<PathName> parse_path(std::string_view path) {
  PathName result;
  if (path.empty()) return result;
  if (kSeparators.contains(path.front())) return fail(NtStatus::kInvalidParameter);
  if (!is_well_formed(path) || utf16le_size(path) / 2 > kPathLengthMax) return invalid();
  if (kSeparators.contains(path.back())) {
    result.trailing_separator = true;
    path.remove_suffix(1);
  }
  for (size_t position = 0;; ++position) {
    const size_t separator = path.find_first_of(kSeparators);
    const std::string_view component = path.substr(0, separator);
    const bool is_last = separator == std::string_view::npos;
    if (component == "..") {
      if (result.components.empty()) return fail(NtStatus::kObjectPathSyntaxBad);
      if (position == 1 && !is_last) return fail(NtStatus::kInvalidParameter);
      result.components.pop_back();
    } else if (component.empty() && !is_last) {
      return fail(NtStatus::kObjectPathNotFound);
    } else if (component != ".") {
      if (is_last) break;
      BRAID_CHECK(validate_component(component));
      result.components.emplace_back(component);
    }
    if (is_last) {
      // Whatever is there has something in it.
      result.trailing_separator = !result.components.empty();
      return result;
    }
    path.remove_prefix(separator + 1);
  }
  BRAID_TRY(StreamName last, split_stream(path));
  result.stream = std::move(last.stream);
  result.has_stream_syntax = last.has_stream_syntax;
  result.is_directory_index = last.is_directory_index;
  // ":stream" alone names a stream of the share's root.
  if (last.file.empty() && result.components.empty() && result.has_stream_syntax) return result;
  BRAID_CHECK(validate_component(last.file));
  result.components.push_back(std::move(last.file));
  return result;
}

}  // namespace braid::wire
