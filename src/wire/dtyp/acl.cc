#include "wire/dtyp/acl.h"

#include <cassert>

namespace braid::wire {
namespace {

constexpr size_t kAceHeaderSize = 4;
// [MS-DTYP] 2.4.4.3 "ACCESS_ALLOWED_OBJECT_ACE", Flags.
constexpr uint32_t kObjectTypePresent = 1;
constexpr uint32_t kInheritedObjectTypePresent = 2;

// Acl::check() comes before.
uint16_t size_field(size_t size) {
  assert(size <= Acl::kSizeMax);
  return static_cast<uint16_t>(size);
}

}  // namespace

bool Ace::is_object() const {
  switch (type) {
    case AceType::kAccessAllowedObject:
    case AceType::kAccessDeniedObject:
    case AceType::kSystemAuditObject:
    case AceType::kSystemAlarmObject:
    case AceType::kAccessAllowedCallbackObject:
    case AceType::kAccessDeniedCallbackObject:
    case AceType::kSystemAuditCallbackObject:
    case AceType::kSystemAlarmCallbackObject:
      return true;
    default:
      return false;
  }
}

bool Ace::has_sid() const {
  return type <= AceType::kSystemScopedPolicyId && type != AceType::kAccessAllowedCompound;
}

Result<Ace> Ace::decode(Reader& r) {
  Ace ace;
  ace.type = r.as<AceType>();
  ace.flags = r.u8();
  const uint16_t size = r.u16();
  r.expect(size >= kAceHeaderSize && size % 4 == 0);
  if (!r.ok()) return fail(r.error());
  Reader body(r.bytes(size - kAceHeaderSize));
  if (!r.ok()) return fail(r.error());
  if (ace.has_sid()) {
    ace.mask = body.u32();
    if (ace.is_object()) {
      const uint32_t present = body.u32();
      ace.object.emplace();
      if (present & kObjectTypePresent) ace.object->object_type = body.id128<Guid>();
      if (present & kInheritedObjectTypePresent) {
        ace.object->inherited_object_type = body.id128<Guid>();
      }
    }
    BRAID_TRY(ace.sid, Sid::decode(body));
  }
  const ByteView rest = body.rest();
  ace.rest.assign(rest.begin(), rest.end());
  return body.finish(std::move(ace));
}

void Ace::encode(Writer& w) const {
  w.value(type);
  w.u8(flags);
  w.u16(size_field(encoded_size()));
  const size_t body = w.position();
  if (has_sid()) {
    w.u32(mask);
    if (is_object()) {
      const AceObjectTypes types = object.value_or(AceObjectTypes{});
      w.u32((types.object_type ? kObjectTypePresent : 0) |
            (types.inherited_object_type ? kInheritedObjectTypePresent : 0));
      if (types.object_type) w.id128(*types.object_type);
      if (types.inherited_object_type) w.id128(*types.inherited_object_type);
    }
    sid.encode(w);
  }
  w.bytes(rest);
  const size_t over = (w.position() - body) % 4;
  if (over != 0) w.zeros(4 - over);
}

size_t Ace::encoded_size() const {
  size_t size = kAceHeaderSize + rest.size();
  if (has_sid()) {
    size += 4 + sid.encoded_size();
    if (is_object()) {
      size += 4;
      if (object && object->object_type) size += 16;
      if (object && object->inherited_object_type) size += 16;
    }
  }
  return (size + 3) / 4 * 4;
}

Ace allow(const Sid& sid, uint32_t mask, uint8_t flags) {
  Ace ace;
  ace.flags = flags;
  ace.mask = mask;
  ace.sid = sid;
  return ace;
}

Ace deny(const Sid& sid, uint32_t mask, uint8_t flags) {
  Ace ace = allow(sid, mask, flags);
  ace.type = AceType::kAccessDenied;
  return ace;
}

Result<Acl> Acl::decode(Reader& r) {
  Acl acl;
  acl.revision = r.u8();
  r.expect(acl.revision >= kRevision && acl.revision <= kRevisionDs);
  r.skip(1);
  const uint16_t size = r.u16();
  const uint16_t count = r.u16();
  r.skip(2);
  r.expect(size >= kHeaderSize);
  if (!r.ok()) return fail(r.error());
  // AclSize may be more than the entries take: room to grow in, with no meaning.
  Reader entries(r.bytes(size - kHeaderSize));
  if (!r.ok()) return fail(r.error());
  // A count the bytes cannot hold is refused before memory is set aside for it.
  if (count > entries.remaining() / kAceHeaderSize) return fail(Error::malformed());
  acl.aces.reserve(count);
  for (uint16_t i = 0; i < count; ++i) {
    BRAID_TRY(Ace ace, Ace::decode(entries));
    acl.aces.push_back(std::move(ace));
  }
  return acl;
}

void Acl::encode(Writer& w) const {
  w.u8(revision);
  w.u8(0);
  w.u16(size_field(encoded_size()));
  w.u16(size_field(aces.size()));
  w.u16(0);
  for (const Ace& ace : aces) ace.encode(w);
}

size_t Acl::encoded_size() const {
  size_t size = kHeaderSize;
  for (const Ace& ace : aces) size += ace.encoded_size();
  return size;
}

Result<void> Acl::check() const {
  if (encoded_size() > kSizeMax) return fail(NtStatus::kInvalidAcl);
  return {};
}

}  // namespace braid::wire
