#include "rpc/caller_info.h"

namespace braid::rpc {

CallerInfo caller_info_of(const auth::Identity& identity, std::string client_address) {
  return {.account_name = identity.account_name,
          .domain_name = identity.domain,
          .sid = identity.user_sid,
          .client_address = std::move(client_address),
          .is_anonymous = identity.is_anonymous,
          .is_guest = identity.is_guest,
          .is_administrator = identity.is_admin};
}

}  // namespace braid::rpc
