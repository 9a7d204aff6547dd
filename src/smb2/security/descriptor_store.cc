#include "smb2/security/descriptor_store.h"

#include <algorithm>

#include "base/log.h"
#include "runtime/at_once.h"
#include "runtime/identity.h"
#include "smb2/security/inherit.h"
#include "smb2/security/ntacl.h"
#include "smb2/security/unix_change.h"
#include "smb2/security/unix_mapping.h"

namespace braid::smb2 {
namespace {

using vfs::Actor;

// Far more than a step of the clock that change times come from (10 ms at most).
constexpr uint64_t kSettledTicks = kTicksPerSecond / 4;
constexpr std::string_view kDescription = "posix_acl";

std::string_view attribute_name() { return can_switch_identity() ? kNtAclName : kNtAclUserName; }

// What the kernel checks by at one moment.
struct KernelState {
  vfs::Attributes attributes;
  PosixAcl access;
  PosixAcl default_list;
  bool has_lists = true;  // the file system keeps more than the mode
};

bool is_absent(const Error& error) {
  return error.is_os(ENODATA) || error.is_os(EOPNOTSUPP) || error.is_os(EPERM);
}

FileKey whole_file(FileKey key) { return {key.device, key.inode, 0}; }

// The kernel's list, or an empty one where there is none beyond the mode.
PosixAcl read_list(vfs::File& file, std::string_view name, bool& has_lists) {
  const auto value = file.get_xattr(name, Actor::kServer);
  if (!value) {
    if (value.error().is_os(EOPNOTSUPP)) has_lists = false;
    return {};
  }
  auto acl = PosixAcl::decode(*value);
  return acl ? *std::move(acl) : PosixAcl{};
}

KernelState read_state(vfs::File& file, const vfs::Attributes& attributes) {
  KernelState state{.attributes = attributes};
  state.access = read_list(file, kPosixAclAccess, state.has_lists);
  if (state.access.empty()) state.access = PosixAcl::of_mode(attributes.mode);
  if (attributes.is_directory()) {
    state.default_list = read_list(file, kPosixAclDefault, state.has_lists);
  }
  return state;
}

// The same where there is no list beyond the mode.
KernelState state_of_mode(const vfs::Attributes& attributes) {
  return {
      .attributes = attributes, .access = PosixAcl::of_mode(attributes.mode), .default_list = {}};
}

// Whether the file has neither a descriptor nor access lists, as it has since `attributes` of it
// were read: one that is being stored is there before anything else changes.
bool is_plain(vfs::File& file) {
  const auto names = file.list_xattrs(Actor::kServer);
  return names && std::ranges::none_of(*names, [](const std::string& name) {
           return name == attribute_name() || name == kPosixAclAccess || name == kPosixAclDefault;
         });
}

Result<KernelState> read_state(vfs::File& file) {
  BRAID_TRY(const vfs::Attributes attributes, file.stat());
  return read_state(file, attributes);
}

crypto::Digest32 hash_of(const KernelState& state) {
  return system_acl_hash(state.attributes, state.access, state.default_list);
}

NtAcl::Hash padded(const crypto::Digest32& digest) {
  NtAcl::Hash hash{};
  std::ranges::copy(digest, hash.begin());
  return hash;
}

std::string hex(const crypto::Digest32& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xF];
  }
  return text;
}

// While a descriptor is being stored it holds in each state on the way: that at the end is where
// Samba looks for the only one, and the others are in the description, which nobody else reads.
bool is_current(const NtAcl& acl, const KernelState& state) {
  if (!acl.system_acl_hash) return acl.version < 3;  // the oldest had nothing to compare
  if (acl.hash_type != NtAcl::kHashSha256) return false;
  const crypto::Digest32 now = hash_of(state);
  if (*acl.system_acl_hash == padded(now)) return true;
  return acl.description.size() > kDescription.size() && acl.description.contains(hex(now));
}

bool is_foreign(const std::optional<wire::Sid>& sid, const wire::Sid& domain) {
  const auto subs = sid ? sid->sub_authorities() : std::span<const uint32_t>();
  constexpr uint32_t kNtNonUnique = 21;  // S-1-5-21-x-y-z-RID: an account of some domain
  return sid && sid->authority() == 5 && subs.size() == 5 && subs[0] == kNtNonUnique &&
         !sid->is_in(domain);
}

// As the evaluator wants it: each account of this system by the one SID that logons carry, and
// owner and group of a foreign domain as the file's Unix owner and group.
wire::SecurityDescriptor localized(wire::SecurityDescriptor descriptor,
                                   const vfs::Attributes& attributes, const auth::IdMapper& ids) {
  const wire::Sid& domain = ids.domain_sid();
  const auto foreign_owner = is_foreign(descriptor.owner, domain) ? descriptor.owner : std::nullopt;
  const auto foreign_group = is_foreign(descriptor.group, domain) ? descriptor.group : std::nullopt;
  const auto localize = [&](wire::Sid& sid) {
    if (foreign_owner == sid) {
      sid = ids.sid_of_uid(attributes.uid);
    } else if (foreign_group == sid) {
      sid = ids.sid_of_gid(attributes.gid);
    } else if (const auto uid = ids.uid_of(sid)) {
      sid = ids.sid_of_uid(*uid);
    } else if (const auto gid = ids.gid_of(sid)) {
      sid = ids.sid_of_gid(*gid);
    }
  };
  if (descriptor.owner) localize(*descriptor.owner);
  if (descriptor.group) localize(*descriptor.group);
  if (descriptor.dacl) {
    for (wire::Ace& ace : descriptor.dacl->aces) localize(ace.sid);
  }
  return descriptor;
}

struct NewOwner {
  std::optional<uid_t> uid;  // nothing: stays
  std::optional<gid_t> gid;
  bool any() const { return uid || gid; }
};

// Owner and group of the file as the descriptor wants them, where they are accounts of this system.
Result<NewOwner> new_owner(const wire::SecurityDescriptor& descriptor,
                           const vfs::Attributes& attributes, const auth::IdMapper& ids,
                           const OwnerGiver& by) {
  NewOwner owner;
  if (descriptor.owner) owner.uid = ids.uid_of(*descriptor.owner);
  if (descriptor.group) owner.gid = ids.gid_of(*descriptor.group);
  if (owner.uid == attributes.uid) owner.uid.reset();
  if (owner.gid == attributes.gid) owner.gid.reset();
  const UnixCredentials& who = by.who;
  if (owner.uid && *owner.uid != who.uid && !by.may_restore) return fail(NtStatus::kInvalidOwner);
  const auto& gid = owner.gid;
  const bool is_in =
      gid == who.gid || (gid && std::ranges::find(who.groups, *gid) != who.groups.end());
  if (gid && !is_in && !by.may_restore) return fail(NtStatus::kInvalidPrimaryGroup);
  return owner;
}

// chown(2): set-id bits of what is no directory go.
KernelState with_owner(KernelState state, const NewOwner& owner) {
  constexpr uint32_t kSetUserId = 04000, kSetGroupId = 02000, kGroupExecutes = 010;
  vfs::Attributes& attributes = state.attributes;
  attributes.uid = owner.uid.value_or(attributes.uid);
  attributes.gid = owner.gid.value_or(attributes.gid);
  if (!owner.any() || attributes.is_directory()) return state;
  attributes.mode &= ~kSetUserId;
  if (attributes.mode & kGroupExecutes) attributes.mode &= ~kSetGroupId;
  return state;
}

// acl(5): the mask, where there is one, is what the mode shows of the group.
uint32_t mode_of(const PosixAcl& access, uint32_t mode, bool has_lists) {
  using Tag = PosixAcl::Tag;
  uint32_t bits = mode & 07000;
  uint32_t group = 0;
  for (const PosixAcl::Entry& entry : access.entries) {
    if (entry.tag == Tag::kOwner) bits |= uint32_t{entry.permissions} << 6;
    if (entry.tag == Tag::kOther) bits |= entry.permissions;
    if (entry.tag == Tag::kGroup || (entry.tag == Tag::kMask && has_lists)) {
      group = uint32_t{entry.permissions} << 3;
    }
  }
  return bits | group;
}

// Without access lists the mode says what it can: owner, group and others.
KernelState with_list(KernelState state, const PosixAcl& access) {
  uint32_t& mode = state.attributes.mode;
  mode = mode_of(access, mode, state.has_lists);
  state.access = state.has_lists ? access : PosixAcl::of_mode(mode);
  return state;
}

// Tells whether the file system keeps it.
Result<bool> write_access_list(vfs::File& file, const PosixAcl& access, uint32_t mode) {
  const auto done = file.set_xattr(kPosixAclAccess, access.encode(), Actor::kServer);
  if (done) return true;
  if (!done.error().is_os(EOPNOTSUPP)) return std::unexpected(done.error());
  BRAID_CHECK(file.change({.mode = mode_of(access, mode, false)}));
  return false;
}

// Owner, group and list of before a change of which a later part failed, as far as they can be had.
void put_back(vfs::File& file, const KernelState& before) {
  const vfs::Attributes& attributes = before.attributes;
  auto now = read_state(file);
  if (now && (now->attributes.uid != attributes.uid || now->attributes.gid != attributes.gid)) {
    (void)file.change_owner(attributes.uid, attributes.gid);
    now = read_state(file);
  }
  if (now && now->access != before.access) {
    (void)write_access_list(file, before.access, attributes.mode);
  }
}

// From `before` to `after`; what the file is then for who believes the descriptor. What a local
// program did meanwhile is not in it, so that the file counts as changed locally.
Result<KernelState> go_to(vfs::File& file, const KernelState& before, KernelState after,
                          const NewOwner& owner) {
  if (owner.any()) BRAID_CHECK(file.change_owner(owner.uid, owner.gid));
  BRAID_TRY(KernelState now, read_state(file));
  if (after.access != now.access) {
    const PosixAcl wanted = after.access;
    BRAID_TRY(bool keeps_lists, write_access_list(file, wanted, before.attributes.mode));
    BRAID_TRY(now, read_state(file));
    // It may be another list because the file system keeps lists in a form of its own: then it is
    // the same one again.
    if (keeps_lists && now.access != wanted) {
      BRAID_TRY(keeps_lists, write_access_list(file, wanted, before.attributes.mode));
      const PosixAcl kept = now.access;
      BRAID_TRY(now, read_state(file));
      if (now.access == kept) after.access = kept;
    }
    if (!keeps_lists) {
      after.has_lists = false;
      after = with_list(std::move(after), wanted);
    }
  }
  const bool is_as_wanted = now.attributes.uid == after.attributes.uid &&
                            now.attributes.gid == after.attributes.gid &&
                            now.access == after.access;
  return is_as_wanted ? now : after;
}

}  // namespace

FileSecurityRef DescriptorStore::cached(const vfs::Attributes& attributes) const {
  auto cache = cache_.lock();
  const auto found = cache->entries.find(whole_file(attributes.key));
  if (found == cache->entries.end()) return nullptr;
  const vfs::Attributes& then = found->second.security->attributes;
  // The mode and owner are part of what changes the change time; compared all the same, since they
  // cost nothing and a clock can be set back.
  if (then.changed != attributes.changed || then.mode != attributes.mode ||
      then.uid != attributes.uid || then.gid != attributes.gid) {
    return nullptr;
  }
  cache->least_recently_used.splice(cache->least_recently_used.begin(), cache->least_recently_used,
                                    found->second.used);
  return found->second.security;
}

void DescriptorStore::keep(const FileSecurityRef& security) {
  if (security->attributes.changed.ticks + kSettledTicks > clock_.now().ticks) return;
  const FileKey key = whole_file(security->attributes.key);
  auto cache = cache_.lock();
  auto [at, added] = cache->entries.try_emplace(key);
  at->second.security = security;
  if (!added) return;
  cache->least_recently_used.push_front(key);
  at->second.used = cache->least_recently_used.begin();
  if (cache->entries.size() <= kCachedMax) return;
  cache->entries.erase(cache->least_recently_used.back());
  cache->least_recently_used.pop_back();
}

void DescriptorStore::forget(FileKey key) {
  auto cache = cache_.lock();
  const auto found = cache->entries.find(whole_file(key));
  if (found == cache->entries.end()) return;
  cache->least_recently_used.erase(found->second.used);
  cache->entries.erase(found);
}

Result<DescriptorStore::Look> DescriptorStore::look(vfs::File& file,
                                                    const vfs::Attributes& attributes,
                                                    Has has) const {
  Look look;
  look.security = std::make_shared<FileSecurity>();
  FileSecurity& security = *look.security;
  security.attributes = attributes;
  // In this order: whoever stores one writes it before it changes the lists.
  KernelState state =
      has == Has::kNothing ? state_of_mode(attributes) : read_state(file, attributes);
  auto value =
      has == Has::kNothing ? fail_os(ENODATA) : file.get_xattr(attribute_name(), Actor::kServer);
  if (!value && !is_absent(value.error())) return std::unexpected(value.error());
  if (value) {
    auto acl = NtAcl::decode(*value);
    if (!acl) {
      log::warn("inode {}: {} cannot be read: {}", attributes.key.inode, attribute_name(),
                acl.error().message());
    } else if (is_current(*acl, state)) {
      security.descriptor = std::move(acl->descriptor);
      security.is_stored = true;
    } else {
      look.is_outdated = true;
    }
    look.value = *std::move(value);
  }
  if (security.is_stored) {
    security.effective = localized(security.descriptor, attributes, ids_);
  } else {
    security.descriptor = descriptor_of_unix(attributes, state.access, state.default_list, ids_);
    security.effective = security.descriptor;
  }
  security.access = std::move(state.access);
  security.default_list = std::move(state.default_list);
  look.has_lists = state.has_lists;
  return look;
}

Result<FileSecurityRef> DescriptorStore::load(vfs::File& file, const vfs::Attributes& attributes) {
  if (auto known = cached(attributes)) return known;
  return load_anew(file, attributes, Has::kPerhaps);
}

Result<FileSecurityRef> DescriptorStore::load_anew(vfs::File& file,
                                                   const vfs::Attributes& attributes, Has has) {
  BRAID_TRY(Look found, look(file, attributes, has));
  if (found.is_outdated) {
    // A local program has changed the file, or somebody is storing a descriptor and what was read
    // is from before and after it.
    BRAID_CHECK(file.exclusively([&]() -> Result<void> {
      BRAID_TRY(const vfs::Attributes now, file.stat());
      BRAID_TRY(found, look(file, now));
      return {};
    }));
  }
  keep(found.security);
  return found.security;
}

Result<FileSecurityRef> DescriptorStore::load(vfs::Volume& volume, const Credentials& who,
                                              const vfs::Found& found) {
  if (auto known = cached(found.attributes)) return known;
  BRAID_TRY(const auto file, volume.open(who, found, {}));
  // Most files have none of the three that are looked for, and the file systems that this is so for
  // tell the names of all that there are: one call instead of three. It counts for folders in which
  // files come and go, as their change time moves and what was known of them with it.
  const bool asks = volume.features().at_once && !must_not_wait();
  return load_anew(*file, found.attributes,
                   asks && is_plain(*file) ? Has::kNothing : Has::kPerhaps);
}

Result<bool> DescriptorStore::change(vfs::File& file, const Change& change, const OwnerGiver& by) {
  bool is_changed = false;
  BRAID_CHECK(file.exclusively([&]() -> Result<void> {
    BRAID_TRY(const vfs::Attributes attributes, file.stat());
    BRAID_TRY(const Look before, look(file, attributes));
    wire::SecurityDescriptor descriptor = before.security->descriptor;
    BRAID_CHECK(change(descriptor));
    if (before.security->is_stored && descriptor == before.security->descriptor) return {};
    forget(attributes.key);
    is_changed = true;
    return put(file, before, descriptor, by);
  }));
  return is_changed;
}

Result<void> DescriptorStore::change_unix(vfs::File& file, const vfs::AttributesChange& change) {
  return file.exclusively([&]() -> Result<void> {
    BRAID_TRY(const vfs::Attributes attributes, file.stat());
    BRAID_TRY(const Look before, look(file, attributes));
    forget(attributes.key);
    BRAID_CHECK(file.change(change));
    const FileSecurity& old = *before.security;
    if (!old.is_stored) {
      if (before.value) (void)file.remove_xattr(attribute_name(), Actor::kServer);
      return {};
    }
    BRAID_TRY(const KernelState now, read_state(file));
    const auto of_unix = [&](const vfs::Attributes& of, const PosixAcl& access,
                             const PosixAcl& default_list) {
      return descriptor_of_unix(of, access, default_list, ids_);
    };
    NtAcl acl;
    acl.hash_type = NtAcl::kHashSha256;
    acl.description = kDescription;
    acl.time = clock_.now();
    acl.descriptor = after_unix_change(old.descriptor, old.effective,
                                       of_unix(old.attributes, old.access, old.default_list),
                                       of_unix(now.attributes, now.access, now.default_list));
    acl.system_acl_hash = padded(hash_of(now));
    const auto write_down = [&]() -> Result<void> {
      if (acl.descriptor.dacl) BRAID_CHECK(acl.descriptor.dacl->check());
      BRAID_TRY(const Bytes encoded, acl.descriptor.encode());
      acl.hash = padded(crypto::sha256(encoded));
      BRAID_TRY(const Bytes value, acl.encode());
      return file.set_xattr(attribute_name(), value, Actor::kServer);
    };
    auto done = write_down();
    // Its bits alone would say more than was granted.
    if (!done) {
      put_back(file, {old.attributes, old.access, old.default_list, before.has_lists});
      if (change.mode) (void)file.change({.mode = old.attributes.mode});
    }
    return done;
  });
}

Result<void> DescriptorStore::store(vfs::File& file, const wire::SecurityDescriptor& descriptor,
                                    const OwnerGiver& by) {
  const auto replace = [&](wire::SecurityDescriptor& whole) -> Result<void> {
    whole = descriptor;
    return {};
  };
  BRAID_CHECK(change(file, replace, by));
  return {};
}

Result<void> DescriptorStore::put(vfs::File& file, const Look& look,
                                  const wire::SecurityDescriptor& descriptor,
                                  const OwnerGiver& by) {
  const FileSecurity& security = *look.security;
  const KernelState before{security.attributes, security.access, security.default_list,
                           look.has_lists};
  // Whatever cannot be written down, or is refused, changes nothing.
  BRAID_TRY(const Bytes encoded, descriptor.encode());
  BRAID_TRY(const NewOwner owner, new_owner(descriptor, before.attributes, ids_, by));
  const KernelState moved = with_owner(before, owner);
  const auto effective = localized(descriptor, moved.attributes, ids_);
  const PosixAcl wanted = unix_of_descriptor(effective, moved.attributes, moved.access, ids_);
  const KernelState after = wanted == moved.access ? moved : with_list(moved, wanted);

  NtAcl acl;
  acl.hash_type = NtAcl::kHashSha256;
  acl.hash = padded(crypto::sha256(encoded));
  acl.description = kDescription;
  acl.time = clock_.now();
  acl.descriptor = descriptor;
  acl.system_acl_hash = padded(hash_of(after));
  const auto write_down = [&]() -> Result<void> {
    BRAID_TRY(const Bytes value, acl.encode());
    auto done = file.set_xattr(attribute_name(), value, Actor::kServer);
    if (!done && done.error().is_os(EOPNOTSUPP)) return fail(NtStatus::kNotSupported);
    return done;
  };
  if (!owner.any() && after.access == before.access) return write_down();

  // First, as there must be room for it, and with every state that the file passes through: there
  // is no moment, and no death of this process, that leaves the file with neither descriptor.
  acl.description += " or " + hex(hash_of(before));
  if (owner.any()) acl.description += " or " + hex(hash_of(moved));
  BRAID_CHECK(write_down());
  const auto reached = go_to(file, before, after, owner);
  Result<void> done;
  if (reached) {
    acl.description = kDescription;
    acl.system_acl_hash = padded(hash_of(*reached));
    done = write_down();
  } else {
    done = std::unexpected(reached.error());
  }
  if (done) return done;
  put_back(file, before);
  if (look.value) (void)file.set_xattr(attribute_name(), *look.value, Actor::kServer);
  if (!look.value) (void)file.remove_xattr(attribute_name(), Actor::kServer);
  return done;
}

}  // namespace braid::smb2
