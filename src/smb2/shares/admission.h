// Whether somebody may use a share, by its `allow`, `hosts` and `max_connections`.
#pragma once

#include <optional>
#include <string>

#include "auth/identity.h"
#include "base/ip_address.h"
#include "config/config.h"

namespace braid::smb2 {

// What a logon gets of a share, and by which entry; for the log, and for administrators who ask.
struct Admission {
  bool is_admitted = false;
  bool read_only = false;  // by the entry; the share may be so for everybody
  std::string decided_by;  // "alice:ro", as in the file; empty: the share has no `allow`
};

// By `allow` alone, of a share that `who` reaches at all (files/access_check.h). An entry that
// names the user decides before those that name groups, and of several groups the one that gives
// most. May wait for a name service. Thread: any.
Admission admission_of(const config::ShareRules& share, const auth::Identity& who);

}  // namespace braid::smb2
