#include "wire/smb2/oplock_break.h"

namespace braid::wire {
namespace {

template <class T>
Result<T> decode_oplock(Reader& r) {
  T message;
  r.expect_u16(T::kStructureSize);
  message.oplock_level = r.as<OplockLevel>();
  r.skip(1 + 4);
  message.file_id = r.file_id();
  return r.finish(message);
}

void encode_oplock(Writer& w, const OplockBreakBody& body) {
  w.u16(OplockBreakNotification::kStructureSize);
  w.value(body.oplock_level);
  w.zeros(1 + 4);
  w.file_id(body.file_id);
}

template <class T>
Result<T> decode_lease(Reader& r) {
  T message;
  r.expect_u16(T::kStructureSize);
  r.skip(2);
  message.flags = r.u32();
  message.lease_key = r.id128<LeaseKey>();
  message.lease_state = r.u32();
  r.skip(8);  // LeaseDuration
  return r.finish(message);
}

void encode_lease(Writer& w, const LeaseBreakBody& body) {
  w.u16(LeaseBreakAcknowledgment::kStructureSize);
  w.u16(0);
  w.u32(body.flags);
  w.id128(body.lease_key);
  w.u32(body.lease_state);
  w.u64(0);
}

// Decodes whichever of the two the StructureSize names.
template <class Oplock, class Lease>
Result<std::variant<Oplock, Lease>> decode_either(Reader& r) {
  const size_t at = r.position();
  const uint16_t structure_size = r.u16();
  if (!r.ok()) return fail(r.error());
  r.seek(at);
  if (structure_size == Oplock::kStructureSize) return Oplock::decode(r);
  if (structure_size == Lease::kStructureSize) return Lease::decode(r);
  return fail(Error::malformed());
}

}  // namespace

Result<OplockBreakNotification> OplockBreakNotification::decode(Reader& r) {
  return decode_oplock<OplockBreakNotification>(r);
}
void OplockBreakNotification::encode(Writer& w) const { encode_oplock(w, *this); }

Result<OplockBreakAcknowledgment> OplockBreakAcknowledgment::decode(Reader& r) {
  return decode_oplock<OplockBreakAcknowledgment>(r);
}
void OplockBreakAcknowledgment::encode(Writer& w) const { encode_oplock(w, *this); }

Result<OplockBreakResponse> OplockBreakResponse::decode(Reader& r) {
  return decode_oplock<OplockBreakResponse>(r);
}
void OplockBreakResponse::encode(Writer& w) const { encode_oplock(w, *this); }

Result<LeaseBreakNotification> LeaseBreakNotification::decode(Reader& r) {
  LeaseBreakNotification message;
  r.expect_u16(kStructureSize);
  message.new_epoch = r.u16();
  message.flags = r.u32();
  message.lease_key = r.id128<LeaseKey>();
  message.current_lease_state = r.u32();
  message.new_lease_state = r.u32();
  r.skip(4 + 4 + 4);  // BreakReason, AccessMaskHint, ShareMaskHint
  return r.finish(message);
}

void LeaseBreakNotification::encode(Writer& w) const {
  w.u16(kStructureSize);
  w.u16(new_epoch);
  w.u32(flags);
  w.id128(lease_key);
  w.u32(current_lease_state);
  w.u32(new_lease_state);
  w.zeros(4 + 4 + 4);
}

Result<LeaseBreakAcknowledgment> LeaseBreakAcknowledgment::decode(Reader& r) {
  return decode_lease<LeaseBreakAcknowledgment>(r);
}
void LeaseBreakAcknowledgment::encode(Writer& w) const { encode_lease(w, *this); }

Result<LeaseBreakResponse> LeaseBreakResponse::decode(Reader& r) {
  return decode_lease<LeaseBreakResponse>(r);
}
void LeaseBreakResponse::encode(Writer& w) const { encode_lease(w, *this); }

Result<BreakAcknowledgment> decode_break_acknowledgment(Reader& r) {
  return decode_either<OplockBreakAcknowledgment, LeaseBreakAcknowledgment>(r);
}
Result<BreakNotification> decode_break_notification(Reader& r) {
  return decode_either<OplockBreakNotification, LeaseBreakNotification>(r);
}
Result<BreakResponse> decode_break_response(Reader& r) {
  return decode_either<OplockBreakResponse, LeaseBreakResponse>(r);
}

}  // namespace braid::wire
