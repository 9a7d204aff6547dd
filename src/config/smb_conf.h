// SmbConf: what an smb.conf says, line by line; see smb.conf(5).
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace braid::config {

struct SmbLine {
  std::string file;
  uint32_t line = 0;
  std::string key;            // as it is compared: small letters, without blanks
  std::string given;          // as it is written
  std::string value;          // without blanks around it, continued lines joined
  std::string place() const;  // "smb.conf:12"
};

struct SmbSection {
  std::string name;  // as written; "global" for what comes before the first
  std::string place;
  std::vector<SmbLine> lines;

  // The last line of the key, which is the one that counts; null when there is none.
  const SmbLine* find(std::string_view key) const;
};

struct SmbConf {
  std::vector<SmbSection> sections;   // each name once, in the order they first came
  std::vector<std::string> problems;  // "smb.conf:3: what is wrong or was not read"

  const SmbSection* find(std::string_view name) const;  // upper and lower case are the same
};

// The text of a file, or why it cannot be had.
using ReadSmbConf = std::function<std::expected<std::string, std::string>(const std::string&)>;

// `read`: what include asks for. A file with a variable in its name (%m) is one for each client,
// and not read. What is beyond the limits of this (1,000,000 lines, 100 files, 16 in one another)
// is left out and is a problem.
SmbConf parse_smb_conf(std::string_view text, const std::string& file, const ReadSmbConf& read);

// "yes", "true", "on", "1", and their opposites; nothing for other words.
std::optional<bool> smb_bool(std::string_view value);
// The words of a list, which blanks, commas and semicolons separate and quotes hold together.
std::vector<std::string> smb_list(std::string_view value);

}  // namespace braid::config
