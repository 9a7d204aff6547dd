// Names and SIDs of accounts: the well-known ones and those of the server's directory.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rpc/directory.h"

namespace braid::rpc {

// An account together with the domain it is looked up in.
struct FoundAccount {
  Account account;
  wire::Sid domain_sid;  // that of account.domain; the account's own if it is a domain
};

// `name` is "name", "DOMAIN\name" or "name@domain". [MS-LSAT] 3.1.4.5 "LsarLookupNames4 (Opnum
// 77)": isolated names are looked for among the well-known accounts, then in the server's own
// domain.
std::optional<FoundAccount> find_account(const Directory& directory, std::string_view name);
std::optional<FoundAccount> find_account(const Directory& directory, const wire::Sid& sid);

// A domain that accounts are looked up in.
struct FoundDomain {
  std::string name;
  wire::Sid sid;
};

// The domain part of a name, for names whose account is not known; empty without one.
std::optional<FoundDomain> find_domain_of(const Directory& directory, std::string_view name);

// The name of a domain by SID, for SIDs whose account is not known: the server's own, BUILTIN.
std::optional<std::string> find_domain(const Directory& directory, const wire::Sid& sid);

}  // namespace braid::rpc
