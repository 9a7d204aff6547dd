#include "smb2/security/inherit.h"

#include "smb2/security/evaluate.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Ace;
using wire::Acl;
using wire::SecurityDescriptor;
namespace flag = wire::ace_flag;
namespace control = wire::sd_control;

constexpr uint8_t kInheritance = flag::kObjectInherit | flag::kContainerInherit |
                                 flag::kNoPropagateInherit | flag::kInheritOnly | flag::kInherited;

bool is_inheritable(const Ace& ace, bool is_directory) {
  if (!is_directory) return (ace.flags & flag::kObjectInherit) != 0;
  if (ace.flags & flag::kContainerInherit) return true;
  return (ace.flags & flag::kObjectInherit) && !(ace.flags & flag::kNoPropagateInherit);
}

// The entry as it acts on the new object itself.
Ace effective_ace(Ace ace, const wire::Sid& owner, const wire::Sid& group) {
  if (ace.sid == wire::sids::kCreatorOwner) ace.sid = owner;
  if (ace.sid == wire::sids::kCreatorGroup) ace.sid = group;
  ace.mask = map_generic(ace.mask);
  return ace;
}

// The flags of one kind of list, so that DACL and SACL share one rule.
struct ListFlags {
  uint16_t present, defaulted, required, inherited, is_protected;
};
constexpr ListFlags kDaclFlags{control::kDaclPresent, control::kDaclDefaulted,
                               control::kDaclAutoInheritRequired, control::kDaclAutoInherited,
                               control::kDaclProtected};
constexpr ListFlags kSaclFlags{control::kSaclPresent, control::kSaclDefaulted,
                               control::kSaclAutoInheritRequired, control::kSaclAutoInherited,
                               control::kSaclProtected};

void take_list(SecurityDescriptor& made, std::optional<Acl> SecurityDescriptor::* list,
               const ListFlags& flags, const SecurityDescriptor* parent,
               const SecurityDescriptor* creator, bool is_directory) {
  if (creator && (creator->control & flags.present)) {
    made.*list = creator->*list;
    made.control |= creator->control & (flags.present | flags.defaulted | flags.required |
                                        flags.inherited | flags.is_protected);
    return;
  }
  if (!parent || !inherits(parent->*list, is_directory)) return;
  const bool mark = (parent->control & flags.inherited) != 0;
  made.*list = inherited_list(*(parent->*list), is_directory, mark, *made.owner, *made.group);
  made.control |= flags.present;
  // Both, since make_storable() takes the one without the other for a client's habit.
  if (mark) made.control |= flags.inherited | flags.required;
}

void settle(SecurityDescriptor& descriptor, std::optional<Acl>& list, const ListFlags& flags) {
  const uint16_t both = flags.inherited | flags.required;
  if ((descriptor.control & both) != both) descriptor.control &= ~flags.inherited;
  descriptor.control &= ~flags.required;
  if (!list) return;
  for (Ace& ace : list->aces) {
    if (ace.is_effective() && ace.has_sid()) ace.mask = map_generic(ace.mask);
  }
}

}  // namespace

bool inherits(const std::optional<Acl>& parent, bool is_directory) {
  return parent && std::ranges::any_of(parent->aces, [&](const Ace& ace) {
           return is_inheritable(ace, is_directory);
         });
}

Acl inherited_list(const Acl& parent, bool is_directory, bool mark, const wire::Sid& owner,
                   const wire::Sid& group) {
  Acl made{.revision = parent.revision, .aces = {}};
  const uint8_t inherited = mark ? flag::kInherited : 0;
  for (const Ace& ace : parent.aces) {
    if (!is_inheritable(ace, is_directory)) continue;
    const uint8_t kept = ace.flags & ~kInheritance;  // what an audit entry is about
    const uint8_t passed_on = ace.flags & (flag::kObjectInherit | flag::kContainerInherit);
    const bool acts = !is_directory || (ace.flags & flag::kContainerInherit);
    const bool goes_on = is_directory && !(ace.flags & flag::kNoPropagateInherit);
    Ace own = effective_ace(ace, owner, group);
    Ace further = ace;
    if (acts && goes_on && own.sid == further.sid && own.mask == further.mask) {
      own.flags = kept | passed_on | inherited;
      made.aces.push_back(std::move(own));
      continue;
    }
    if (acts) {
      own.flags = kept | inherited;
      made.aces.push_back(std::move(own));
    }
    if (goes_on) {
      further.flags = kept | passed_on | flag::kInheritOnly | inherited;
      made.aces.push_back(std::move(further));
    }
  }
  return made;
}

std::optional<SecurityDescriptor> new_descriptor(const SecurityDescriptor* parent,
                                                 const SecurityDescriptor* creator,
                                                 bool is_directory, const wire::Sid& owner,
                                                 const wire::Sid& group) {
  const bool inheriting =
      parent && (inherits(parent->dacl, is_directory) || inherits(parent->sacl, is_directory));
  if (!creator && !inheriting) return std::nullopt;
  SecurityDescriptor made;
  made.owner = creator && creator->owner ? *creator->owner : owner;
  made.group = creator && creator->group ? *creator->group : group;
  if (creator) made.resource_manager_control = creator->resource_manager_control;
  take_list(made, &SecurityDescriptor::dacl, kDaclFlags, parent, creator, is_directory);
  take_list(made, &SecurityDescriptor::sacl, kSaclFlags, parent, creator, is_directory);
  if (!(made.control & control::kDaclPresent)) {
    // [MS-DTYP] 2.5.3.4.2 "ComputeACL": the token's default. No list at all would grant everything.
    made.control |= control::kDaclPresent;
    made.dacl = Acl{.aces = {wire::allow(*made.owner, wire::Access::kFileAllAccess),
                             wire::allow(wire::sids::kLocalSystem, wire::Access::kFileAllAccess)}};
  }
  make_storable(made, StoredList::kDacl);
  make_storable(made, StoredList::kSacl);
  return made;
}

void make_storable(SecurityDescriptor& descriptor, StoredList list) {
  if (list == StoredList::kDacl) settle(descriptor, descriptor.dacl, kDaclFlags);
  if (list == StoredList::kSacl) settle(descriptor, descriptor.sacl, kSaclFlags);
}

}  // namespace braid::smb2
