#include "smb2/opens/work_owner.h"

#include <functional>
#include <string_view>

#include "smb2/opens/open.h"

namespace braid::smb2 {
namespace {

// 0 is the server's own.
uint64_t number_of(std::string_view name) { return std::hash<std::string_view>()(name) | 1; }

}  // namespace

WorkOwner work_of(const auth::Identity* user, const Share* share) {
  WorkOwner owner;
  // A domain's accounts and the server's own may have one name, and a server that is not root has
  // one uid for all.
  if (user) owner.user = number_of(user->account_name) ^ (number_of(user->domain) << 1);
  if (share) owner.share = number_of(share->name);
  return owner;
}

WorkOwner work_of(const auth::Identity& user, std::string_view share) {
  WorkOwner owner = work_of(&user, nullptr);
  owner.share = number_of(share);
  return owner;
}

WorkOwner work_of(const Open& open) {
  return work_of(open.owner.get(), open.tree_connect->share.get());
}

WorkOwner work_of_protection(const auth::Identity* user) {
  WorkOwner owner = work_of(user, nullptr);
  owner.share = number_of("protection");
  return owner;
}

WorkOwner work_of_protection(uint64_t connection) {
  return {.user = number_of("protection") ^ (connection << 1), .share = number_of("protection")};
}

WorkOwner work_of_logon(std::string_view peer_host) { return {.user = number_of(peer_host)}; }

}  // namespace braid::smb2
