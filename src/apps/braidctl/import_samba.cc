#include "apps/braidctl/import_samba.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <expected>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "apps/braidctl/output.h"
#include "auth/imported_sids.h"
#include "auth/state_complaint.h"
#include "auth/unix_user.h"
#include "auth/user_store.h"
#include "base/unique_fd.h"
#include "config/config.h"
#include "config/from_samba.h"
#include "config/toml_text.h"
#include "wire/dtyp/sid.h"

namespace braid::braidctl {
namespace {

template <class T>
using Told = std::expected<T, std::string>;

constexpr size_t kOutputMax = 64u << 20;  // 100,000 accounts take 15 MiB

std::string all_of(int fd) {
  std::string text;
  ::lseek(fd, 0, SEEK_SET);
  char chunk[16384];
  for (ssize_t got; text.size() < kOutputMax && (got = ::read(fd, chunk, sizeof chunk)) > 0;) {
    text.append(chunk, static_cast<size_t>(got));
  }
  return text;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// What a program of Samba prints.
Told<std::string> output_of(std::vector<std::string> words) {
  // Not by the path of who calls: this runs as root.
  const std::string name = words.front();
  const std::string program = "/usr/bin/" + name;
  if (::access(program.c_str(), X_OK) != 0) {
    return std::unexpected(fmt::format(
        "there is no {}; install samba-common-bin, or leave accounts out with --without-accounts",
        program));
  }
  const UniqueFd out(::memfd_create("out", MFD_CLOEXEC));
  const UniqueFd errors(::memfd_create("errors", MFD_CLOEXEC));
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::string locale = "LC_ALL=C";
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {locale.data(), path.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, errors.get(), 2);
  pid_t child = -1;
  const int error =
      ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environment);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return std::unexpected(fmt::format("cannot run {}: {}", program, std::strerror(error)));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return all_of(out.get());
  std::string why = first_line(all_of(errors.get()));
  if (why.empty()) why = first_line(all_of(out.get()));
  return std::unexpected(fmt::format("{} failed: {}; run as root, with the state of that Samba",
                                     program, why.empty() ? "it does not say why" : why));
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    lines.push_back(line);
  }
  return lines;
}

// "S-1-5-..." from where it begins in a line.
std::optional<wire::Sid> sid_in(std::string_view line) {
  const size_t begin = line.find("S-1-");
  if (begin == line.npos) return std::nullopt;
  line.remove_prefix(begin);
  const auto sid = wire::Sid::parse(line.substr(0, line.find_first_not_of("S-0123456789")));
  return sid ? std::optional(*sid) : std::nullopt;
}

std::optional<crypto::Secret> nt_hash_in(std::string_view hex) {
  if (hex.size() != 32) return std::nullopt;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  Bytes bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]);
    const int low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;  // XXXX or NO PASSWORD
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  crypto::Secret hash(bytes);
  crypto::wipe(bytes);
  return hash;
}

struct Accounts {
  std::optional<wire::Sid> domain;
  std::vector<auth::User> users;
  std::vector<auth::ImportedSids::Row> sids;
  std::vector<std::string> remarks;
};

// pdbedit -L -v: the SID of each account, by its name.
std::map<std::string, wire::Sid, std::less<>> sids_by_account(std::string_view text) {
  std::map<std::string, wire::Sid, std::less<>> sids;
  std::string name;
  for (const std::string_view line : lines_of(text)) {
    constexpr std::string_view kName = "Unix username:";
    if (line.starts_with(kName)) {
      const size_t begin = line.find_first_not_of(" \t", kName.size());
      name = begin == line.npos ? "" : std::string(line.substr(begin));
    } else if (line.starts_with("User SID:") && !name.empty()) {
      if (const auto sid = sid_in(line)) sids.emplace(name, *sid);
    }
  }
  return sids;
}

// One line of pdbedit -L -w, "name:uid:LM:NT:[flags]:LCT-...:".
void take_account(std::string_view line, const std::map<std::string, wire::Sid, std::less<>>& sids,
                  Accounts& accounts) {
  std::vector<std::string_view> fields;
  for (size_t start = 0; start <= line.size() && fields.size() < 6;) {
    const size_t end = std::min(line.find(':', start), line.size());
    fields.push_back(line.substr(start, end - start));
    start = end + 1;
  }
  if (fields.size() < 5) return;
  const std::string name(fields[0]);
  const std::string_view flags = fields[4];
  const auto leave_out = [&](const std::string& why) {
    accounts.remarks.push_back(fmt::format("account {} is left out: {}", name, why));
  };
  if (flags.find_first_of("WSI") != flags.npos) return leave_out("it is one of a machine");
  auto hash = nt_hash_in(fields[3]);
  if (!hash) return leave_out("it has no password; braidctl user add gives it one");
  const auto unix_user = auth::find_unix_user(name);
  if (!unix_user) return leave_out("there is no Unix user of that name; make it with useradd");
  if (unix_user->uid == 0) return leave_out("nobody acts as root over the network");
  if (unix_user->uid < auth::kMinUid) {
    accounts.remarks.push_back(
        fmt::format("account {} acts as a uid below {}: it is refused until min_uid in [server] is "
                    "lowered to {}",
                    name, auth::kMinUid, unix_user->uid));
  }
  accounts.users.push_back({.name = name,
                            .unix_user = unix_user->name,
                            .nt_hash = *std::move(hash),
                            .is_disabled = flags.contains('D')});
  const auto sid = sids.find(name);
  if (sid == sids.end()) return;
  if (accounts.domain && sid->second.is_in(*accounts.domain)) {
    accounts.sids.push_back({.is_group = false, .id = unix_user->uid, .rid = sid->second.rid()});
  } else {
    accounts.remarks.push_back(
        fmt::format("account {}: its SID {} is of another domain than the server's, and is not "
                    "kept; permissions that name it let nobody in",
                    name, sid->second.to_string()));
  }
}

// "Staff (S-1-5-21-...-1005) -> staff"
void take_group(std::string_view line, Accounts& accounts) {
  const size_t arrow = line.rfind(" -> ");
  const auto sid = sid_in(line);
  if (arrow == line.npos || !sid || !accounts.domain || !sid->is_in(*accounts.domain)) return;
  const std::string name(line.substr(arrow + 4));
  const auto gid = auth::find_unix_group(name);
  if (!gid) {
    accounts.remarks.push_back(fmt::format(
        "group {}: there is no Unix group {}; its SID is not kept", sid->to_string(), name));
    return;
  }
  accounts.sids.push_back({.is_group = true, .id = *gid, .rid = sid->rid()});
}

Told<Accounts> accounts_of(const std::string& conf) {
  const std::string config = "--configfile=" + conf;
  Accounts accounts;
  auto local = output_of({"net", config, "getlocalsid"});
  if (!local) return std::unexpected(local.error());
  accounts.domain = sid_in(*local);
  if (!accounts.domain || accounts.domain->sub_authorities().size() != 4) {
    return std::unexpected(fmt::format("net getlocalsid names no SID: {}", first_line(*local)));
  }
  auto rows = output_of({"pdbedit", config, "-L", "-w"});
  if (!rows) return std::unexpected(rows.error());
  const auto details = output_of({"pdbedit", config, "-L", "-v"});
  if (!details) return std::unexpected(details.error());
  const auto sids = sids_by_account(*details);
  for (const std::string_view line : lines_of(*rows)) take_account(line, sids, accounts);
  crypto::wipe({reinterpret_cast<uint8_t*>(rows->data()), rows->size()});
  const auto groups = output_of({"net", config, "groupmap", "list"});
  if (!groups) return std::unexpected(groups.error());
  for (const std::string_view line : lines_of(*groups)) take_group(line, accounts);
  return accounts;
}

// Before anything is written: what would be in the way.
std::optional<std::string> obstacle(const ImportArguments& arguments, const Accounts& accounts) {
  struct stat status{};
  if (::lstat(arguments.write.c_str(), &status) == 0) {
    return fmt::format("{} is there already; give --write a file that is not", arguments.write);
  }
  if (!accounts.domain) return std::nullopt;
  const auto now = auth::stored_domain_sid(arguments.state_dir);
  if (!now) return auth::state_complaint(arguments.state_dir, now.error(), arguments.write);
  if (*now && **now != *accounts.domain) {
    return fmt::format(
        "the server of {} has the SID {} already; give --state-dir a folder that is not there yet, "
        "or remove its domain_sid if no client knows it",
        arguments.state_dir, (*now)->to_string());
  }
  return std::nullopt;
}

std::optional<std::string> write_config(const std::string& path, const std::string& text) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  const auto because = [&] { return fmt::format("{}: {}", path, std::strerror(errno)); };
  if (!file) return because();
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t written = ::write(file.get(), rest.data(), rest.size());
    if (written < 0) {
      const std::string why = because();
      ::unlink(path.c_str());
      return why;
    }
    rest.remove_prefix(static_cast<size_t>(written));
  }
  return std::nullopt;
}

std::optional<std::string> write_accounts(const ImportArguments& arguments, Accounts& accounts,
                                          size_t& added) {
  const auto complaint = [&](Error error) {
    return auth::state_complaint(arguments.state_dir, error, arguments.write);
  };
  auto store = auth::UserStore::open(arguments.state_dir);
  if (!store) return complaint(store.error());
  const auto sids = auth::ImportedSids::of(accounts.sids);
  if (!sids) return "two accounts or groups of that Samba have one SID or Unix id; mend that first";
  if (auto kept = auth::keep_sids(arguments.state_dir, *accounts.domain, *sids); !kept) {
    return complaint(kept.error());
  }
  for (const auth::User& user : accounts.users) {
    const auto done = store->add(user);
    if (done) {
      ++added;
    } else if (done.error().status() == NtStatus::kUserExists) {
      accounts.remarks.push_back(
          fmt::format("account {} is there already, and stays as it is", user.name));
    } else if (done.error().status() == NtStatus::kInvalidAccountName) {
      accounts.remarks.push_back(fmt::format(
          "account {} is left out: it is no account name here, as it is too long or has one of "
          "\" / \\ [ ] : ; | = , + * ? < > @",
          user.name));
    } else {
      return complaint(done.error());
    }
  }
  return std::nullopt;
}

std::string many(size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

int import_samba(const ImportArguments& arguments) {
  const auto read = [](const std::string& file) -> Told<std::string> {
    auto text = config::read_file(file);
    if (!text) {
      // It is no configuration of braid, which --config names.
      std::string why = text.error().message;
      constexpr std::string_view kRemedy = "; check the path after --config";
      if (why.ends_with(kRemedy)) why.resize(why.size() - kRemedy.size());
      return std::unexpected(std::move(why));
    }
    return *std::move(text);
  };
  const auto read_included = [&read](const std::string& file) -> Told<std::string> {
    std::error_code error;
    if (std::filesystem::is_fifo(file, error)) return std::unexpected("is a pipe, and no file");
    return read(file);
  };
  const auto text = read(arguments.smb_conf);
  if (!text) return complain(fmt::format("{}: {}", arguments.smb_conf, text.error()));
  auto made = config::from_samba(config::parse_smb_conf(*text, arguments.smb_conf, read_included));
  if (arguments.state_dir != ImportArguments{}.state_dir) {
    const std::string_view title = "[server]\n";
    const size_t behind = made.text.find(title) + title.size();
    made.text.insert(behind, fmt::format("state_dir = {}\n", config::quoted(arguments.state_dir)));
  }
  if (const auto parsed = config::parse(made.text, "the configuration made of it"); !parsed) {
    for (const auto& problem : parsed.error()) complain(problem.text());
    return kCannotDo;
  }
  Accounts accounts;
  if (!arguments.without_accounts) {
    auto found = accounts_of(arguments.smb_conf);
    if (!found) return complain(found.error());
    accounts = *std::move(found);
  }
  size_t added = 0;
  if (!arguments.write.empty()) {
    if (const auto why = obstacle(arguments, accounts)) return complain(*why);
    if (accounts.domain) {
      if (const auto why = write_accounts(arguments, accounts, added)) return complain(*why);
    }
    if (const auto why = write_config(arguments.write, made.text)) return complain(*why);
  }
  std::vector<std::string> remarks = std::move(made.remarks);
  remarks.insert(remarks.end(), accounts.remarks.begin(), accounts.remarks.end());
  const std::string sid = accounts.domain ? accounts.domain->to_string() : "";
  if (arguments.json) {
    const nlohmann::ordered_json result{{"written", !arguments.write.empty()},
                                        {"config", made.text},
                                        {"shares", made.shares},
                                        {"left_out", made.left_out},
                                        {"accounts", accounts.users.size()},
                                        {"sid", sid},
                                        {"remarks", remarks}};
    fmt::print("{}\n", json_text(result));
    return 0;
  }
  // What is printed of a configuration can be put into a file.
  FILE* const out = arguments.write.empty() ? stderr : stdout;
  if (arguments.write.empty()) fmt::print("{}", made.text);
  for (const std::string& each : remarks) fmt::print(out, "{}\n", printable(each));
  if (!arguments.write.empty()) {
    fmt::print("{}: {}, {} left out\n", arguments.write, many(made.shares, "share"),
               made.left_out.size());
    if (accounts.domain) {
      fmt::print("{}: {} with their passwords and SIDs, and the server's SID {}\n",
                 arguments.state_dir, many(added, "account"), sid);
    }
    fmt::print("braidctl --config {} config check looks at it; see docs/samba.md\n",
               arguments.write);
  } else {
    fmt::print(stderr, "{}, {} left out, {}; nothing is written without --write FILE\n",
               many(made.shares, "share"), made.left_out.size(),
               many(accounts.users.size(), "account"));
  }
  return 0;
}

}  // namespace braid::braidctl
