#include "smb2/security/unix_change.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace braid::smb2 {
namespace {

using wire::Ace;
using wire::AceType;
using wire::SecurityDescriptor;
using wire::Sid;
namespace flag = wire::ace_flag;

constexpr uint8_t kInheritableFlags = flag::kObjectInherit | flag::kContainerInherit;

bool is_allowing(const Ace& ace) { return ace.type == AceType::kAccessAllowed; }
bool is_denying(const Ace& ace) { return ace.type == AceType::kAccessDenied; }

// What the class or the account of `sid` may by its own bits; nothing: there is no entry for it.
std::optional<uint32_t> bits_of_sid(const SecurityDescriptor& of_unix, const Sid& sid) {
  std::optional<uint32_t> rights;
  for (const Ace& ace : of_unix.dacl->aces) {
    if (is_allowing(ace) && ace.is_effective() && ace.sid == sid)
      rights = rights.value_or(0) | ace.mask;
  }
  return rights;
}

}  // namespace

SecurityDescriptor after_unix_change(const SecurityDescriptor& stored,
                                     const SecurityDescriptor& effective,
                                     const SecurityDescriptor& before,
                                     const SecurityDescriptor& after) {
  SecurityDescriptor changed = stored;
  if (before.owner != after.owner) changed.owner = after.owner;
  if (before.group != after.group) changed.group = after.group;
  if (!stored.dacl) {
    // Without a list everybody may do everything.
    changed.dacl = after.dacl;
    return changed;
  }
  const auto stays = [&](const Sid& sid) {
    return bits_of_sid(before, sid) == bits_of_sid(after, sid);
  };
  const std::vector<Ace>& old = stored.dacl->aces;
  std::vector<Ace> first, last, passed_on;
  std::vector<bool> is_placed(old.size());
  for (size_t i = 0; i < old.size(); ++i) {
    Ace ace = old[i];
    if (!ace.is_effective()) {
      passed_on.push_back(std::move(ace));
      is_placed[i] = true;
    } else if (ace.has_sid() && !stays(effective.dacl->aces[i].sid)) {
      is_placed[i] = true;
      if (!(ace.flags & kInheritableFlags)) continue;
      ace.flags |= flag::kInheritOnly;
      passed_on.push_back(std::move(ace));
    } else if (is_denying(ace)) {
      first.push_back(std::move(ace));
      is_placed[i] = true;
    }
  }
  std::vector<Ace>& aces = changed.dacl->aces;
  aces = std::move(first);
  // In the kernel's order, which ends at the first class that somebody is in.
  for (const Ace& now : after.dacl->aces) {
    if (!now.is_effective()) continue;
    if (is_denying(now) || !stays(now.sid)) {
      aces.push_back(now);
      aces.back().flags = 0;
      continue;
    }
    for (size_t i = 0; i < old.size(); ++i) {
      if (is_placed[i] || effective.dacl->aces[i].sid != now.sid) continue;
      aces.push_back(old[i]);
      is_placed[i] = true;
    }
  }
  for (size_t i = 0; i < old.size(); ++i) {
    if (!is_placed[i]) aces.push_back(old[i]);
  }
  std::ranges::move(passed_on, std::back_inserter(aces));
  return changed;
}

}  // namespace braid::smb2
