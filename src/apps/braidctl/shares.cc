#include "apps/braidctl/shares.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "admin/control_client.h"
#include "apps/braidctl/output.h"
#include "apps/braidctl/running.h"
#include "config/edit.h"
#include "config/homes.h"
#include "config/keys.h"
#include "config/toml_text.h"

namespace braid::braidctl {
namespace {

int complain_all(const config::Problems& problems) {
  for (const auto& problem : problems) complain(problem.text());
  return kCannotDo;
}

// A member of the group, and whoever is named, can work in it; without any only root can.
std::string how_to_make(const ShareArguments& arguments) {
  for (const std::string& each : arguments.allow) {
    const auto rule = config::parse_allow_rule(each);
    if (rule && rule->is_group) {
      return fmt::format("install -d -g {} -m 2770 {}", rule->name, arguments.path);
    }
  }
  for (const std::string& each : arguments.allow) {
    const auto rule = config::parse_allow_rule(each);
    if (rule) return fmt::format("install -d -o {} -m 0750 {}", rule->name, arguments.path);
  }
  return fmt::format("install -d -m 0755 {}", arguments.path);
}

// As how_to_make() says, but for users: an account is not always called what its Unix user is.
std::optional<std::string> make_folder(const ShareArguments& arguments) {
  const auto because = [&] {
    return fmt::format("{} cannot be made: {}", arguments.path, std::strerror(errno));
  };
  std::optional<gid_t> group;
  for (const std::string& each : arguments.allow) {
    const auto rule = config::parse_allow_rule(each);
    if (group || !rule || !rule->is_group) continue;
    const struct group* const found = ::getgrnam(rule->name.c_str());
    if (!found) {
      return fmt::format("there is no Unix group {}; make it with groupadd {}", rule->name,
                         rule->name);
    }
    group = found->gr_gid;
  }
  if (::mkdir(arguments.path.c_str(), 0700) != 0) return because();
  const char* const path = arguments.path.c_str();
  if (group && ::chown(path, static_cast<uid_t>(-1), *group) != 0) return because();
  if (::chmod(path, group ? 02770 : 0755) != 0) return because();
  return std::nullopt;
}

// A line when there is none and none is to be made.
std::optional<std::string> look_at_folder(const ShareArguments& arguments) {
  struct stat status{};
  if (!arguments.path.starts_with('/')) {
    return fmt::format("{} is no absolute path; begin it with /", arguments.path);
  }
  if (config::is_of_homes(arguments.path)) {
    // Each home is somebody else's to make.
    const std::string all = config::served_folder(arguments.path);
    if (::stat(all.c_str(), &status) == 0 && !arguments.create) return std::nullopt;
    if (arguments.create) return "--create makes no homes; make them, and leave it out";
    return fmt::format("{}: {}", all, std::strerror(errno));
  }
  if (::stat(arguments.path.c_str(), &status) == 0) return std::nullopt;
  if (errno != ENOENT) return fmt::format("{}: {}", arguments.path, std::strerror(errno));
  if (arguments.create) return std::nullopt;
  return fmt::format("there is no folder {}; make it ({}), or give --create", arguments.path,
                     how_to_make(arguments));
}

// What was typed after --set, as a line of the file: a value that is no TOML is meant as a text.
std::optional<config::KeyLine> key_line(const std::string& given) {
  const size_t equals = given.find('=');
  if (equals == 0 || equals == given.npos || given.contains('\n')) return std::nullopt;
  const auto trim = [](std::string text) {
    const size_t begin = text.find_first_not_of(' ');
    return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
  };
  const std::string key = trim(given.substr(0, equals));
  const std::string value = trim(given.substr(equals + 1));
  const bool is_toml =
      value == "true" || value == "false" || value.starts_with('"') || value.starts_with('[') ||
      value.starts_with('\'') ||
      (!value.empty() && (value == "0" || value[0] != '0') &&
       std::ranges::all_of(value, [](unsigned char c) { return c >= '0' && c <= '9'; }));
  return config::KeyLine{key, is_toml ? value : config::quoted(value)};
}

std::string did_you_mean(const config::Config& config, const std::string& name) {
  std::vector<std::string_view> names;
  for (const config::Share& share : config.shares) names.push_back(share.name);
  if (const auto guess = config::nearest(name, names)) {
    return fmt::format("did you mean {}?", *guess);
  }
  return "braidctl shares shows them";
}

// Writes it, has the server read it if one runs, and says what was done.
int put_in_place(config::FileChange& change, const ShareArguments& arguments,
                 const std::string& text, const config::Config& config, const std::string& done) {
  if (const auto problem = change.replace(text)) return complain(problem->text());
  if (!arguments.json) fmt::print("{}\n", printable(done));
  const auto running =
      admin::ask_workers(config.server.state_dir, {.command = admin::Command::kProcess});
  if (running) return reload(config, {.session = "", .channel = "", .json = arguments.json});
  if (arguments.json) {
    fmt::print("{{\"taken\": false}}\n");
  } else {
    fmt::print("no server runs on it; systemctl enable --now braidd starts it\n");
  }
  return 0;
}

}  // namespace

int add_share(const ShareArguments& arguments) {
  auto change = config::FileChange::begin(arguments.config_file);
  if (!change) return complain(change.error().text());
  const auto before = change->text();
  if (!before) return complain(before.error().text());
  const auto config_before = config::parse(*before, arguments.config_file);
  if (!config_before) return complain_all(config_before.error());
  if (const config::Share* const other = (*config_before)->find_share(arguments.name)) {
    return complain(
        fmt::format("share {} is already there, for {}; choose another name, or change "
                    "it in {}",
                    other->name, other->path, arguments.config_file));
  }
  if (const auto line = look_at_folder(arguments)) return complain(*line);

  std::vector<config::KeyLine> keys{{"name", config::quoted(arguments.name)},
                                    {"path", config::quoted(arguments.path)}};
  if (arguments.comment) keys.emplace_back("comment", config::quoted(*arguments.comment));
  if (!arguments.allow.empty()) keys.emplace_back("allow", config::as_toml(arguments.allow));
  if (arguments.read_only) keys.emplace_back("read_only", "true");
  if (arguments.encrypt) keys.emplace_back("encrypt", "true");
  for (const std::string& each : arguments.keys) {
    auto line = key_line(each);
    if (!line)
      return complain(fmt::format("{} is no KEY=VALUE; braidctl config keys lists them", each));
    keys.push_back(*std::move(line));
  }
  const std::string text = config::with_share(*before, keys);
  if (const auto as_text = config::parse(text, arguments.config_file); !as_text) {
    return complain_all(as_text.error());
  }
  const bool makes = arguments.create && ::access(arguments.path.c_str(), F_OK) != 0;
  if (makes) {
    if (const auto line = make_folder(arguments)) return complain(*line);
  }
  // What this made is gone again where the share is not to be.
  const auto undone = [&](int failure) {
    if (makes) ::rmdir(arguments.path.c_str());
    return failure;
  };
  const auto config = config::parse(text, arguments.config_file, config::Checks::kTextAndPaths);
  if (!config) return undone(complain_all(config.error()));
  for (const std::string& line : config::absent_shares(**config)) {
    // Of this share alone: the disk of another may be away for a while.
    if (line.starts_with(fmt::format("share '{}'", printable(arguments.name)))) {
      return undone(complain(line));
    }
  }
  const config::Share& share = *(*config)->find_share(arguments.name);
  std::string who;
  for (const config::AllowRule& rule : share.allow) {
    who += (who.empty() ? "" : ", ") + config::text_of(rule);
  }
  return put_in_place(*change, arguments, text, **config,
                      fmt::format("share {} was added{}: {}, for {}", share.name,
                                  makes ? ", and its folder made" : "", share.path,
                                  who.empty() ? "everybody who can log on" : who));
}

int remove_share(const ShareArguments& arguments) {
  auto change = config::FileChange::begin(arguments.config_file);
  if (!change) return complain(change.error().text());
  const auto before = change->text();
  if (!before) return complain(before.error().text());
  const auto config_before = config::parse(*before, arguments.config_file);
  if (!config_before) return complain_all(config_before.error());
  const config::Share* const share = (*config_before)->find_share(arguments.name);
  if (!share) {
    return complain(fmt::format("there is no share {}; {}", arguments.name,
                                did_you_mean(**config_before, arguments.name)));
  }
  const auto text = config::without_share(*before, arguments.name);
  if (!text) return complain(text.error());
  const auto config = config::parse(*text, arguments.config_file, config::Checks::kTextAndPaths);
  if (!config) return complain_all(config.error());
  return put_in_place(
      *change, arguments, *text, **config,
      fmt::format("share {} was removed; its folder {} stays as it is", share->name, share->path));
}

}  // namespace braid::braidctl
