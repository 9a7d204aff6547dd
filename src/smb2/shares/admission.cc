#include "smb2/shares/admission.h"

#include <algorithm>

#include "auth/unix_user.h"
#include "runtime/identity.h"
#include "wire/fold.h"

namespace braid::smb2 {
namespace {

bool has_account(const auth::Identity& who) { return !who.is_anonymous && !who.is_guest; }

bool is_user(const config::AllowRule& rule, const auth::Identity& who) {
  if (!has_account(who)) return rule.is_guest();
  if (wire::equal_fold(rule.name, who.account_name)) return true;
  // The Unix user that an account acts as. Without root all of them act as the server's own, and
  // its name says nothing of who it is.
  if (!auth::can_act_as_others()) return false;
  const auto unix_user = auth::find_unix_user(rule.name);
  return unix_user && unix_user->uid == who.uid;
}

bool is_member(const config::AllowRule& rule, const auth::Identity& who) {
  if (!has_account(who)) return false;
  const auto group = auth::find_unix_group(rule.name);
  return group && (who.gid == *group || std::ranges::find(who.groups, *group) != who.groups.end());
}

void take(Admission& admission, const config::AllowRule& rule) {
  if (admission.is_admitted && (!admission.read_only || rule.read_only)) return;
  admission = {
      .is_admitted = true, .read_only = rule.read_only, .decided_by = config::text_of(rule)};
}

}  // namespace

Admission admission_of(const config::ShareRules& share, const auth::Identity& who) {
  if (share.allow.empty()) return {.is_admitted = true};
  Admission admission;
  if (!assume(server_credentials())) return admission;
  for (const config::AllowRule& rule : share.allow) {
    if (!rule.is_group && is_user(rule, who)) take(admission, rule);
  }
  if (admission.is_admitted) return admission;
  for (const config::AllowRule& rule : share.allow) {
    if (rule.is_group && is_member(rule, who)) take(admission, rule);
  }
  return admission;
}

}  // namespace braid::smb2
