// Who may do what, and from where.
#include "config/samba_translation.h"

#include <algorithm>
#include <bit>

#include "config/access_rule.h"
#include "config/homes.h"
#include "config/toml_text.h"
#include "wire/fold.h"

namespace braid::config {

// "alice", "@staff", "+staff"; nothing where it cannot be said.
std::optional<std::string> SambaTranslation::rule_of(const SmbLine& line, const std::string& word) {
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

std::vector<std::string> SambaTranslation::rules_of(Made& made, std::string_view key,
                                                    bool& is_whole) {
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

void SambaTranslation::rights_of(Made& made) {
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
std::string SambaTranslation::hosts_text(const SmbLine& line) {
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

void SambaTranslation::hosts_of(Made& made) {
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

}  // namespace braid::config
