#include "auth/id_mapper.h"

#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "auth/state_file.h"
#include "auth/unix_user.h"
#include "crypto/secret.h"
#include "wire/fold.h"

namespace braid::auth {
namespace {

constexpr uint32_t kFirstUserRid = 1000;
constexpr uint32_t kFirstGroupRid = 1001;
constexpr uint32_t kAdministratorRid = 500;  // [MS-DTYP] 2.4.2.4, LOCAL ADMINISTRATOR
constexpr uint32_t kNoId = std::numeric_limits<uint32_t>::max();  // (uid_t)-1 means "no change"
// Ids above this would wrap in a RID, or give kNoId.
constexpr uint32_t kIdMax = (kNoId - 1 - kFirstGroupRid) / 2;

struct WellKnown {
  wire::Sid sid;
  const char* domain;
  const char* name;
  SidNameUse use;
};
constexpr std::array kWellKnown = {
    WellKnown{wire::sids::kEveryone, "", "Everyone", SidNameUse::kWellKnownGroup},
    WellKnown{wire::sids::kCreatorOwner, "", "CREATOR OWNER", SidNameUse::kWellKnownGroup},
    WellKnown{wire::sids::kCreatorGroup, "", "CREATOR GROUP", SidNameUse::kWellKnownGroup},
    WellKnown{wire::sids::kOwnerRights, "", "OWNER RIGHTS", SidNameUse::kWellKnownGroup},
    WellKnown{wire::sids::kNetwork, "NT AUTHORITY", "NETWORK", SidNameUse::kWellKnownGroup},
    WellKnown{wire::sids::kAnonymous, "NT AUTHORITY", "ANONYMOUS LOGON",
              SidNameUse::kWellKnownGroup},
    WellKnown{wire::sids::kAuthenticatedUsers, "NT AUTHORITY", "Authenticated Users",
              SidNameUse::kWellKnownGroup},
    WellKnown{wire::sids::kLocalSystem, "NT AUTHORITY", "SYSTEM", SidNameUse::kWellKnownGroup},
    WellKnown{wire::sids::kBuiltin, "BUILTIN", "BUILTIN", SidNameUse::kDomain},
    WellKnown{wire::sids::kAdministrators, "BUILTIN", "Administrators", SidNameUse::kAlias},
    WellKnown{wire::sids::kUsers, "BUILTIN", "Users", SidNameUse::kAlias},
    WellKnown{wire::sids::kGuests, "BUILTIN", "Guests", SidNameUse::kAlias},
    WellKnown{wire::sids::kBackupOperators, "BUILTIN", "Backup Operators", SidNameUse::kAlias},
};
constexpr char kUnixUserDomain[] = "Unix User";
constexpr char kUnixGroupDomain[] = "Unix Group";

std::optional<uint32_t> id_in(const wire::Sid& sid, const wire::Sid& domain) {
  if (!sid.is_in(domain) || sid.rid() == kNoId) return std::nullopt;
  return sid.rid();
}

wire::Sid random_domain() {
  std::array<uint32_t, 3> parts;
  crypto::random_bytes({reinterpret_cast<uint8_t*>(parts.data()), sizeof parts});
  return wire::Sid(5, {21, parts[0], parts[1], parts[2]});
}

}  // namespace

Result<IdMapper> IdMapper::open(const std::string& state_dir, std::string server_name) {
  const std::string fresh = random_domain().to_string() + "\n";
  BRAID_TRY(Bytes text, read_or_create(state_dir, "domain_sid", as_bytes(fresh)));
  std::string_view line = as_text(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  BRAID_TRY(const wire::Sid domain, wire::Sid::parse(line));
  if (!domain.is_in(domain.domain()) || domain.sub_authorities().size() != 4) {
    return fail(Error::malformed());
  }
  BRAID_TRY(ImportedSids imported, read_imported_sids(state_dir));
  return IdMapper(domain, std::move(server_name), std::move(imported));
}

IdMapper::IdMapper(wire::Sid domain, std::string server_name, ImportedSids imported)
    : domain_(domain), server_name_(std::move(server_name)) {
  if (!imported.empty()) imported_ = std::make_shared<const ImportedSids>(std::move(imported));
}

wire::Sid IdMapper::sid_of_uid(uid_t uid) const {
  if (imported_) {
    if (const auto rid = imported_->rid_of(false, uid)) return domain_.with_rid(*rid);
    const bool is_taken =
        uid <= kIdMax && imported_->of_rid(uid == 0 ? kAdministratorRid : kFirstUserRid + 2 * uid);
    if (is_taken) return wire::sids::kUnixUsers.with_rid(uid);
  }
  if (uid == 0) return domain_.with_rid(kAdministratorRid);
  if (uid > kIdMax) return wire::sids::kUnixUsers.with_rid(uid);
  return domain_.with_rid(kFirstUserRid + 2 * uid);
}

wire::Sid IdMapper::sid_of_gid(gid_t gid) const {
  if (imported_) {
    if (const auto rid = imported_->rid_of(true, gid)) return domain_.with_rid(*rid);
    if (gid <= kIdMax && imported_->of_rid(kFirstGroupRid + 2 * gid)) {
      return wire::sids::kUnixGroups.with_rid(gid);
    }
  }
  if (gid > kIdMax) return wire::sids::kUnixGroups.with_rid(gid);
  return domain_.with_rid(kFirstGroupRid + 2 * gid);
}

std::optional<uid_t> IdMapper::uid_of(const wire::Sid& sid) const {
  if (const auto id = id_in(sid, wire::sids::kUnixUsers)) return id;
  if (const auto id = id_in(sid, wire::sids::kNfsUsers)) return id;
  const auto rid = id_in(sid, domain_);
  if (!rid) return std::nullopt;
  if (const auto row = imported_ ? imported_->of_rid(*rid) : std::nullopt) {
    return row->is_group ? std::nullopt : std::optional<uid_t>(row->id);
  }
  if (*rid == kAdministratorRid) return 0;
  // uid 0 has one SID only, so 1000 itself is nobody's.
  if (*rid <= kFirstUserRid || (*rid - kFirstUserRid) % 2 != 0) return std::nullopt;
  return (*rid - kFirstUserRid) / 2;
}

std::optional<gid_t> IdMapper::gid_of(const wire::Sid& sid) const {
  if (const auto id = id_in(sid, wire::sids::kUnixGroups)) return id;
  if (const auto id = id_in(sid, wire::sids::kNfsGroups)) return id;
  const auto rid = id_in(sid, domain_);
  if (const auto row = imported_ && rid ? imported_->of_rid(*rid) : std::nullopt) {
    return row->is_group ? std::optional<gid_t>(row->id) : std::nullopt;
  }
  if (!rid || *rid < kFirstGroupRid || (*rid - kFirstGroupRid) % 2 != 0) return std::nullopt;
  return (*rid - kFirstGroupRid) / 2;
}

Result<NamedSid> IdMapper::name_of(const wire::Sid& sid) const {
  for (const WellKnown& known : kWellKnown) {
    if (known.sid == sid) return NamedSid{sid, known.domain, known.name, known.use};
  }
  if (sid == domain_) return NamedSid{sid, server_name_, server_name_, SidNameUse::kDomain};
  const bool is_local = sid.is_in(domain_);
  if (const auto uid = uid_of(sid)) {
    const auto name = user_name_of(*uid);
    if (!name) return fail(NtStatus::kNoneMapped);
    return NamedSid{sid, is_local ? server_name_ : kUnixUserDomain, *name, SidNameUse::kUser};
  }
  if (const auto gid = gid_of(sid)) {
    const auto name = group_name_of(*gid);
    if (!name) return fail(NtStatus::kNoneMapped);
    return NamedSid{sid, is_local ? server_name_ : kUnixGroupDomain, *name, SidNameUse::kGroup};
  }
  return fail(NtStatus::kNoneMapped);
}

Result<NamedSid> IdMapper::find_name(std::string_view name) const {
  std::string_view domain;
  if (const size_t slash = name.find('\\'); slash != std::string_view::npos) {
    domain = name.substr(0, slash);
    name = name.substr(slash + 1);
  }
  for (const WellKnown& known : kWellKnown) {
    if (wire::equal_fold(name, known.name) &&
        (domain.empty() || wire::equal_fold(domain, known.domain))) {
      return NamedSid{known.sid, known.domain, known.name, known.use};
    }
  }
  const bool is_local = domain.empty() || wire::equal_fold(domain, server_name_);
  if (is_local && wire::equal_fold(name, server_name_)) {
    return NamedSid{domain_, server_name_, server_name_, SidNameUse::kDomain};
  }
  if (is_local || wire::equal_fold(domain, kUnixUserDomain)) {
    if (const auto user = find_unix_user(std::string(name))) {
      const wire::Sid sid =
          is_local ? sid_of_uid(user->uid) : wire::sids::kUnixUsers.with_rid(user->uid);
      return NamedSid{sid, is_local ? server_name_ : kUnixUserDomain, user->name,
                      SidNameUse::kUser};
    }
  }
  if (is_local || wire::equal_fold(domain, kUnixGroupDomain)) {
    if (const auto gid = find_unix_group(std::string(name))) {
      const wire::Sid sid = is_local ? sid_of_gid(*gid) : wire::sids::kUnixGroups.with_rid(*gid);
      return NamedSid{sid, is_local ? server_name_ : kUnixGroupDomain, std::string(name),
                      SidNameUse::kGroup};
    }
  }
  return fail(NtStatus::kNoneMapped);
}

}  // namespace braid::auth
