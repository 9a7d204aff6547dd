#include "config/from_samba.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "config/access_rule.h"
#include "config/config.h"
#include "config/homes.h"
#include "config/samba_words.h"
#include "config/toml_text.h"
#include "wire/fold.h"

namespace braid::config {
namespace {

class Translation {
 public:
  explicit Translation(const SmbConf& conf) : conf_(conf), global_(conf.find("global")) {}

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

const SmbLine* find_canonical(const SmbSection& section, std::string_view key) {
  const SmbLine* found = nullptr;
  for (const SmbLine& each : section.lines) {
    if (samba_key(each.key) == key) found = &each;
  }
  return found;
}

const SmbLine* Translation::line_of(Made& made, std::string_view key) const {
  made.said.emplace(key);
  const SmbLine* const own = find_canonical(made.section, key);
  if (own || !global_) return own;
  return find_canonical(*global_, key);
}

std::optional<bool> Translation::yes_or_no(Made& made, std::string_view key) {
  const SmbLine* const line = line_of(made, key);
  if (!line) return std::nullopt;
  const auto value = smb_bool(line->value);
  if (!value) remark(*line, "neither yes nor no; it is ignored");
  return value;
}

// "alice", "@staff", "+staff"; nothing where it cannot be said.
std::optional<std::string> Translation::rule_of(const SmbLine& line, const std::string& word) {
  std::string name = word;
  bool is_group = false;
  while (name.starts_with('@') || name.starts_with('+') || name.starts_with('&')) {
    is_group = true;
    name.erase(0, 1);
  }
  const auto rule = parse_allow_rule((is_group ? "@" : "") + name);
  if (!rule || name.contains('%') || name.starts_with("S-1-")) {
    remark(line, fmt::format("{} cannot be said here; name accounts and @groups", word));
    return std::nullopt;
  }
  return text_of(*rule);
}

std::vector<std::string> Translation::rules_of(Made& made, std::string_view key, bool& is_whole) {
  std::vector<std::string> rules;
  const SmbLine* const line = line_of(made, key);
  if (!line) return rules;
  for (const std::string& word : smb_list(line->value)) {
    // Whose home it is gets nobody else in anyway.
    if (word == "%S" && is_of_homes(made.keys["path"])) continue;
    if (auto rule = rule_of(*line, word)) {
      rules.push_back(*std::move(rule));
    } else {
      is_whole = false;
    }
  }
  return rules;
}

void Translation::path_of(Made& made) {
  const SmbLine* const line = line_of(made, "path");
  const bool is_homes = wire::equal_fold(made.section.name, "homes");
  if (is_homes && (!line || !find_canonical(made.section, "path"))) {
    made.keys["path"] = quoted("/home/%U");
    return remark(
        made.section.place,
        "[homes] becomes a share of that name with path = \"/home/%U\"; give another path "
        "if home directories are elsewhere");
  }
  if (!line || line->value.empty()) {
    made.left_out = "it has no path";
    return;
  }
  std::string path = line->value;
  if (path.starts_with('"') && path.ends_with('"') && path.size() > 1) {
    path = path.substr(1, path.size() - 2);
  }
  for (const std::string_view user : {"%u", "%S"}) {
    if (user == "%S" && !is_homes) continue;
    for (size_t at = path.find(user); at != path.npos; at = path.find(user)) {
      path.replace(at, user.size(), "%U");
      remark(*line, fmt::format("{} is %U here, the name of the account", user));
    }
  }
  std::string rest = path;
  for (size_t at = rest.find("%U"); at != rest.npos; at = rest.find("%U")) rest.erase(at, 2);
  if (rest.contains('%')) {
    made.left_out = fmt::format("path = {}: %U is the only variable; a share for each, with allow",
                                line->value);
  } else if (!path.starts_with('/')) {
    made.left_out = fmt::format("path = {} does not begin with /", line->value);
  }
  made.keys["path"] = quoted(path);
}

void Translation::rights_of(Made& made) {
  bool is_whole = true;
  std::vector<std::string> valid = rules_of(made, "validusers", is_whole);
  const bool has_valid = line_of(made, "validusers") != nullptr &&
                         !smb_list(line_of(made, "validusers")->value).empty() &&
                         !(valid.empty() && is_whole);
  const std::vector<std::string> readers = rules_of(made, "readlist", is_whole);
  const std::vector<std::string> writers = rules_of(made, "writelist", is_whole);
  bool is_read_only = yes_or_no(made, "readonly").value_or(true);
  if (const auto writeable = yes_or_no(made, "writeable")) {
    // Of the two the later line counts; the share's own before those of [global].
    const SmbLine* const only = line_of(made, "readonly");
    const SmbLine* const also = line_of(made, "writeable");
    const bool own_only = find_canonical(made.section, "readonly") != nullptr;
    const bool own_also = find_canonical(made.section, "writeable") != nullptr;
    if (!only || (own_also && !own_only) || (own_also == own_only && also->line > only->line)) {
      is_read_only = !*writeable;
    }
  }
  if (const SmbLine* const invalid = line_of(made, "invalidusers")) {
    bool names_more = false;
    for (const std::string& word : smb_list(invalid->value)) {
      const bool is_system =
          word == "root" || word == "bin" || word == "daemon" || word == "nobody";
      if (std::erase(valid, word) == 0 && !is_system) names_more = true;
    }
    if (names_more) {
      made.left_out = fmt::format(
          "{}: invalid users = {}: nobody is named to be kept out here; name in allow who may come",
          invalid->place(), invalid->value);
      return;
    }
  }
  const bool lets_guests =
      yes_or_no(made, "guestok").value_or(false) || yes_or_no(made, "guestonly").value_or(false);
  if (yes_or_no(made, "guestonly").value_or(false)) {
    remark(*line_of(made, "guestonly"),
           "who has an account acts as that; force_user = \"nobody\" makes all act as one");
  }
  std::vector<std::string> allow;
  const auto is_in = [](const std::vector<std::string>& list, const std::string& name) {
    return std::ranges::find(list, name) != list.end();
  };
  if (has_valid) {
    for (const std::string& each : valid) {
      const bool reads = is_in(readers, each) || (is_read_only && !is_in(writers, each));
      allow.push_back(reads && !is_in(writers, each) ? each + ":ro" : each);
    }
    // Who is named besides has to be let in by valid users, too: as one of a group.
    for (const auto& [list, end] : {std::pair{&readers, ":ro"}, std::pair{&writers, ""}}) {
      for (const std::string& each : *list) {
        if (is_in(valid, each)) continue;
        if (std::ranges::none_of(valid, [](const auto& rule) { return rule.starts_with('@'); })) {
          continue;
        }
        allow.push_back(each + end);
        remark(made.section.place,
               fmt::format("[{}]: allow lets {} in by name; see whether it is in one of the groups "
                           "of valid users",
                           made.section.name, each));
      }
    }
    if (allow.empty() || !is_whole) {
      made.left_out = "who may use it cannot be said whole; see above, and write its allow";
      return;
    }
  } else if (!readers.empty() && !is_read_only) {
    made.left_out = fmt::format(
        "{}: read list without valid users: allow shuts out who is not in it; name in it those who "
        "write, and the readers with :ro",
        line_of(made, "readlist")->place());
    return;
  } else if (!writers.empty() && is_read_only) {
    remark(
        *line_of(made, "writelist"),
        "without valid users it stays read-only for all; allow = [\"@readers:ro\", WRITERS] and no "
        "read_only lets some write");
  } else if (!is_whole) {
    made.left_out = "who may use it cannot be said whole; see above, and write its allow";
    return;
  }
  const bool all_by_allow = has_valid;
  if (is_read_only && !all_by_allow) made.keys["read_only"] = "true";
  if (lets_guests) {
    has_guests_ = true;
    made.keys["guest"] = "true";
    if (has_valid) allow.push_back(is_read_only ? "guest:ro" : "guest");
  }
  if (!allow.empty()) made.keys["allow"] = as_toml(allow);
}

// A list for hosts; empty where nothing of it can be said.
std::string Translation::hosts_text(const SmbLine& line) {
  std::vector<HostRule> rules;
  bool is_all = false;
  for (const std::string& word : smb_list(line.value)) {
    std::string text = word;
    if (wire::equal_fold(text, "ALL")) {
      is_all = true;
      continue;
    }
    if (wire::equal_fold(text, "localhost")) text = "127.0.0.1";
    if (wire::equal_fold(text, "EXCEPT")) {
      remark(line, "there is no EXCEPT; give the networks that may come");
      return "[\"127.0.0.1\"]";
    }
    if (text.ends_with('.') && std::ranges::count(text, '.') <= 3) {
      const auto parts = std::ranges::count(text, '.');
      for (auto i = parts; i < 4; ++i) text += i == 3 ? "0" : "0.";
      text += fmt::format("/{}", 8 * parts);
    }
    if (const size_t slash = text.find("/255."); slash != text.npos) {
      if (const auto mask = IpAddress::parse(text.substr(slash + 1))) {
        unsigned bits = 0;
        for (const uint8_t byte : mask->bytes()) {
          bits += static_cast<unsigned>(std::popcount(byte));
        }
        text = text.substr(0, slash) + fmt::format("/{}", bits);
      }
    }
    if (const auto rule = parse_host_rule(text)) {
      rules.push_back(*rule);
    } else {
      remark(line,
             fmt::format("{} is no address or network in numbers, and does not get in", word));
    }
  }
  if (is_all) return {};
  // Narrower than it was, and not open to all.
  return rules.empty() ? "[\"127.0.0.1\"]" : as_toml(rules);
}

void Translation::hosts_of(Made& made) {
  const SmbLine* const allowed = line_of(made, "hostsallow");
  const SmbLine* const denied = line_of(made, "hostsdeny");
  if (allowed) {
    if (auto hosts = hosts_text(*allowed); !hosts.empty()) made.keys["hosts"] = std::move(hosts);
  }
  if (!denied) return;
  // Who is in neither of the two lists comes in there, and with one in hosts does not here.
  if (allowed && made.keys.contains("hosts")) {
    if (!wire::equal_fold(denied->value, "ALL") && denied->value != "0.0.0.0/0") {
      remark(*denied, "only who is in hosts gets in, whoever is denied besides");
    }
    return;
  }
  made.left_out = fmt::format(
      "{}: hosts deny = {}: nobody is named to be kept out here; name in "
      "hosts who may come",
      denied->place(), denied->value);
}

std::vector<std::string> slashed_list(std::string_view value) {
  std::vector<std::string> names;
  while (!value.empty()) {
    const std::string_view name = value.substr(0, value.find('/'));
    value.remove_prefix(std::min(name.size() + 1, value.size()));
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

void Translation::names_of(Made& made) {
  std::vector<std::string> hidden;
  if (yes_or_no(made, "hidedotfiles").value_or(true)) hidden.emplace_back(".*");
  if (const SmbLine* const line = line_of(made, "hidefiles")) {
    for (auto& name : slashed_list(line->value)) hidden.push_back(std::move(name));
  }
  if (!hidden.empty()) made.keys["hidden_names"] = as_toml(hidden);
  if (const SmbLine* const line = line_of(made, "vetofiles"); line && !line->value.empty()) {
    made.keys["veto_files"] = as_toml(slashed_list(line->value));
  }
  if (yes_or_no(made, "hideunreadable").value_or(false) ||
      yes_or_no(made, "accessbasedshareenum").value_or(false)) {
    made.keys["hide_unreadable"] = "true";
  }
  if (yes_or_no(made, "followsymlinks").value_or(true)) {
    made.keys["follow_symlinks"] = quoted("inside");
  }
}

void Translation::modules_of(Made& made) {
  const SmbLine* const line = line_of(made, "vfsobjects");
  if (!line) return;
  for (const std::string& module : smb_list(line->value)) {
    if (module == "recycle") {
      made.keys["recycle"] = "30";
      remark(*line, "recycle = 30 keeps files for 30 days, in .recycle/USER; give other days");
      for (const SmbLine& each : made.section.lines) {
        if (each.key.starts_with("recycle:")) made.said.insert(each.key);
      }
    } else if (module == "shadow_copy2" || module == "shadow_copy") {
      const SmbLine* const folder = find_canonical(made.section, "shadow:snapdir");
      made.said.insert("shadow:snapdir");
      const std::string name = folder ? folder->value : ".snapshots";
      if (name.starts_with('/')) {
        remark(*folder, "snapshots are below the folder of the share; give a folder in it");
      } else {
        made.keys["snapshots"] = quoted(name);
        remark(*line, "snapshots are folders with @GMT-... in their names");
      }
    } else if (module != "acl_xattr" && module != "streams_xattr" && module != "xattr_tdb" &&
               module != "btrfs" && module != "aio_pthread" && module != "io_uring" &&
               module != "full_audit" && module != "catia" && module != "fruit") {
      remark(*line, fmt::format("the module {} has no counterpart", module));
    } else if (module == "fruit") {
      remark(*line, "there is nothing for Macs but streams, which they use for their tags");
    } else if (module == "full_audit") {
      remark(*line, "the log has logons and refusals");
    } else if (module == "xattr_tdb") {
      remark(*line, "attributes that are in a tdb are not read; they have to be on the files");
    }
  }
}

void Translation::others_of(Made& made) {
  const auto copy = [&](std::string_view from, const char* to) {
    const SmbLine* const line = line_of(made, from);
    if (line && !line->value.empty()) made.keys[to] = quoted(line->value);
  };
  copy("comment", "comment");
  copy("forceuser", "force_user");
  if (const SmbLine* const line = line_of(made, "forcegroup"); line && !line->value.empty()) {
    std::string group = line->value;
    if (group.starts_with('+') || group.starts_with('@')) {
      if (group.starts_with('+')) {
        remark(*line, "all who use the share act in the group here, members or not");
      }
      group.erase(0, 1);
    }
    made.keys["force_group"] = quoted(group);
  }
  for (const auto& [from, to] :
       {std::pair{"createmask", "create_mask"}, std::pair{"directorymask", "directory_mask"}}) {
    const SmbLine* const line = line_of(made, from);
    if (!line) continue;
    std::string bits = line->value;
    while (bits.size() > 3 && bits.front() == '0') bits.erase(0, 1);
    while (bits.size() > 3) bits.erase(0, 1);  // set-group-ID and the like come from the folder
    const bool is_mode = bits.size() == 3 && bits.find_first_not_of("01234567") == bits.npos;
    if (is_mode) made.keys[to] = quoted(bits);
    if (!is_mode) remark(*line, "no permissions in octal; it is ignored");
  }
  if (yes_or_no(made, "browseable") == false) made.keys["browseable"] = "false";
  if (const SmbLine* const line = line_of(made, "maxconnections")) {
    if (line->value.find_first_not_of("0123456789") == std::string::npos && !line->value.empty() &&
        line->value.size() < 10) {
      if (line->value != "0") made.keys["max_connections"] = line->value;
    } else {
      remark(*line, "no number; it is ignored");
    }
  }
  if (const SmbLine* const line = find_canonical(made.section, "serversmbencrypt")) {
    made.said.emplace("serversmbencrypt");
    if (wire::equal_fold(line->value, "required") || wire::equal_fold(line->value, "mandatory")) {
      made.keys["encrypt"] = "true";
    }
  }
  const bool is_local =
      yes_or_no(made, "kerneloplocks").value_or(false) ||
      (line_of(made, "posixlocking") && yes_or_no(made, "posixlocking").value_or(false) &&
       find_canonical(made.section, "posixlocking"));
  if (is_local) made.keys["local_access"] = quoted("strict");
  if (made.keys.contains("guest") && made.keys.contains("encrypt")) {
    made.keys.erase("guest");
    remark(made.section.place, fmt::format("[{}]: guests have no key, so with encryption there are "
                                           "none",
                                           made.section.name));
  }
}

void Translation::tell_rest(const SmbSection& section, const std::set<std::string>& said) {
  std::set<std::string_view> told;
  for (const SmbLine& line : section.lines) {
    const std::string_view key = samba_key(line.key);
    if (said.contains(std::string(key)) || !told.insert(key).second) continue;
    if (needs_no_word(key)) continue;
    const auto near = nearest_to_samba(key);
    if (near && smb_bool(line.value) == false) continue;
    remark(line, std::string(near.value_or("has no counterpart here")));
  }
}

void Translation::share(const SmbSection& section) {
  const std::string& name = section.name;
  Made made{section};
  if (wire::equal_fold(name, "IPC$")) return;
  if (wire::equal_fold(name, "printers") || wire::equal_fold(name, "print$") ||
      yes_or_no(made, "printable").value_or(false) || yes_or_no(made, "printok").value_or(false)) {
    out_.left_out.push_back(name);
    return remark(section.place,
                  fmt::format("[{}] is left out: there are no printers; CUPS", name));
  }
  if (!yes_or_no(made, "available").value_or(true)) {
    out_.left_out.push_back(name);
    return remark(section.place, fmt::format("[{}] is left out: it is not available", name));
  }
  if (const SmbLine* const copied = find_canonical(section, "copy")) {
    made.left_out = fmt::format("{}: copy = {}: write the keys of that share into this one",
                                copied->place(), copied->value);
  }
  path_of(made);
  if (!made.left_out) rights_of(made);
  if (!made.left_out) hosts_of(made);
  if (made.left_out) {
    out_.left_out.push_back(name);
    return remark(section.place, fmt::format("[{}] is left out: {}", name, *made.left_out));
  }
  names_of(made);
  modules_of(made);
  others_of(made);
  tell_rest(section, made.said);
  std::string text = fmt::format("\n[[share]]\nname = {}\n", quoted(name));
  for (const auto& [key, value] : made.keys) text += fmt::format("{} = {}\n", key, value);
  // One that is none here is none to be written: the others are.
  const auto alone = parse("[server]\nsigning = \"enabled\"\n" + text, "smb.conf");
  if (!alone) {
    out_.left_out.push_back(name);
    const std::string& why = alone.error().front().message;
    return remark(section.place, fmt::format("[{}] is left out: {}", name, why));
  }
  if (!names_.insert(wire::fold(name)).second) {
    out_.left_out.push_back(name);
    return remark(section.place,
                  fmt::format("[{}] is left out: clients take its name for another share's", name));
  }
  shares_ += text;
  ++out_.shares;
}

void Translation::server() {
  if (!global_) return;
  const auto line = [&](const char* key) {
    said_global_.insert(key);
    return find_canonical(*global_, key);
  };
  if (const auto* name = line("netbiosname")) server_["name"] = quoted(name->value);
  if (const auto* keytab = line("dedicatedkeytabfile")) {
    std::string path = keytab->value;
    if (path.starts_with("FILE:")) path.erase(0, 5);
    if (path.starts_with('/')) server_["keytab"] = quoted(path);
  }
  constexpr std::pair<std::string_view, std::string_view> kDialects[] = {
      {"SMB2_02", "2.0.2"}, {"SMB2_10", "2.1"},   {"SMB2", "2.1"},  {"SMB3_00", "3.0"},
      {"SMB3_02", "3.0.2"}, {"SMB3_11", "3.1.1"}, {"SMB3", "3.1.1"}};
  for (const auto& [from, to] : {std::pair{"serverminprotocol", "min_dialect"},
                                 std::pair{"servermaxprotocol", "max_dialect"}}) {
    const auto* protocol = line(from);
    if (!protocol || wire::equal_fold(protocol->value, "default")) continue;
    const auto known = std::ranges::find_if(
        kDialects, [&](const auto& each) { return wire::equal_fold(each.first, protocol->value); });
    if (known == std::end(kDialects)) {
      remark(*protocol, "there is no SMB 1; the oldest is SMB2_02");
      continue;
    }
    const bool is_lowest = std::string_view(from) == "serverminprotocol";
    // Without a version the first of them is the lowest.
    const std::string_view dialect = !is_lowest                                  ? known->second
                                     : wire::equal_fold(protocol->value, "SMB2") ? "2.0.2"
                                     : wire::equal_fold(protocol->value, "SMB3") ? "3.0"
                                                                                 : known->second;
    server_[to] = quoted(dialect);
  }
  if (const auto* encrypt = line("serversmbencrypt")) {
    const bool required = wire::equal_fold(encrypt->value, "required") ||
                          wire::equal_fold(encrypt->value, "mandatory");
    if (required) server_["encryption"] = quoted("required");
    if (wire::equal_fold(encrypt->value, "desired")) server_["encryption"] = quoted("desired");
  }
  if (const auto* interfaces = line("interfaces")) {
    remark(*interfaces,
           "listen is where connections are taken, interfaces what clients are told of; both are "
           "every address without being said");
  }
  if (const auto* signing = line("serversigning"); signing &&
                                                   !wire::equal_fold(signing->value, "mandatory") &&
                                                   !wire::equal_fold(signing->value, "required")) {
    remark(*signing,
           "signing is required here where nothing is said; signing = \"enabled\" for "
           "clients that cannot");
  }
  for (const char* of_shares : {"path",
                                "comment",
                                "readonly",
                                "writeable",
                                "validusers",
                                "readlist",
                                "writelist",
                                "invalidusers",
                                "hostsallow",
                                "hostsdeny",
                                "guestok",
                                "guestonly",
                                "hidedotfiles",
                                "hidefiles",
                                "vetofiles",
                                "hideunreadable",
                                "accessbasedshareenum",
                                "followsymlinks",
                                "vfsobjects",
                                "forceuser",
                                "forcegroup",
                                "createmask",
                                "directorymask",
                                "browseable",
                                "maxconnections",
                                "kerneloplocks",
                                "posixlocking",
                                "available"}) {
    said_global_.insert(of_shares);
  }
  tell_rest(*global_, said_global_);
}

std::string Translation::whole_text() const {
  std::string text = "# Made of an smb.conf by braidctl import-samba.\n[server]\n";
  for (const auto& [key, value] : server_) text += fmt::format("{} = {}\n", key, value);
  return text + shares_;
}

FromSamba Translation::run() {
  out_.remarks = conf_.problems;
  server();
  for (const SmbSection& each : conf_.sections) {
    if (!wire::equal_fold(each.name, "global")) share(each);
  }
  if (has_guests_) {
    server_["signing"] = quoted("enabled");
    out_.remarks.push_back(
        "signing = \"enabled\" in [server], as guests have no key: other clients sign if they "
        "insist");
    if (server_.contains("encryption") && server_["encryption"] == quoted("required")) {
      server_["encryption"] = quoted("desired");
      out_.remarks.push_back(
          "encryption = \"desired\" in [server], as guests have no key; encrypt = true for the "
          "shares without them");
    }
  }
  out_.text = whole_text();
  // What is taken here of [global] is good for nothing if the shares cannot be had with it.
  for (const char* key : {"name", "keytab", "max_dialect", "min_dialect", "encryption"}) {
    const auto parsed = parse(out_.text, "smb.conf");
    if (parsed) break;
    if (server_.erase(key) == 0) continue;
    out_.remarks.push_back(
        fmt::format("[global]: {} is left out: {}", key, parsed.error().front().message));
    out_.text = whole_text();
  }
  return std::move(out_);
}

}  // namespace

FromSamba from_samba(const SmbConf& conf) { return Translation(conf).run(); }

}  // namespace braid::config
