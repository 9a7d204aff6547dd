#include "wire/dtyp/security_descriptor.h"

namespace braid::wire {
namespace {

constexpr uint8_t kDescriptorRevision = 1;

template <class Part>
Result<std::optional<Part>> part_at(ByteView whole, uint32_t offset) {
  if (offset == 0) return std::optional<Part>();
  // An offset into the header would let one field be read as two things.
  if (offset < SecurityDescriptor::kHeaderSize) return fail(Error::malformed());
  Reader r(whole, offset);
  BRAID_TRY(Part part, Part::decode(r));
  return std::optional<Part>(std::move(part));
}

}  // namespace

Result<SecurityDescriptor> SecurityDescriptor::decode(ByteView bytes) {
  Reader r(bytes);
  SecurityDescriptor sd;
  r.expect(r.u8() == kDescriptorRevision);
  sd.resource_manager_control = r.u8();
  sd.control = r.u16();
  r.expect((sd.control & sd_control::kSelfRelative) != 0);
  const uint32_t owner = r.u32();
  const uint32_t group = r.u32();
  const uint32_t sacl = r.u32();
  const uint32_t dacl = r.u32();
  if (!r.ok()) return fail(r.error());
  BRAID_TRY(sd.owner, part_at<Sid>(bytes, owner));
  BRAID_TRY(sd.group, part_at<Sid>(bytes, group));
  if (sd.control & sd_control::kSaclPresent) {
    BRAID_TRY(sd.sacl, part_at<Acl>(bytes, sacl));
  }
  if (sd.control & sd_control::kDaclPresent) {
    BRAID_TRY(sd.dacl, part_at<Acl>(bytes, dacl));
  }
  return sd;
}

Result<void> SecurityDescriptor::encode(Writer& w) const {
  if (sacl) BRAID_CHECK(sacl->check());
  if (dacl) BRAID_CHECK(dacl->check());
  uint16_t bits = control | sd_control::kSelfRelative;
  if (sacl) bits |= sd_control::kSaclPresent;
  if (dacl) bits |= sd_control::kDaclPresent;

  uint32_t next = kHeaderSize;
  auto place = [&next](const auto& part) -> uint32_t {
    if (!part) return 0;
    const uint32_t offset = next;
    next += static_cast<uint32_t>(part->encoded_size());
    return offset;
  };
  const uint32_t sacl_offset = place(sacl);
  const uint32_t dacl_offset = place(dacl);
  const uint32_t owner_offset = place(owner);
  const uint32_t group_offset = place(group);

  w.u8(kDescriptorRevision);
  w.u8(resource_manager_control);
  w.u16(bits);
  w.u32(owner_offset);
  w.u32(group_offset);
  w.u32(sacl_offset);
  w.u32(dacl_offset);
  if (sacl) sacl->encode(w);
  if (dacl) dacl->encode(w);
  if (owner) owner->encode(w);
  if (group) group->encode(w);
  return {};
}

Result<Bytes> SecurityDescriptor::encode() const {
  Bytes out;
  out.reserve(encoded_size());
  Writer w(out);
  BRAID_CHECK(encode(w));
  return out;
}

size_t SecurityDescriptor::encoded_size() const {
  size_t size = kHeaderSize;
  if (sacl) size += sacl->encoded_size();
  if (dacl) size += dacl->encoded_size();
  if (owner) size += owner->encoded_size();
  if (group) size += group->encoded_size();
  return size;
}

}  // namespace braid::wire
