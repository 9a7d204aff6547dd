// What else a share has.
#include <charconv>
#include <cstdint>

#include "config/samba_translation.h"

#include "config/homes.h"
#include "config/toml_text.h"
#include "wire/fold.h"

namespace braid::config {

void SambaTranslation::path_of(Made& made) {
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

namespace {

std::vector<std::string> slashed_list(std::string_view value) {
  std::vector<std::string> names;
  while (!value.empty()) {
    const std::string_view name = value.substr(0, value.find('/'));
    value.remove_prefix(std::min(name.size() + 1, value.size()));
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

}  // namespace

void SambaTranslation::names_of(Made& made) {
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

// Of the module fruit.
void SambaTranslation::backups_of(Made& made) {
  for (const SmbLine& each : made.section.lines) {
    if (each.key.starts_with("fruit:")) made.said.insert(each.key);
  }
  if (!yes_or_no(made, "fruit:timemachine").value_or(false)) return;
  made.keys["time_machine"] = "true";
  const SmbLine* const line = line_of(made, "fruit:timemachinemaxsize");
  if (!line || line->value.empty()) return;
  // As "500 G" or "1T", in powers of 1,024.
  uint64_t size = 0;
  const char* const begin = line->value.data();
  const char* const end = begin + line->value.size();
  const auto [number_end, error] = std::from_chars(begin, end, size);
  std::string unit;
  for (const char* at = number_end; at != end; ++at) {
    if (*at != ' ') unit += static_cast<char>(*at & ~0x20);
  }
  constexpr std::string_view kUnits = "KMGTP";
  const size_t power = unit.empty() ? kUnits.npos : kUnits.find(unit.front());
  const uint64_t gib = power == kUnits.npos || power < 2 ? 0 : size << 10 * (power - 2);
  if (error == std::errc{} && size < 1'048'576 && gib > 0 && gib <= 1'048'576) {
    made.keys["time_machine"] = std::to_string(gib);
  } else if (line->value != "0") {
    remark(*line, "no number of GiB up to 1048576; the share is as large as its disk");
  }
}

void SambaTranslation::modules_of(Made& made) {
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
      backups_of(made);
      remark(*line,
             "Macs keep their tags in streams, whose names are those of fruit with streams_xattr; "
             "what netatalk keeps in ._ files stays in them (docs/macos.md)");
    } else if (module == "full_audit") {
      remark(*line, "the log has logons and refusals");
    } else if (module == "xattr_tdb") {
      remark(*line, "attributes that are in a tdb are not read; they have to be on the files");
    }
  }
}

void SambaTranslation::others_of(Made& made) {
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
  const bool is_guarded = yes_or_no(made, "kerneloplocks").value_or(false);
  if (is_guarded) made.keys["local_access"] = quoted("strict");
  // It is Samba's default, so only who says so of a share means it.
  const bool has_locks = yes_or_no(made, "posixlocking").value_or(false) &&
                         find_canonical(made.section, "posixlocking");
  if (has_locks && !is_guarded) made.keys["local_locks"] = "true";
  if (made.keys.contains("guest") && made.keys.contains("encrypt")) {
    made.keys.erase("guest");
    remark(made.section.place, fmt::format("[{}]: guests have no key, so with encryption there are "
                                           "none",
                                           made.section.name));
  }
}

}  // namespace braid::config
