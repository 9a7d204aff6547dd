#include "smb2/security/descriptor_store.h"

#include <algorithm>

#include "base/log.h"
#include "runtime/identity.h"
#include "smb2/security/inherit.h"
#include "smb2/security/ntacl.h"
#include "smb2/security/unix_mapping.h"

namespace braid::smb2 {
namespace {

using vfs::Actor;

// Far more than a step of the clock that change times come from (10 ms at most).
constexpr uint64_t kSettledTicks = kTicksPerSecond / 4;
constexpr std::string_view kDescription = "posix_acl";

std::string_view attribute_name() { return can_switch_identity() ? kNtAclName : kNtAclUserName; }

bool is_absent(const Error& error) {
  return error.is_os(ENODATA) || error.is_os(EOPNOTSUPP) || error.is_os(EPERM);
}

FileKey whole_file(FileKey key) { return {key.device, key.inode, 0}; }

// The kernel's list, or an empty one where there is none beyond the mode.
PosixAcl read_list(vfs::File& file, std::string_view name) {
  const auto value = file.get_xattr(name, Actor::kServer);
  if (!value) return {};
  auto acl = PosixAcl::decode(*value);
  return acl ? *std::move(acl) : PosixAcl{};
}

struct KernelLists {
  PosixAcl access;
  PosixAcl default_list;
};
KernelLists read_lists(vfs::File& file, const vfs::Attributes& attributes) {
  KernelLists lists;
  lists.access = read_list(file, kPosixAclAccess);
  if (lists.access.empty()) lists.access = PosixAcl::of_mode(attributes.mode);
  if (attributes.is_directory()) lists.default_list = read_list(file, kPosixAclDefault);
  return lists;
}

NtAcl::Hash padded(const crypto::Digest32& digest) {
  NtAcl::Hash hash{};
  std::ranges::copy(digest, hash.begin());
  return hash;
}

bool is_current(const NtAcl& acl, const vfs::Attributes& attributes, const KernelLists& lists) {
  if (!acl.system_acl_hash) return acl.version < 3;  // the oldest had nothing to compare
  return acl.hash_type == NtAcl::kHashSha256 &&
         *acl.system_acl_hash ==
             padded(system_acl_hash(attributes, lists.access, lists.default_list));
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

// Owner and group of the file as the descriptor wants them, where they are accounts of this system.
Result<void> change_owner(vfs::File& file, const wire::SecurityDescriptor& descriptor,
                          vfs::Attributes& attributes, const auth::IdMapper& ids,
                          const OwnerGiver& by) {
  auto uid = descriptor.owner ? ids.uid_of(*descriptor.owner) : std::nullopt;
  auto gid = descriptor.group ? ids.gid_of(*descriptor.group) : std::nullopt;
  if (uid == attributes.uid) uid.reset();
  if (gid == attributes.gid) gid.reset();
  if (!uid && !gid) return {};
  const UnixCredentials& who = by.who;
  if (uid && *uid != who.uid && !by.may_restore) return fail(NtStatus::kInvalidOwner);
  const bool is_in =
      gid == who.gid || (gid && std::ranges::find(who.groups, *gid) != who.groups.end());
  if (gid && !is_in && !by.may_restore) return fail(NtStatus::kInvalidPrimaryGroup);
  BRAID_CHECK(file.change_owner(uid, gid));
  BRAID_TRY(attributes, file.stat());
  return {};
}

Result<void> write_access_list(vfs::File& file, const PosixAcl& access, uint32_t mode) {
  const Bytes value = access.encode();
  auto done = file.set_xattr(kPosixAclAccess, value, Actor::kServer);
  if (done || !done.error().is_os(EOPNOTSUPP)) return done;
  // Without access lists the mode says what it can: owner, group and others.
  uint32_t bits = mode & 07000;
  for (const PosixAcl::Entry& entry : access.entries) {
    if (entry.tag == PosixAcl::Tag::kOwner) bits |= uint32_t{entry.permissions} << 6;
    if (entry.tag == PosixAcl::Tag::kGroup) bits |= uint32_t{entry.permissions} << 3;
    if (entry.tag == PosixAcl::Tag::kOther) bits |= entry.permissions;
  }
  return file.change({.mode = bits});
}

// Owner, group and list of before a change of which a later part failed, as far as they can be had.
void put_back(vfs::File& file, const vfs::Attributes& before, const PosixAcl& access) {
  const auto now = file.stat();
  if (now && (now->uid != before.uid || now->gid != before.gid)) {
    (void)file.change_owner(before.uid, before.gid);
  }
  if (now && read_lists(file, *now).access != access) {
    (void)write_access_list(file, access, before.mode);
  }
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

Result<FileSecurityRef> DescriptorStore::load(vfs::File& file, const vfs::Attributes& attributes) {
  if (auto known = cached(attributes)) return known;
  auto security = std::make_shared<FileSecurity>();
  security->attributes = attributes;
  KernelLists lists = read_lists(file, attributes);
  auto value = file.get_xattr(attribute_name(), Actor::kServer);
  if (!value && !is_absent(value.error())) return std::unexpected(value.error());
  if (value) {
    auto acl = NtAcl::decode(*value);
    if (!acl) {
      log::warn("inode {}: {} cannot be read: {}", attributes.key.inode, attribute_name(),
                acl.error().message());
    } else if (is_current(*acl, attributes, lists)) {
      security->descriptor = std::move(acl->descriptor);
      security->is_stored = true;
    }
  }
  if (security->is_stored) {
    security->effective = localized(security->descriptor, attributes, ids_);
  } else {
    security->descriptor = descriptor_of_unix(attributes, lists.access, lists.default_list, ids_);
    security->effective = security->descriptor;
  }
  security->access = std::move(lists.access);
  security->default_list = std::move(lists.default_list);
  keep(security);
  return security;
}

Result<FileSecurityRef> DescriptorStore::load(vfs::Volume& volume, const Credentials& who,
                                              const vfs::Found& found) {
  if (auto known = cached(found.attributes)) return known;
  BRAID_TRY(const auto file, volume.open(who, found, {}));
  return load(*file, found.attributes);
}

Result<void> DescriptorStore::store(vfs::File& file, const wire::SecurityDescriptor& descriptor,
                                    const OwnerGiver& by) {
  // Whatever cannot be written down changes nothing.
  BRAID_TRY(const Bytes encoded, descriptor.encode());
  BRAID_TRY(vfs::Attributes attributes, file.stat());
  forget(attributes.key);
  // There is room for it before owner and list change, which the old one would not fit any more.
  // Without the hashes nobody believes it.
  NtAcl acl;
  acl.hash_type = NtAcl::kHashSha256;
  acl.description = kDescription;
  acl.time = clock_.now();
  acl.system_acl_hash = acl.hash;
  acl.descriptor = descriptor;
  BRAID_TRY(const Bytes reserved, acl.encode());
  const auto before = file.get_xattr(attribute_name(), Actor::kServer);
  if (auto done = file.set_xattr(attribute_name(), reserved, Actor::kServer); !done) {
    if (done.error().is_os(EOPNOTSUPP)) return fail(NtStatus::kNotSupported);
    return done;
  }
  const KernelLists lists = read_lists(file, attributes);
  auto done = apply(file, descriptor, by, attributes, acl, encoded);
  if (done) return done;
  put_back(file, attributes, lists.access);
  if (before) (void)file.set_xattr(attribute_name(), *before, Actor::kServer);
  if (!before) (void)file.remove_xattr(attribute_name(), Actor::kServer);
  return done;
}

Result<void> DescriptorStore::apply(vfs::File& file, const wire::SecurityDescriptor& descriptor,
                                    const OwnerGiver& by, vfs::Attributes attributes, NtAcl acl,
                                    ByteView encoded) {
  BRAID_CHECK(change_owner(file, descriptor, attributes, ids_, by));
  KernelLists lists = read_lists(file, attributes);
  const auto effective = localized(descriptor, attributes, ids_);
  const PosixAcl wanted = unix_of_descriptor(effective, attributes, lists.access, ids_);
  if (wanted != lists.access) {
    BRAID_CHECK(write_access_list(file, wanted, attributes.mode));
    BRAID_TRY(attributes, file.stat());
    lists = read_lists(file, attributes);
  }
  acl.hash = padded(crypto::sha256(encoded));
  acl.system_acl_hash = padded(system_acl_hash(attributes, lists.access, lists.default_list));
  BRAID_TRY(const Bytes value, acl.encode());
  return file.set_xattr(attribute_name(), value, Actor::kServer);
}

}  // namespace braid::smb2
