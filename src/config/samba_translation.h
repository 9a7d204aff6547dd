// SambaTranslation: an smb.conf on its way to a configuration. Of from_samba.cc and its neighbours
// samba_rights.cc, samba_share.cc and samba_server.cc; nobody else includes this.
#pragma once

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/from_samba.h"
#include "config/smb_conf.h"

namespace braid::config {

// The last line of `section` whose key is `key`, whichever of its names it has; null: there is
// none.
const SmbLine* find_canonical(const SmbSection& section, std::string_view key);

class SambaTranslation {
 public:
  explicit SambaTranslation(const SmbConf& conf) : conf_(conf), global_(conf.find("global")) {}

  FromSamba run();

 private:
  // One share, while it is put together.
  struct Made {
    const SmbSection& section;
    std::map<std::string, std::string> keys{};  // TOML, by name
    std::set<std::string> said{};               // keys of Samba that have become something
    std::optional<std::string> left_out{};      // why
  };

  // Of a share, or the default that [global] gives.
  const SmbLine* line_of(Made& made, std::string_view key) const;
  std::optional<bool> yes_or_no(Made& made, std::string_view key);
  void remark(const std::string& place, std::string what) {
    out_.remarks.push_back(fmt::format("{}: {}", place, what));
  }
  void remark(const SmbLine& line, const std::string& why) {
    remark(line.place(), fmt::format("{} = {}: {}", line.given, line.value, why));
  }

  void server();
  std::string whole_text() const;
  void share(const SmbSection& section);
  void path_of(Made& made);
  void rights_of(Made& made);
  void hosts_of(Made& made);
  void names_of(Made& made);
  void modules_of(Made& made);
  void backups_of(Made& made);
  void others_of(Made& made);
  std::optional<std::string> rule_of(const SmbLine& line, const std::string& word);
  std::vector<std::string> rules_of(Made& made, std::string_view key, bool& is_whole);
  std::string hosts_text(const SmbLine& line);
  void tell_rest(const SmbSection& section, const std::set<std::string>& said);

  const SmbConf& conf_;
  const SmbSection* const global_;
  std::map<std::string, std::string> server_;
  std::string shares_;
  std::set<std::string> names_;  // folded
  bool has_guests_ = false;
  std::set<std::string> said_global_;
  FromSamba out_;
};

}  // namespace braid::config
