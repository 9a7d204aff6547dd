#include "rpc/memory_directory.h"

#include <algorithm>

#include "wire/fold.h"

namespace braid::rpc {

std::vector<ShareEntry> MemoryDirectory::shares(const CallerInfo&) const { return share_list; }

std::optional<ShareEntry> MemoryDirectory::find_share(const CallerInfo&,
                                                      std::string_view name) const {
  for (const ShareEntry& share : share_list) {
    if (wire::equal_fold(share.name, name)) return share;
  }
  return std::nullopt;
}

std::optional<Account> MemoryDirectory::find_account(std::string_view domain,
                                                     std::string_view name) const {
  for (const auto* list : {&user_list, &group_list}) {
    for (const Account& account : *list) {
      if (wire::equal_fold(account.name, name) &&
          (domain.empty() || wire::equal_fold(account.domain, domain))) {
        return account;
      }
    }
  }
  return std::nullopt;
}

std::optional<Account> MemoryDirectory::find_account(const wire::Sid& sid) const {
  for (const auto* list : {&user_list, &group_list}) {
    const auto it = std::find_if(list->begin(), list->end(),
                                 [&](const Account& account) { return account.sid == sid; });
    if (it != list->end()) return *it;
  }
  return std::nullopt;
}

std::vector<wire::Sid> MemoryDirectory::groups_of(const wire::Sid& user) const {
  const auto it = memberships.find(user);
  return it == memberships.end() ? std::vector<wire::Sid>() : it->second;
}

}  // namespace braid::rpc
