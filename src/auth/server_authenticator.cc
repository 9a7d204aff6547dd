#include "auth/server_authenticator.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "auth/identity_maker.h"
#include "auth/krb5_acceptor.h"
#include "auth/ntlm_acceptor.h"
#include "auth/spnego_acceptor.h"
#include "wire/fold.h"

namespace braid::auth {
namespace {

// [MS-SPNG] 2.2.1: the name that every server gives.
constexpr char kHintName[] = "not_defined_in_RFC4178@please_ignore";
constexpr size_t kNetbiosNameMax = 15;

// The host part, upper-cased; cut where a NetBIOS name ends.
std::string netbios_name(const std::string& name) {
  std::string host = name.substr(0, name.find('.'));
  host.resize(std::min(host.size(), kNetbiosNameMax));
  return wire::fold(host);
}

class ServerAuthenticator final : public Authenticator {
 public:
  ServerAuthenticator(const AuthOptions& options, const UserStore& users, const IdMapper& ids,
                      const Clock& clock, std::unique_ptr<Krb5Credential> credential)
      : policy_(policy_of(options)),
        identities_(users, ids, policy_.domain_name, options.guest_unix_user, options.min_uid),
        credential_(std::move(credential)) {
    offered_ = offers(options, clock, Krb5Style::kGss);
    offered_to_rpc_ = offers(options, clock, Krb5Style::kDce);
    wire::NegTokenInit hint;
    for (const OfferedMech& mech : offered_) hint.mech_types.push_back(mech.oid);
    hint.hint_name = kHintName;
    hint_ = hint.encode();
  }

  std::unique_ptr<AuthExchange> begin() const override {
    return std::make_unique<SpnegoAcceptor>(offered_);
  }
  std::unique_ptr<AuthExchange> begin_rpc() const override {
    return std::make_unique<SpnegoAcceptor>(offered_to_rpc_);
  }
  ByteView initial_hint() const override { return hint_; }

 private:
  std::vector<OfferedMech> offers(const AuthOptions& options, const Clock& clock, Krb5Style style) {
    std::vector<OfferedMech> offered;
    if (credential_ != nullptr) {
      const auto make = [this, &clock, style] {
        return std::make_unique<Krb5Acceptor>(*credential_, identities_, clock, style);
      };
      // Windows names Kerberos by both numbers.
      offered.push_back({wire::oids::kMsKrb5, make});
      offered.push_back({wire::oids::kKrb5, make});
    }
    if (options.allow_ntlm) {
      offered.push_back({wire::oids::kNtlmssp, [this, &clock] {
                           return std::make_unique<NtlmAcceptor>(policy_, identities_, clock);
                         }});
    }
    return offered;
  }

  static NtlmPolicy policy_of(const AuthOptions& options) {
    NtlmPolicy policy;
    policy.computer_name = netbios_name(options.server_name);
    policy.domain_name =
        options.domain_name.empty() ? policy.computer_name : netbios_name(options.domain_name);
    policy.dns_name = options.dns_name.empty() ? options.server_name : options.dns_name;
    policy.allow_anonymous = options.allow_anonymous;
    policy.map_unknown_to_guest = options.map_unknown_to_guest;
    return policy;
  }

  const NtlmPolicy policy_;
  const IdentityMaker identities_;
  const std::unique_ptr<Krb5Credential> credential_;
  std::vector<OfferedMech> offered_;
  std::vector<OfferedMech> offered_to_rpc_;
  Bytes hint_;
};

}  // namespace

std::expected<std::unique_ptr<Authenticator>, std::string> make_server_authenticator(
    AuthOptions options, const UserStore& users, const IdMapper& ids, const Clock& clock) {
  std::unique_ptr<Krb5Credential> credential;
  if (!options.keytab.empty()) {
    BRAID_TRY(credential, Krb5Credential::from_keytab(options.keytab));
  }
  if (credential == nullptr && !options.allow_ntlm) return std::unexpected("no way to log on");
  return std::make_unique<ServerAuthenticator>(options, users, ids, clock, std::move(credential));
}

}  // namespace braid::auth
