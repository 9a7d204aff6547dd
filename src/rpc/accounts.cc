#include "rpc/accounts.h"

#include "wire/fold.h"

namespace braid::rpc {
namespace {

struct WellKnown {
  wire::Sid sid;
  std::string_view domain;
  std::string_view name;
  AccountType type;
};

constexpr std::string_view kAuthority = "NT AUTHORITY";
constexpr std::string_view kBuiltin = "BUILTIN";

// [MS-DTYP] 2.4.2.4 "Well-Known SID Structures", those that ACLs on files name.
constexpr WellKnown kWellKnown[] = {
    {wire::Sid{1, {0}}, "", "Everyone", AccountType::kWellKnownGroup},
    {wire::Sid{3, {0}}, "", "CREATOR OWNER", AccountType::kWellKnownGroup},
    {wire::Sid{3, {1}}, "", "CREATOR GROUP", AccountType::kWellKnownGroup},
    {wire::Sid{3, {4}}, "", "OWNER RIGHTS", AccountType::kWellKnownGroup},
    {wire::Sid{5, {2}}, kAuthority, "NETWORK", AccountType::kWellKnownGroup},
    {wire::Sid{5, {4}}, kAuthority, "INTERACTIVE", AccountType::kWellKnownGroup},
    {wire::Sid{5, {6}}, kAuthority, "SERVICE", AccountType::kWellKnownGroup},
    {wire::Sid{5, {7}}, kAuthority, "ANONYMOUS LOGON", AccountType::kWellKnownGroup},
    {wire::Sid{5, {10}}, kAuthority, "SELF", AccountType::kWellKnownGroup},
    {wire::Sid{5, {11}}, kAuthority, "Authenticated Users", AccountType::kWellKnownGroup},
    {wire::Sid{5, {12}}, kAuthority, "RESTRICTED", AccountType::kWellKnownGroup},
    {wire::Sid{5, {18}}, kAuthority, "SYSTEM", AccountType::kWellKnownGroup},
    {wire::Sid{5, {19}}, kAuthority, "LOCAL SERVICE", AccountType::kWellKnownGroup},
    {wire::Sid{5, {20}}, kAuthority, "NETWORK SERVICE", AccountType::kWellKnownGroup},
    {wire::Sid{5, {32}}, kBuiltin, kBuiltin, AccountType::kDomain},
    {wire::Sid{5, {32, 544}}, kBuiltin, "Administrators", AccountType::kAlias},
    {wire::Sid{5, {32, 545}}, kBuiltin, "Users", AccountType::kAlias},
    {wire::Sid{5, {32, 546}}, kBuiltin, "Guests", AccountType::kAlias},
    {wire::Sid{5, {32, 547}}, kBuiltin, "Power Users", AccountType::kAlias},
    {wire::Sid{5, {32, 550}}, kBuiltin, "Print Operators", AccountType::kAlias},
    {wire::Sid{5, {32, 551}}, kBuiltin, "Backup Operators", AccountType::kAlias},
};

FoundAccount found(const WellKnown& known) {
  Account account;
  account.domain = known.domain;
  account.name = known.name;
  account.sid = known.sid;
  account.type = known.type;
  const bool is_domain = known.type == AccountType::kDomain;
  return {account, is_domain ? known.sid : known.sid.domain()};
}

FoundAccount found(Account account) {
  const wire::Sid domain =
      account.type == AccountType::kDomain ? account.sid : account.sid.domain();
  return {std::move(account), domain};
}

struct NameParts {
  std::string_view domain;
  std::string_view name;
};

NameParts split(std::string_view text) {
  if (const size_t backslash = text.find('\\'); backslash != std::string_view::npos) {
    return {text.substr(0, backslash), text.substr(backslash + 1)};
  }
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    return {text.substr(at + 1), text.substr(0, at)};
  }
  return {{}, text};
}

Account own_domain(const ServerFacts& facts) {
  Account account;
  account.domain = facts.netbios_name;
  account.name = facts.netbios_name;
  account.sid = facts.account_domain_sid;
  account.type = AccountType::kDomain;
  return account;
}

}  // namespace

std::optional<FoundAccount> find_account(const Directory& directory, std::string_view text) {
  auto [domain, name] = split(text);
  const ServerFacts facts = directory.identity.facts();
  if (name.empty()) std::swap(domain, name);  // "DOMAIN\" asks for the domain
  if (name.empty()) return std::nullopt;
  for (const WellKnown& known : kWellKnown) {
    if (wire::equal_fold(known.name, name) &&
        (domain.empty() || wire::equal_fold(known.domain, domain))) {
      return found(known);
    }
  }
  if (domain.empty() && wire::equal_fold(name, facts.netbios_name)) {
    return found(own_domain(facts));
  }
  if (auto account = directory.accounts.find_account(domain, name)) {
    return found(*std::move(account));
  }
  return std::nullopt;
}

std::optional<FoundAccount> find_account(const Directory& directory, const wire::Sid& sid) {
  for (const WellKnown& known : kWellKnown) {
    if (known.sid == sid) return found(known);
  }
  const ServerFacts facts = directory.identity.facts();
  if (sid == facts.account_domain_sid) return found(own_domain(facts));
  if (auto account = directory.accounts.find_account(sid)) return found(*std::move(account));
  return std::nullopt;
}

std::optional<FoundDomain> find_domain_of(const Directory& directory, std::string_view name) {
  const std::string_view domain = split(name).domain;
  const ServerFacts facts = directory.identity.facts();
  if (domain.empty()) return std::nullopt;
  if (wire::equal_fold(domain, facts.netbios_name)) {
    return FoundDomain{facts.netbios_name, facts.account_domain_sid};
  }
  if (wire::equal_fold(domain, kBuiltin)) {
    return FoundDomain{std::string(kBuiltin), wire::sids::kBuiltin};
  }
  return std::nullopt;
}

std::optional<std::string> find_domain(const Directory& directory, const wire::Sid& sid) {
  const ServerFacts facts = directory.identity.facts();
  if (sid == facts.account_domain_sid) return facts.netbios_name;
  if (facts.primary_domain_sid && sid == *facts.primary_domain_sid) return facts.workgroup;
  if (sid == wire::sids::kBuiltin) return std::string(kBuiltin);
  return std::nullopt;
}

}  // namespace braid::rpc
