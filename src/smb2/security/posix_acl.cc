#include "smb2/security/posix_acl.h"

#include <sys/stat.h>

#include <algorithm>

#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

using Tag = PosixAcl::Tag;

constexpr uint32_t kVersion = 2;  // POSIX_ACL_XATTR_VERSION
constexpr uint32_t kNoId = 0xffffffff;

bool has_id(Tag tag) { return tag == Tag::kUser || tag == Tag::kNamedGroup; }

// The numbers Samba has for the kinds of entries.
uint16_t number_of(Tag tag) {
  switch (tag) {
    case Tag::kUser:
      return 1;
    case Tag::kOwner:
      return 2;
    case Tag::kNamedGroup:
      return 3;
    case Tag::kGroup:
      return 4;
    case Tag::kOther:
      return 5;
    case Tag::kMask:
      return 6;
  }
  return 0;
}

// NDR: count, aligned to 8 since entries hold 64-bit ids, count, a cursor that is always 0,
// entries.
void write_list(wire::Writer& w, const PosixAcl& acl) {
  const auto count = static_cast<uint32_t>(acl.entries.size());
  w.align(4);
  w.u32(count);
  w.align(8);
  w.u32(count);
  w.u32(0);
  for (const PosixAcl::Entry& entry : acl.entries) {
    w.align(8);
    w.u16(number_of(entry.tag));
    w.u16(number_of(entry.tag));
    if (has_id(entry.tag)) {
      w.align(8);
      w.u64(entry.id);
    }
    w.align(4);
    w.u32(entry.permissions);
  }
}

uint32_t type_bits(vfs::Kind kind) {
  switch (kind) {
    case vfs::Kind::kFile:
      return S_IFREG;
    case vfs::Kind::kDirectory:
      return S_IFDIR;
    case vfs::Kind::kSymlink:
      return S_IFLNK;
    case vfs::Kind::kFifo:
      return S_IFIFO;
    case vfs::Kind::kSocket:
      return S_IFSOCK;
    case vfs::Kind::kCharDevice:
      return S_IFCHR;
    case vfs::Kind::kBlockDevice:
      return S_IFBLK;
  }
  return 0;
}

bool is_member(const UnixCredentials& who, gid_t gid) {
  return who.gid == gid || std::ranges::find(who.groups, gid) != who.groups.end();
}

}  // namespace

PosixAcl PosixAcl::of_mode(uint32_t mode) {
  const auto bits = [mode](int shift) { return static_cast<uint16_t>((mode >> shift) & 07); };
  return {{{Tag::kOwner, bits(6)}, {Tag::kGroup, bits(3)}, {Tag::kOther, bits(0)}}};
}

Result<PosixAcl> PosixAcl::decode(ByteView bytes) {
  wire::Reader r(bytes);
  r.expect(r.u32() == kVersion);
  r.expect(r.remaining() % 8 == 0 && r.remaining() / 8 <= kEntriesMax);
  PosixAcl acl;
  while (r.remaining() > 0) {
    Entry entry;
    entry.tag = r.as<Tag>();
    r.expect(number_of(entry.tag) != 0);
    entry.permissions = r.u16() & 07;
    entry.id = r.u32();
    if (!has_id(entry.tag)) entry.id = 0;
    acl.entries.push_back(entry);
  }
  return r.finish(std::move(acl));
}

Bytes PosixAcl::encode() const {
  Bytes out;
  wire::Writer w(out);
  w.u32(kVersion);
  for (const Entry& entry : entries) {
    w.value(entry.tag);
    w.u16(entry.permissions);
    w.u32(has_id(entry.tag) ? entry.id : kNoId);
  }
  return out;
}

uint16_t PosixAcl::effective(const Entry& entry) const {
  if (entry.tag == Tag::kOwner || entry.tag == Tag::kOther || entry.tag == Tag::kMask) {
    return entry.permissions;
  }
  for (const Entry& each : entries) {
    if (each.tag == Tag::kMask) return entry.permissions & each.permissions;
  }
  return entry.permissions;
}

uint32_t kernel_permissions(const UnixCredentials& who, const vfs::Attributes& attributes,
                            const PosixAcl& access) {
  if (who.uid == 0) return 07;
  uint32_t of_groups = 0;
  uint32_t other = 0;
  bool in_group = false;
  for (const PosixAcl::Entry& entry : access.entries) {
    const uint32_t granted = access.effective(entry);
    switch (entry.tag) {
      case Tag::kOwner:
        if (who.uid == attributes.uid) return granted;
        break;
      case Tag::kUser:
        if (who.uid == entry.id) return granted;
        break;
      case Tag::kGroup:
      case Tag::kNamedGroup:
        if (is_member(who, entry.tag == Tag::kGroup ? attributes.gid : entry.id)) {
          in_group = true;
          of_groups |= granted;
        }
        break;
      case Tag::kOther:
        other = granted;
        break;
      case Tag::kMask:
        break;
    }
  }
  return in_group ? of_groups : other;
}

crypto::Digest32 system_acl_hash(const vfs::Attributes& attributes, const PosixAcl& access,
                                 const PosixAcl& default_list) {
  Bytes blob;
  wire::Writer w(blob);
  w.u32(0x00020000);
  w.u32(attributes.is_directory() ? 0x00020004 : 0);
  w.u64(attributes.uid);
  w.u64(attributes.gid);
  w.u32(type_bits(attributes.kind) | (attributes.mode & 07777));
  write_list(w, access);
  if (attributes.is_directory()) write_list(w, default_list);
  return crypto::sha256(blob);
}

}  // namespace braid::smb2
