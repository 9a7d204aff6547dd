#include "apps/braidd/live_directory.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "admin/control_client.h"
#include "admin/open_view.h"
#include "admin/session_view.h"
#include "auth/unix_user.h"
#include "base/log.h"
#include "runtime/identity.h"
#include "smb2/server.h"
#include "wire/fold.h"
#include "wire/smb2/access_mask.h"

namespace braid::braidd {
namespace {

using nlohmann::json;

// Longer lists show nobody anything, and a name service may know very many.
constexpr size_t kGroupsMax = 4096;

rpc::Account account_of(const auth::NamedSid& named) {
  rpc::Account account;
  account.domain = named.domain;
  account.name = named.name;
  account.sid = named.sid;
  account.type = static_cast<rpc::AccountType>(named.use);
  return account;
}

// The answer of another worker is not trusted to be whole: it may be another version's.
uint32_t number(const json& row, const char* name) {
  const auto found = row.find(name);
  if (found == row.end() || !found->is_number_unsigned()) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(found->get<uint64_t>(), ~uint32_t{0}));
}
std::string text(const json& row, const char* name) {
  const auto found = row.find(name);
  return found != row.end() && found->is_string() ? found->get<std::string>() : std::string();
}
// Numbers that are texts, since they may have 64 bits.
uint64_t id(const json& row, const char* name) {
  return admin::parse_id(text(row, name)).value_or(0);
}

// [MS-SRVS] 2.2.4.7 "FILE_INFO_3", fi3_permissions.
uint32_t permissions_of(uint64_t access) {
  using wire::Access;
  constexpr uint32_t kMayRead = 1, kMayWrite = 2;
  uint32_t permissions = 0;
  if (access & (Access::kFileReadData | Access::kFileExecute)) permissions |= kMayRead;
  if (access & (Access::kFileWriteData | Access::kFileAppendData)) permissions |= kMayWrite;
  return permissions;
}

rpc::ShareType type_of(std::string_view share) {
  return share == "IPC$" ? rpc::ShareType::kIpc : rpc::ShareType::kDisk;
}

}  // namespace

void LiveDirectory::watch(const smb2::Server& engine, const admin::WorkerPlace& place,
                          std::string state_dir) {
  engine_ = &engine;
  place_ = place;
  state_dir_ = std::move(state_dir);
}

std::vector<json> LiveDirectory::ask(admin::Command command) const {
  std::vector<json> all;
  if (!engine_) return all;
  if (place_.workers <= 1) {
    all.push_back(command == admin::Command::kSessions ? admin::sessions_of(*engine_)
                                                       : admin::opens_of(*engine_));
    return all;
  }
  const ScopedPrivilege privilege;  // the sockets are for root and the server's user
  if (!privilege.status()) return all;
  auto answers = admin::ask_workers(state_dir_, {.command = command}, admin::Pause::kNoAnswer);
  if (!answers) {
    log::warn("a list of sessions or open files is empty: {}", log::Whole{answers.error()});
    return all;
  }
  for (const std::string& line : answers->missing) log::warn("{}", log::Whole{line});
  for (admin::WorkerResult& answer : answers->results) all.push_back(std::move(answer.result));
  return all;
}

std::vector<rpc::SessionEntry> LiveDirectory::sessions() const {
  std::vector<rpc::SessionEntry> entries;
  for (const json& rows : ask(admin::Command::kSessions)) {
    for (const json& row : rows) {
      entries.push_back({.client = text(row, "client"),
                         .user = text(row, "user"),
                         .open_count = number(row, "opens"),
                         .active_seconds = number(row, "active_seconds"),
                         .idle_seconds = number(row, "idle_seconds")});
    }
  }
  return entries;
}

std::vector<rpc::ConnectionEntry> LiveDirectory::connections() const {
  std::vector<rpc::ConnectionEntry> entries;
  for (const json& rows : ask(admin::Command::kSessions)) {
    for (const json& row : rows) {
      const auto trees = row.find("trees");
      if (trees == row.end()) continue;
      for (const json& tree : *trees) {
        const std::string share = text(tree, "share");
        entries.push_back({.id = number(tree, "tree"),
                           .type = type_of(share),
                           .open_count = number(tree, "opens"),
                           .user_count = 1,
                           .active_seconds = number(tree, "active_seconds"),
                           .user = text(row, "user"),
                           .share = share,
                           .client = text(row, "client")});
      }
    }
  }
  return entries;
}

std::vector<rpc::OpenFileEntry> LiveDirectory::open_files() const {
  std::vector<rpc::OpenFileEntry> entries;
  const auto directory = now();
  for (const json& rows : ask(admin::Command::kOpens)) {
    for (const json& row : rows) {
      std::string path = text(row, "path");
      if (text(row, "kind") == "pipe") {
        path = "\\PIPE\\" + path.substr(path.rfind('\\') + 1);  // all of it without one
      } else {
        std::ranges::replace(path, '\\', '/');
        const auto share = directory->find_share({}, text(row, "share"));
        if (share) path = share->path + "/" + path;
      }
      entries.push_back({.id = static_cast<uint32_t>(id(row, "open")),
                         .permissions = permissions_of(id(row, "access")),
                         .lock_count = number(row, "locks"),
                         .path = std::move(path),
                         .user = text(row, "user")});
    }
  }
  return entries;
}

rpc::Account LiveDirectory::account_of(const auth::User& user, uid_t uid) const {
  return {.domain = now()->server.netbios_name,
          .name = user.name,
          .sid = ids_.sid_of_uid(uid),
          .full_name = user.name,
          .description = "",
          .disabled = user.is_disabled};
}

std::optional<rpc::Account> LiveDirectory::find_account(std::string_view domain,
                                                        std::string_view name) const {
  if (domain.empty() || wire::equal_fold(domain, now()->server.netbios_name)) {
    if (const auto user = users_.find(name)) {
      if (const auto unix_user = auth::find_unix_user(user->unix_user)) {
        return account_of(*user, unix_user->uid);
      }
    }
  }
  std::string whole(domain);
  if (!whole.empty()) whole += '\\';
  const auto found = ids_.find_name(whole.append(name));
  if (!found) return std::nullopt;
  return braidd::account_of(*found);
}

std::optional<rpc::Account> LiveDirectory::find_account(const wire::Sid& sid) const {
  const auto found = ids_.name_of(sid);
  if (!found) return std::nullopt;
  if (found->use == auth::SidNameUse::kUser && sid.is_in(ids_.domain_sid())) {
    const auto all = users_.list();
    for (const auth::User& user : all ? *all : std::vector<auth::User>{}) {
      if (user.unix_user == found->name) return account_of(user, *ids_.uid_of(sid));
    }
  }
  return braidd::account_of(*found);
}

std::vector<rpc::Account> LiveDirectory::users() const {
  std::vector<rpc::Account> accounts;
  const auto all = users_.list();
  for (const auth::User& user : all ? *all : std::vector<auth::User>{}) {
    const auto unix_user = auth::find_unix_user(user.unix_user);
    if (unix_user) accounts.push_back(account_of(user, unix_user->uid));
  }
  return accounts;
}

// Those that accounts are in, and those of people; not the groups that users have for themselves.
std::vector<rpc::Account> LiveDirectory::groups() const {
  std::set<gid_t> of_accounts;
  std::set<std::string> names;
  const auto all = users_.list();
  for (const auth::User& user : all ? *all : std::vector<auth::User>{}) {
    const auto unix_user = auth::find_unix_user(user.unix_user);
    if (!unix_user) continue;
    names.insert(unix_user->name);
    of_accounts.insert(unix_user->groups.begin(), unix_user->groups.end());
  }
  std::vector<rpc::Account> accounts;
  for (const auth::UnixGroup& group : auth::list_unix_groups(kGroupsMax)) {
    const bool is_of_people = group.gid >= min_uid_ && group.gid != auth::kNobodyUid;
    if (!of_accounts.contains(group.gid) && !is_of_people) continue;
    if (names.contains(group.name)) continue;
    accounts.push_back({.domain = now()->server.netbios_name,
                        .name = group.name,
                        .sid = ids_.sid_of_gid(group.gid),
                        .type = rpc::AccountType::kGroup,
                        .full_name = "",
                        .description = ""});
  }
  std::ranges::sort(accounts, {}, [](const rpc::Account& account) { return account.sid.rid(); });
  return accounts;
}

std::vector<wire::Sid> LiveDirectory::groups_of(const wire::Sid& user) const {
  std::vector<wire::Sid> groups;
  const auto uid = ids_.uid_of(user);
  const auto name = uid ? auth::user_name_of(*uid) : std::nullopt;
  if (!name) return groups;
  const auto unix_user = auth::find_unix_user(*name);
  if (!unix_user) return groups;
  for (const gid_t gid : unix_user->groups) groups.push_back(ids_.sid_of_gid(gid));
  return groups;
}

}  // namespace braid::braidd
