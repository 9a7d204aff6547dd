#include "config/config.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>
#include <vector>

#include "base/printable.h"
#include "base/unique_fd.h"
#include "config/homes.h"
#include "config/journal_socket.h"
#include "config/path_look.h"
#include "config/reader.h"
#include "wire/fold.h"

namespace braid::config {
namespace {

constexpr size_t kFileBytesMax = 4u << 20;  // thousands of shares; more is not a configuration

std::string reason(int error_number) { return std::generic_category().message(error_number); }

// As is_group().
bool is_user(const std::string& name) {
  if (name.empty()) return true;
  struct passwd entry{};
  struct passwd* found = nullptr;
  std::vector<char> buffer(64 << 10);
  const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  return found || error != 0;
}

// Or there is none to look for, or nobody to ask.
bool is_group(const std::string& name) {
  if (name.empty()) return true;
  struct group entry{};
  struct group* found = nullptr;
  std::vector<char> buffer(1 << 20);  // a group with very many members
  const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  return found || error != 0;
}

// An absolute path without what changes nothing in it, with a slash at its end.
std::string plain_folder(std::string_view path) {
  std::string plain = "/";
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name != "..") {
      plain.append(name) += '/';
    } else if (plain.size() > 1) {
      plain.erase(plain.rfind('/', plain.size() - 2) + 1);
    }
  }
  return plain;
}

std::optional<Problem> handles_in_two_shares(const Config& config) {
  if (std::ranges::none_of(config.shares, &Share::continuous_availability)) return std::nullopt;
  std::vector<std::string> paths;
  for (const Share& share : config.shares) paths.push_back(served_folder(share.path));
  const std::vector<PathLook> looks = look_at(paths);
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!config.shares[i].continuous_availability) continue;
    for (size_t j = 0; j < paths.size(); ++j) {
      if (i == j || !looks[i].overlaps(looks[j])) continue;
      const std::string_view how = looks[i].folders[0] == looks[j].folders[0]
                                       ? "is the same folder as"
                                   : looks[i].is_in(looks[j].folders[0]) ? "lies in"
                                                                         : "has in it";
      return Problem{
          config.file, 0,
          fmt::format("share '{}' has continuous_availability, and its folder {} {} {} of share "
                      "'{}', through which files would change that it has promised to keep; serve "
                      "them apart, or leave it out",
                      config.shares[i].name, paths[i], how, paths[j], config.shares[j].name)};
    }
  }
  return std::nullopt;
}

// Each share has its own watches of what local programs do.
void note_different_access(const Config& config, std::vector<std::string>& lines) {
  std::map<std::string, const Share*> first;  // by folder
  for (const Share& share : config.shares) {
    const auto [other, is_first] = first.emplace(plain_folder(share.path), &share);
    if (is_first || other->second->local_access == share.local_access) continue;
    lines.push_back(
        fmt::format("shares '{}' and '{}' serve the same folder {} and differ in local_access, "
                    "which each of them keeps for its own clients only; give both the same",
                    other->second->name, share.name, share.path));
  }
}

// Clients could move or empty what says who did what; without root they read it, too.
std::optional<Problem> audit_in_share(const Config& config) {
  const std::string& audit = config.server.audit;
  if (!audit.starts_with('/')) return std::nullopt;
  const std::string folder = plain_folder(audit.substr(0, audit.rfind('/')));
  for (const Share& share : config.shares) {
    if (!folder.starts_with(plain_folder(served_folder(share.path)))) continue;
    return Problem{
        config.file, 0,
        fmt::format("audit {} is in the folder of share '{}', whose clients could change "
                    "it; give audit a place outside",
                    audit, share.name)};
  }
  return std::nullopt;
}

// Why nothing can be written to the file, or to the journal, that `audit` names, or who could read
// it; empty where it is as it should be. It is opened without following a link.
std::string audit_trouble(const std::string& audit) {
  if (audit.empty()) return {};
  if (audit == "journal") {
    const PathLook socket = look_at({std::string(kJournalSocket)}).front();
    if (!socket.answers || socket.error == 0) return {};
    return fmt::format("there is no journal here ({}: {}); give a file", kJournalSocket,
                       reason(socket.error));
  }
  const std::string folder = audit.substr(0, std::max<size_t>(audit.rfind('/'), 1));
  const std::vector<PathLook> looks = look_at({folder, audit});
  const PathLook& there = looks[0];
  const PathLook& file = looks[1];
  if (!there.answers || !file.answers) return "its disk does not answer";
  if (there.error != 0) {
    return fmt::format("its folder {}: {}; make it, or correct the path", folder,
                       reason(there.error));
  }
  if (!there.is_directory) return fmt::format("{} is not a directory; correct the path", folder);
  if (file.is_link) return "is a symbolic link, which nothing is written through; give its target";
  if (file.error == ENOENT) return {};  // it will be made
  if (file.error != 0) return reason(file.error);
  if (file.is_directory) return "is a directory; give a file in it";
  if (!file.is_file) return "is no plain file; give one, or one that is still to be made";
  if (!file.is_open) return {};
  return "others may read or change what users did; chmod 600 it";
}

}  // namespace

const Share* Config::find_share(std::string_view wanted) const {
  for (const Share& share : shares) {
    if (wire::equal_fold(share.name, wanted)) return &share;
  }
  return nullptr;
}

std::string Problem::text() const {
  if (line == 0) return printable(fmt::format("{}: {}", file, message));
  return printable(fmt::format("{}:{}: {}", file, line, message));
}

std::expected<Snapshot, Problems> parse(std::string_view text, const std::string& file,
                                        Checks checks) {
  Reader reader(file, checks);
  auto config = reader.read(text);
  if (!reader.problems().empty()) return std::unexpected(reader.problems());
  if (checks == Checks::kTextAndPaths && ::geteuid() != 0) {
    if (auto problem = state_in_share(*config)) {
      return std::unexpected(Problems{*std::move(problem)});
    }
  }
  if (checks == Checks::kTextAndPaths) {
    if (auto problem = audit_in_share(*config)) {
      return std::unexpected(Problems{*std::move(problem)});
    }
    if (auto problem = handles_in_two_shares(*config)) {
      return std::unexpected(Problems{*std::move(problem)});
    }
  }
  return config;
}

std::optional<Problem> state_in_share(const Config& config) {
  const std::string state = plain_folder(config.server.state_dir);
  for (const Share& share : config.shares) {
    if (!state.starts_with(plain_folder(served_folder(share.path)))) continue;
    return Problem{config.file, 0,
                   fmt::format("state_dir {} is in the folder of share '{}', whose clients would "
                               "read the accounts' passwords; give state_dir a place outside",
                               config.server.state_dir, share.name)};
  }
  return std::nullopt;
}

std::expected<std::string, Problem> read_file(const std::string& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    return std::unexpected(
        Problem{file, 0, "cannot be read: " + reason(errno) + "; check the path after --config"});
  }
  if (S_ISDIR(status.st_mode)) {
    return std::unexpected(Problem{file, 0, "is a directory; give the file in it"});
  }
  std::string text;
  char chunk[16384];
  while (true) {
    const ssize_t got = ::read(fd.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(Problem{file, 0, "cannot be read: " + reason(errno)});
    if (got == 0) return text;
    text.append(chunk, static_cast<size_t>(got));
    if (text.size() > kFileBytesMax) {
      return std::unexpected(Problem{file, 0, "is over 4 MiB; that is no configuration file"});
    }
  }
}

std::vector<std::string> without_effect(const Config& config) {
  std::vector<std::string> lines;
  if (config.server.witness && config.server.epm_port == 0) {
    lines.push_back(
        "witness = true has no effect while epm_port = 0: clients look for it on port 135 only; "
        "leave epm_port out");
  }
  for (const Share& share : config.shares) {
    if (share.guest && !share.allow.empty() &&
        std::ranges::none_of(share.allow, &AllowRule::is_guest)) {
      lines.push_back(
          fmt::format("share '{}': guest = true has no effect while its allow does not name guest; "
                      "add \"guest\" or \"guest:ro\" to it",
                      share.name));
    }
  }
  for (const Share& share : config.shares) {
    if (!share.time_machine_gib) continue;
    if (share.recycle_days > 0) {
      lines.push_back(
          fmt::format("share '{}': with recycle the room of backups that Time Machine "
                      "deletes is free {} days later; leave recycle out",
                      share.name, share.recycle_days));
    }
    const char* const other = !config.server.discovery ? "discovery = false in [server]"
                              : !share.browseable      ? "browseable = false"
                              : !share.streams         ? "streams = false"
                              : share.read_only        ? "read_only = true"
                                                       : nullptr;
    if (!other) continue;
    lines.push_back(fmt::format(
        "share '{}': time_machine has no effect while {}; change one of them", share.name, other));
  }
  for (const Share& share : config.shares) {
    if (share.compress != Compress::kAlways) continue;
    if (config.server.compression.empty()) {
      lines.push_back(
          fmt::format("share '{}': compress = \"always\" has no effect while compression = [] in "
                      "[server]; change one of them",
                      share.name));
    } else if (config.server.max_dialect < Dialect::k3_1_1) {
      lines.push_back(
          fmt::format("share '{}': compress = \"always\" has no effect while max_dialect in "
                      "[server] is below \"3.1.1\", as older clients have no compression; change "
                      "one of them",
                      share.name));
    }
  }
  note_different_access(config, lines);
  return lines;
}

std::vector<std::string> absent_shares(const Config& config) {
  std::vector<std::string> paths;
  for (const Share& share : config.shares) paths.push_back(served_folder(share.path));
  const std::string& keytab = config.server.keytab;
  if (!keytab.empty()) paths.push_back(keytab);
  const std::vector<PathLook> looks = look_at(paths);
  std::vector<std::string> lines;
  for (size_t i = 0; i < config.shares.size(); ++i) {
    const Share& share = config.shares[i];
    if (!is_group(share.force_group)) {
      lines.push_back(printable(fmt::format(
          "share '{}' is absent: force_group: there is no group '{}'; correct it, or make one with "
          "groupadd",
          share.name, share.force_group)));
    }
    if (!is_user(share.force_user)) {
      lines.push_back(printable(fmt::format(
          "share '{}' is absent: force_user: there is no Unix user '{}'; correct it, or make one "
          "with useradd",
          share.name, share.force_user)));
    }
    for (const AllowRule& rule : share.allow) {
      if (!rule.is_group || is_group(rule.name)) continue;
      lines.push_back(printable(fmt::format(
          "share '{}': allow lets nobody in by '{}': there is no Unix group '{}'; correct it, or "
          "make one with groupadd",
          share.name, text_of(rule), rule.name)));
    }
    if (looks[i].answers && looks[i].error == 0) {
      if (share.continuous_availability && !looks[i].keeps_birth) {
        lines.push_back(printable(
            fmt::format("share '{}' is absent: {}: {}", share.name, paths[i], kNoBirthTime)));
      }
      continue;
    }
    lines.push_back(
        printable(fmt::format("share '{}' is absent: {}: {}", share.name, paths[i],
                              looks[i].answers ? reason(looks[i].error) : "it does not answer")));
  }
  if (!keytab.empty() && !looks.back().answers) {
    lines.push_back(printable(
        fmt::format("keytab {}: it does not answer; Kerberos logons fail until it does", keytab)));
  }
  const std::string& audit = config.server.audit;
  if (const std::string trouble = audit_trouble(audit); !trouble.empty()) {
    lines.push_back(printable(fmt::format("audit {}: {}", audit, trouble)));
  }
  return lines;
}

std::expected<Snapshot, Problems> load(const std::string& file) {
  auto text = read_file(file);
  if (!text) return std::unexpected(Problems{std::move(text.error())});
  return parse(*text, file, Checks::kTextAndPaths);
}

}  // namespace braid::config
