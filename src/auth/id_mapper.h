// IdMapper: between SIDs, Unix ids and names.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/imported_sids.h"
#include "base/result.h"
#include "wire/dtyp/sid.h"

namespace braid::auth {

// What a SID stands for: [MS-SAMR] 2.2.2.3 "SID_NAME_USE".
enum class SidNameUse : uint16_t {
  kUser = 1,
  kGroup = 2,
  kDomain = 3,
  kAlias = 4,
  kWellKnownGroup = 5,
  kDeletedAccount = 6,
  kInvalid = 7,
  kUnknown = 8,
  kComputer = 9,
};

struct NamedSid {
  wire::Sid sid;
  std::string domain;  // "" for Everyone, "NT AUTHORITY", "BUILTIN", the server's name, "Unix User"
  std::string name;
  SidNameUse use = SidNameUse::kUnknown;
};

// Local accounts are S-1-5-21-x-y-z-RID with x, y, z drawn once for the server and kept in
// `state_dir`/domain_sid. RIDs are arithmetic, so no table is needed and none can be lost:
//   user  uid: 1000 + 2 * uid        group gid: 1001 + 2 * gid        uid 0: 500 (Administrator)
// Ids too large for that are S-1-22-1-uid and S-1-22-2-gid, which are understood for all ids. Who
// came from another server and is in `state_dir`/imported_sids keeps the RID from there; whose RID
// by arithmetic that is has S-1-22 too.
// Thread: any. Life: the worker's; immutable.
class IdMapper {
 public:
  // Makes the domain SID if it is not there. `server_name` is the domain's name in look-ups.
  static Result<IdMapper> open(const std::string& state_dir, std::string server_name);
  // With a given domain, for tests.
  IdMapper(wire::Sid domain, std::string server_name, ImportedSids imported = {});

  const wire::Sid& domain_sid() const { return domain_; }
  const std::string& domain_name() const { return server_name_; }

  wire::Sid sid_of_uid(uid_t uid) const;
  wire::Sid sid_of_gid(gid_t gid) const;
  // None for SIDs of other domains, and for groups where a user is asked for (and the reverse).
  std::optional<uid_t> uid_of(const wire::Sid& sid) const;
  std::optional<gid_t> gid_of(const wire::Sid& sid) const;

  // For LSA look-ups and listings. Ask the system's user database: may wait.
  // STATUS_NONE_MAPPED when nothing is known.
  Result<NamedSid> name_of(const wire::Sid& sid) const;
  // "name" or "DOMAIN\name", without regard to case for the well-known ones.
  Result<NamedSid> find_name(std::string_view name) const;

 private:
  wire::Sid domain_;
  std::string server_name_;
  std::shared_ptr<const ImportedSids> imported_;  // null: there are none
};

}  // namespace braid::auth
