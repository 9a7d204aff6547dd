#include "apps/braidctl/users.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <expected>
#include <nlohmann/json.hpp>

#include "admin/control_client.h"
#include "apps/braidctl/output.h"
#include "apps/braidctl/password.h"
#include "auth/account_name.h"
#include "auth/state_complaint.h"
#include "auth/unix_user.h"
#include "auth/user_store.h"
#include "base/result.h"
#include "config/keys.h"

namespace braid::braidctl {
namespace {

using Outcome = std::expected<void, std::string>;

std::string explain(const std::string& name, const config::Config& config, Error error) {
  switch (error.status()) {
    case NtStatus::kUserExists:
      return fmt::format("user {} is already there; braidctl user password changes its password",
                         name);
    case NtStatus::kNoSuchUser:
      return fmt::format("there is no user {}; braidctl user list shows them", name);
    case NtStatus::kInvalidAccountName:
      return fmt::format(
          "{} is no account name; use up to {} characters without \" / \\ [ ] : ; | "
          "= , + * ? < > @",
          name, auth::kAccountNameUnitsMax);
    case NtStatus::kInvalidParameter:
      return "the password is not UTF-8";
    default:
      return auth::state_complaint(config.server.state_dir, error, config.file);
  }
}

// Opens the store, runs `work` on it, and reports. `done`: what then is so; empty: it has said
// that.
template <class Work>
int with_store(const config::Config& config, const UserArguments& arguments, Work work,
               const std::string& done = "") {
  auto store = auth::UserStore::open(config.server.state_dir);
  if (!store) return complain(explain(arguments.name, config, store.error()));
  const Outcome outcome = work(*store);
  if (!outcome) return complain(outcome.error());
  if (done.empty()) return 0;
  if (arguments.json) {
    fmt::print("{{\"done\": true}}\n");
  } else {
    fmt::print("{}\n", printable(done));
  }
  return 0;
}

// As explain(), with the account that may have been meant.
std::string explain(const auth::UserStore& store, const std::string& name,
                    const config::Config& config, Error error) {
  const auto users = store.list();
  if (error.status() == NtStatus::kNoSuchUser && users) {
    std::vector<std::string_view> names;
    for (const auth::User& user : *users) names.push_back(user.name);
    if (const auto guess = config::nearest(name, names)) {
      return fmt::format("there is no user {}; did you mean {}?", name, *guess);
    }
  }
  return explain(name, config, error);
}

// Nobody logs on to the machine itself as this one.
Outcome make_unix_user(const std::string& name, const std::vector<std::string>& groups) {
  std::vector<std::string> words{"useradd", "--no-create-home", "--shell", "/usr/sbin/nologin"};
  for (const std::string& group : groups) {
    if (!auth::find_unix_group(group)) {
      return std::unexpected(
          fmt::format("there is no Unix group {}; make it with groupadd {}", group, group));
    }
  }
  if (!groups.empty()) {
    words.push_back("--groups");
    words.push_back(fmt::format("{}", fmt::join(groups, ",")));
  }
  words.push_back("--");
  words.push_back(name);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = -1;
  // Not by the path of who calls: this runs as root.
  if (const int error =
          ::posix_spawn(&child, "/usr/sbin/useradd", nullptr, nullptr, arguments.data(), environ)) {
    return std::unexpected(fmt::format("cannot run /usr/sbin/useradd: {}", std::strerror(error)));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return std::unexpected(fmt::format("useradd did not make the Unix user {}, and said why", name));
}

// The account whose files a new user acts on.
std::expected<std::string, std::string> unix_user_for(const config::Config& config,
                                                      const UserArguments& arguments) {
  if (!auth::can_act_as_others()) {
    const std::string own = auth::own_unix_user().name;
    if (arguments.unix_user && *arguments.unix_user != own) {
      return std::unexpected(
          fmt::format("without root every request acts as {}; leave --unix-user out", own));
    }
    return own;
  }
  std::string wanted = arguments.unix_user.value_or(arguments.name);
  if (arguments.create && !auth::find_unix_user(wanted)) {
    if (Outcome made = make_unix_user(wanted, arguments.groups); !made) {
      return std::unexpected(made.error());
    }
  } else if (!arguments.groups.empty()) {
    return std::unexpected(fmt::format(
        "--group is for a Unix user that is made; usermod -aG GROUP {} adds this one to "
        "a group",
        wanted));
  }
  const auto found = auth::find_unix_user(wanted);
  if (!found) {
    return std::unexpected(fmt::format(
        "there is no Unix user {}; give --create to make it, or name another with --unix-user",
        wanted));
  }
  if (!auth::may_act_as(found->uid, config.server.min_uid)) {
    return std::unexpected(fmt::format(
        "the Unix user {} has uid {}{}; name another with --unix-user", wanted, found->uid,
        found->uid == 0
            ? ", and nobody acts as root over the network"
            : fmt::format(", below min_uid {} of {}", config.server.min_uid, config.file)));
  }
  return wanted;
}

// Replaces an account by what `change` makes of it.
template <class Change>
int change_user(const config::Config& config, const UserArguments& arguments,
                const std::string& done, Change change) {
  return with_store(
      config, arguments,
      [&](auth::UserStore& store) -> Outcome {
        auto user = store.find(arguments.name);
        if (!user) return std::unexpected(explain(store, arguments.name, config, user.error()));
        if (Outcome changed = change(*user); !changed) return changed;
        const auto updated = store.update(*user);
        if (!updated) return std::unexpected(explain(arguments.name, config, updated.error()));
        return {};
      },
      done.empty() ? "" : fmt::format("user {} {}", arguments.name, done));
}

Outcome ask_password(const config::Config& config, auth::User& user) {
  const auto password = read_password(user.name);
  if (!password) return std::unexpected(password.error());
  auto hash = auth::nt_hash_of(*password);
  if (!hash) return std::unexpected(explain(user.name, config, hash.error()));
  user.nt_hash = std::move(*hash);
  return {};
}

}  // namespace

int add_user(const config::Config& config, const UserArguments& arguments) {
  return with_store(config, arguments, [&](auth::UserStore& store) -> Outcome {
    // All of it before the password is asked for, not after.
    if (!auth::is_valid_account_name(arguments.name)) {
      return std::unexpected(explain(arguments.name, config, NtStatus::kInvalidAccountName));
    }
    if (store.find(arguments.name)) {
      return std::unexpected(explain(arguments.name, config, NtStatus::kUserExists));
    }
    auto unix_user = unix_user_for(config, arguments);
    if (!unix_user) return std::unexpected(unix_user.error());
    auth::User user{.name = arguments.name,
                    .unix_user = std::move(*unix_user),
                    .nt_hash = {},
                    .is_admin = arguments.admin};
    if (Outcome asked = ask_password(config, user); !asked) return asked;
    const auto added = store.add(user);
    if (!added) return std::unexpected(explain(arguments.name, config, added.error()));
    if (arguments.json) {
      fmt::print("{}\n", json_text(nlohmann::json{{"done", true}, {"unix_user", user.unix_user}}));
    } else {
      fmt::print("user {} was added, and acts as the Unix user {}\n", printable(user.name),
                 printable(user.unix_user));
    }
    return {};
  });
}

int list_users(const config::Config& config, const UserArguments& arguments) {
  return with_store(config, arguments, [&](auth::UserStore& store) -> Outcome {
    const auto users = store.list();
    if (!users) return std::unexpected(explain("", config, users.error()));
    auto rows = nlohmann::json::array();
    for (const auth::User& user : *users) {
      rows.push_back({{"name", user.name},
                      {"unix_user", user.unix_user},
                      {"admin", user.is_admin},
                      {"disabled", user.is_disabled}});
      if (arguments.json) continue;
      fmt::print("{:<20} {:<20}{}{}\n", printable(user.name), printable(user.unix_user),
                 user.is_admin ? " admin" : "", user.is_disabled ? " disabled" : "");
    }
    if (arguments.json) fmt::print("{}\n", json_text(rows));
    return {};
  });
}

int complete_users(const config::Config& config) {
  const auto store = auth::UserStore::open(config.server.state_dir);
  const auto users = store ? store->list() : fail(NtStatus::kNoSuchUser);
  if (!users) return kCannotDo;
  for (const auth::User& user : *users) print_for_shell(user.name);
  return 0;
}

namespace {

// Of an account that may not log on any more. What was done is written already, so that it is not
// undone by a server that does not answer.
int end_sessions(const config::Config& config, const UserArguments& arguments,
                 const std::string& done) {
  const auto answers = admin::ask_running_workers(
      config.server.state_dir, {.command = admin::Command::kUserKick, .user = arguments.name});
  uint64_t ended = 0;
  if (answers && *answers) {
    for (const auto& [worker, result] : (*answers)->results) {
      ended += result.value("ended", uint64_t{0});
    }
    for (const std::string& line : (*answers)->missing) complain(line);
  }
  if (arguments.json) {
    fmt::print("{}\n", json_text(nlohmann::json{{"done", true}, {"ended", ended}}));
  } else {
    fmt::print("user {} {}; sessions ended: {}\n", printable(arguments.name), done, ended);
  }
  if (!answers) {
    return complain(fmt::format("sessions that are there go on: {}", answers.error()));
  }
  return 0;
}

}  // namespace

int remove_user(const config::Config& config, const UserArguments& arguments) {
  const int failed = with_store(config, arguments, [&](auth::UserStore& store) -> Outcome {
    const auto removed = store.remove(arguments.name);
    if (!removed) return std::unexpected(explain(store, arguments.name, config, removed.error()));
    return {};
  });
  return failed ? failed : end_sessions(config, arguments, "was removed");
}

int change_password(const config::Config& config, const UserArguments& arguments) {
  return change_user(config, arguments, "has a new password",
                     [&](auth::User& user) { return ask_password(config, user); });
}

int enable_user(const config::Config& config, const UserArguments& arguments) {
  return change_user(config, arguments, "may log on again", [](auth::User& user) -> Outcome {
    user.is_disabled = false;
    return {};
  });
}

int disable_user(const config::Config& config, const UserArguments& arguments) {
  const int failed = change_user(config, arguments, "", [](auth::User& user) -> Outcome {
    user.is_disabled = true;
    return {};
  });
  return failed ? failed : end_sessions(config, arguments, "cannot log on");
}

}  // namespace braid::braidctl
