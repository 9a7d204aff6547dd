#include "smb2/security/unix_mapping.h"

#include <algorithm>

#include "auth/unix_user.h"
#include "smb2/security/evaluate.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using Tag = PosixAcl::Tag;

constexpr uint16_t kRead = 4, kWrite = 2, kExecute = 1;
// More named entries than this are left out of the kernel's list: it has to fit beside the
// descriptor into the block ext4 keeps attributes in.
constexpr size_t kNamedMax = 64;
// What stat() tells to everyone who can reach a file.
constexpr uint32_t kAlways =
    Access::kFileReadAttributes | Access::kReadControl | Access::kSynchronize;
constexpr uint32_t kOwnersAlways = kAlways | Access::kFileWriteAttributes | Access::kDelete |
                                   Access::kWriteDac | Access::kWriteOwner;

uint32_t rights_of(uint16_t permissions, const vfs::Attributes& attributes) {
  uint32_t rights = 0;
  if (permissions & kRead) rights |= Access::kFileGenericRead;
  if (permissions & kWrite) rights |= Access::kFileGenericWrite;
  if (permissions & kExecute) rights |= Access::kFileGenericExecute;
  constexpr uint32_t kSticky = 01000;
  if (attributes.is_directory() && (permissions & kWrite) && !(attributes.mode & kSticky)) {
    rights |= Access::kFileDeleteChild;
  }
  return rights;
}

uint32_t owners_rights(uint16_t permissions, const vfs::Attributes& attributes) {
  const uint16_t all = attributes.is_directory() ? kRead | kWrite | kExecute : kRead | kWrite;
  if ((permissions & all) == all) return Access::kFileAllAccess;
  uint32_t rights = kOwnersAlways | rights_of(permissions, attributes);
  if (attributes.is_directory() && (permissions & kWrite)) rights |= Access::kFileDeleteChild;
  return rights;
}

uint16_t permissions_of(uint32_t rights, bool is_directory) {
  uint16_t permissions = 0;
  if (rights & Access::kFileReadData) permissions |= kRead;
  if (rights & (Access::kFileWriteData | Access::kFileAppendData)) permissions |= kWrite;
  if (rights & Access::kFileExecute) permissions |= kExecute;
  if (is_directory) {
    if (rights & Access::kFileDeleteChild) permissions |= kWrite;
    // Entering a directory needs no right of its own on Windows.
    if (permissions != 0) permissions |= kExecute;
  }
  return permissions;
}

// Rights of someone known by these SIDs and those every logon has.
uint32_t rights_with(const wire::SecurityDescriptor& descriptor, const wire::Sid& sid,
                     std::vector<wire::Sid> groups) {
  for (const wire::Sid& each : {wire::sids::kEveryone, wire::sids::kAuthenticatedUsers,
                                wire::sids::kUsers, wire::sids::kNetwork}) {
    groups.push_back(each);
  }
  return granted_by(descriptor, {.user = sid, .groups = groups});
}

struct Named {
  std::vector<uid_t> users;
  std::vector<gid_t> groups;
};

Named named_in(const wire::SecurityDescriptor& descriptor, const vfs::Attributes& attributes,
               const auth::IdMapper& ids) {
  Named named;
  for (const wire::Ace& ace : descriptor.dacl->aces) {
    if (!ace.is_effective() || !ace.has_sid()) continue;
    if (named.users.size() + named.groups.size() >= kNamedMax) break;
    if (const auto uid = ids.uid_of(ace.sid); uid && *uid != attributes.uid) {
      named.users.push_back(*uid);
    } else if (const auto gid = ids.gid_of(ace.sid); gid && *gid != attributes.gid) {
      named.groups.push_back(*gid);
    }
  }
  const auto sort = [](auto& list) {
    std::ranges::sort(list);
    const auto [first, last] = std::ranges::unique(list);
    list.erase(first, last);
  };
  sort(named.users);
  sort(named.groups);
  return named;
}

std::vector<wire::Sid> groups_of(uid_t uid, const auth::IdMapper& ids) {
  std::vector<wire::Sid> groups;
  const auto name = auth::user_name_of(uid);
  if (!name) return groups;
  const auto user = auth::find_unix_user(*name);
  if (!user) return groups;
  for (const gid_t gid : user->groups) groups.push_back(ids.sid_of_gid(gid));
  return groups;
}

bool anyone_executes(const PosixAcl& acl) {
  return std::ranges::any_of(acl.entries, [](const PosixAcl::Entry& entry) {
    return entry.tag != Tag::kMask && (entry.permissions & kExecute);
  });
}

// Whom the entries without an id of their own are for.
struct Classes {
  wire::Sid owner;
  wire::Sid group;
};

// Adds entries with `flags` that grant what the kernel grants by `list`.
void add_entries(wire::Acl& dacl, const vfs::Attributes& attributes, const PosixAcl& list,
                 const Classes& classes, uint8_t flags, const auth::IdMapper& ids) {
  uint16_t any = 0;
  uint16_t of_groups = 0;
  uint16_t other = 0;
  for (const PosixAcl::Entry& entry : list.entries) {
    if (entry.tag == Tag::kMask) continue;
    const uint16_t permissions = list.effective(entry);
    any |= permissions;
    if (entry.tag == Tag::kGroup || entry.tag == Tag::kNamedGroup) of_groups |= permissions;
    if (entry.tag == Tag::kOther) other = permissions;
  }
  // The kernel stops at the first class a user is in; lists of allowed rights add up. Where a later
  // class has more, an entry that denies keeps the answer the same.
  const auto add = [&](const wire::Sid& sid, uint32_t rights, uint16_t permissions,
                       uint16_t later) {
    if (const uint16_t over = later & ~permissions) {
      const uint32_t both = kOwnersAlways | rights | rights_of(permissions, attributes);
      if (const uint32_t denied = rights_of(over, attributes) & ~both) {
        dacl.aces.push_back(wire::deny(sid, denied, flags));
      }
    }
    dacl.aces.push_back(wire::allow(sid, rights, flags));
  };
  for (const PosixAcl::Entry& entry : list.entries) {
    const uint16_t permissions = list.effective(entry);
    const uint32_t rights = kAlways | rights_of(permissions, attributes);
    switch (entry.tag) {
      case Tag::kOwner:
        add(classes.owner, owners_rights(permissions, attributes), permissions, any);
        break;
      case Tag::kUser:
        add(ids.sid_of_uid(entry.id), rights, permissions, any);
        break;
      case Tag::kGroup:
        add(classes.group, rights, permissions | of_groups, other);
        break;
      case Tag::kNamedGroup:
        add(ids.sid_of_gid(entry.id), rights, permissions | of_groups, other);
        break;
      case Tag::kOther:
        add(wire::sids::kEveryone, rights, permissions, 0);
        break;
      case Tag::kMask:
        break;
    }
  }
}

}  // namespace

wire::SecurityDescriptor descriptor_of_unix(const vfs::Attributes& attributes,
                                            const PosixAcl& access, const PosixAcl& default_list,
                                            const auth::IdMapper& ids) {
  wire::SecurityDescriptor descriptor;
  descriptor.control |= wire::sd_control::kDaclPresent;
  descriptor.owner = ids.sid_of_uid(attributes.uid);
  descriptor.group = ids.sid_of_gid(attributes.gid);
  wire::Acl dacl;
  add_entries(dacl, attributes, access, {*descriptor.owner, *descriptor.group}, 0, ids);
  if (attributes.is_directory()) {
    constexpr uint8_t kPassedOn = wire::ace_flag::kObjectInherit |
                                  wire::ace_flag::kContainerInherit | wire::ace_flag::kInheritOnly;
    // What the folder itself refuses to others, the files in it do not grant them.
    const PosixAcl usual =
        PosixAcl::of_mode(0700 | (attributes.mode & usual_mask(attributes.mode)));
    add_entries(dacl, attributes, default_list.empty() ? usual : default_list,
                {wire::sids::kCreatorOwner, wire::sids::kCreatorGroup}, kPassedOn, ids);
  }
  descriptor.dacl = std::move(dacl);
  return descriptor;
}

PosixAcl unix_of_descriptor(const wire::SecurityDescriptor& descriptor,
                            const vfs::Attributes& attributes, const PosixAcl& before,
                            const auth::IdMapper& ids) {
  const bool is_directory = attributes.is_directory();
  const bool executable = is_directory || anyone_executes(before);
  const auto permissions = [&](uint32_t rights) {
    uint16_t bits = permissions_of(rights, is_directory);
    if (!executable && rights == Access::kFileAllAccess) bits &= ~kExecute;
    return bits;
  };
  const wire::Sid owner = ids.sid_of_uid(attributes.uid);
  const wire::Sid group = ids.sid_of_gid(attributes.gid);
  // Whoever is given full control by having no list at all is everyone.
  const Named named = descriptor.dacl ? named_in(descriptor, attributes, ids) : Named{};

  PosixAcl made;
  uint16_t mask = 0;
  const auto add = [&](Tag tag, uint32_t rights, uint32_t id = 0, uint16_t at_least = 0) {
    const auto bits = static_cast<uint16_t>(permissions(rights) | at_least);
    if (tag == Tag::kUser || tag == Tag::kGroup || tag == Tag::kNamedGroup) mask |= bits;
    made.entries.push_back({tag, bits, id});
  };
  const uint16_t owners = is_directory ? kRead | kWrite | kExecute : kRead;
  add(Tag::kOwner, rights_with(descriptor, owner, {group}), 0, owners);
  for (const uid_t uid : named.users) {
    const bool in_groups = !named.groups.empty() || ids.gid_of(group);
    add(Tag::kUser,
        rights_with(descriptor, ids.sid_of_uid(uid),
                    in_groups ? groups_of(uid, ids) : std::vector<wire::Sid>{}),
        uid);
  }
  add(Tag::kGroup, rights_with(descriptor, group, {}));
  for (const gid_t gid : named.groups) {
    add(Tag::kNamedGroup, rights_with(descriptor, ids.sid_of_gid(gid), {}), gid);
  }
  if (!named.users.empty() || !named.groups.empty()) made.entries.push_back({Tag::kMask, mask, 0});
  add(Tag::kOther, rights_with(descriptor, wire::sids::kEveryone, {}));
  return made;
}

}  // namespace braid::smb2
