#include "config/from_samba.h"

#include "config/config.h"
#include "config/samba_translation.h"
#include "config/samba_words.h"
#include "config/toml_text.h"
#include "wire/fold.h"

namespace braid::config {

const SmbLine* find_canonical(const SmbSection& section, std::string_view key) {
  const SmbLine* found = nullptr;
  for (const SmbLine& each : section.lines) {
    if (samba_key(each.key) == key) found = &each;
  }
  return found;
}

const SmbLine* SambaTranslation::line_of(Made& made, std::string_view key) const {
  made.said.emplace(key);
  const SmbLine* const own = find_canonical(made.section, key);
  if (own || !global_) return own;
  return find_canonical(*global_, key);
}

std::optional<bool> SambaTranslation::yes_or_no(Made& made, std::string_view key) {
  const SmbLine* const line = line_of(made, key);
  if (!line) return std::nullopt;
  const auto value = smb_bool(line->value);
  if (!value) remark(*line, "neither yes nor no; it is ignored");
  return value;
}

void SambaTranslation::tell_rest(const SmbSection& section, const std::set<std::string>& said) {
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

void SambaTranslation::share(const SmbSection& section) {
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

std::string SambaTranslation::whole_text() const {
  std::string text = "# Made of an smb.conf by braidctl import-samba.\n[server]\n";
  for (const auto& [key, value] : server_) text += fmt::format("{} = {}\n", key, value);
  return text + shares_;
}

FromSamba SambaTranslation::run() {
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

FromSamba from_samba(const SmbConf& conf) { return SambaTranslation(conf).run(); }

}  // namespace braid::config
