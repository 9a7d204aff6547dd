// Changing the text of a configuration for its administrator: what is not meant stays as it was
// written, comments, order and blank lines too.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "config/config.h"

namespace braid::config {

// A key and its value, as TOML.
using KeyLine = std::pair<std::string, std::string>;

// `text` with one more [[share]] at its end. Says nothing of whether that can be parsed.
std::string with_share(std::string_view text, const std::vector<KeyLine>& keys);

// `text` without the share `name`: without its [[share]] up to its last key. Comments before it and
// behind it stay. The error is a line: there is none, or it does not begin with a line [[share]].
// REQUIRES: parse(text) succeeds.
std::expected<std::string, std::string> without_share(std::string_view text, std::string_view name);

// The lines of a share, from 1: its [[share]], and the next table, or one behind the last line.
// Nothing when there is none of that name. Of reader.cc, which knows the library.
struct ShareLines {
  uint32_t begin = 0;
  uint32_t end = 0;
};
std::optional<ShareLines> lines_of_share(std::string_view text, std::string_view name);

// Holds off others who change `file` by this, until it is gone.
class FileChange {
 public:
  static std::expected<FileChange, Problem> begin(const std::string& file);
  // What is there; empty when there is no such file.
  std::expected<std::string, Problem> text() const;
  // Puts `text` in its place, whole or not at all, with the owner and the mode it had. A symbolic
  // link stays one.
  std::optional<Problem> replace(std::string_view text);

 private:
  FileChange(std::string file, std::string target, UniqueFd folder)
      : file_(std::move(file)), target_(std::move(target)), folder_(std::move(folder)) {}
  std::string file_;    // as given, for messages
  std::string target_;  // without links
  UniqueFd folder_;     // of target_, locked
};

}  // namespace braid::config
