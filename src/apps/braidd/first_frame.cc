#include "apps/braidd/first_frame.h"

#include <functional>

#include "wire/reader.h"

namespace braid::braidd {
namespace {

constexpr uint32_t kSmb2ProtocolId = 0x424D53FE;  // FE 'S' 'M' 'B'
constexpr uint32_t kSmb1ProtocolId = 0x424D53FF;  // FF 'S' 'M' 'B'
constexpr uint16_t kSmb2Negotiate = 0x0000;
constexpr uint8_t kSmb1Negotiate = 0x72;

// [MS-SMB2] 2.2.1.2 "SMB2 Packet Header - SYNC", then 2.2.3 "SMB2 NEGOTIATE Request".
Result<FirstFrame> decode_smb2(wire::Reader& reader) {
  reader.expect_u16(64);  // StructureSize
  reader.skip(2 + 4);     // CreditCharge, Status
  const uint16_t command = reader.u16();
  reader.seek(64);
  if (!reader.ok()) return fail(reader.error());
  if (command != kSmb2Negotiate) return fail(Error::unsupported());

  reader.skip(2 + 2 + 2 + 2 + 4);  // StructureSize to Capabilities
  const auto guid = reader.id128<ClientGuid>();
  if (!reader.ok() || guid.is_zero()) return FirstFrame{};
  return FirstFrame{guid};
}

}  // namespace

Result<uint32_t> decode_transport_header(ByteView header, size_t bytes_max) {
  wire::Reader reader(header);
  const uint32_t word = reader.u32_be();
  reader.expect(word >> 24 == 0);
  reader.expect(word != 0 && word <= bytes_max);
  return reader.finish(word);
}

Result<uint32_t> decode_bind_header(ByteView header, size_t bytes_max) {
  constexpr uint8_t kBind = 11;
  constexpr uint8_t kBigEndian = 0;
  wire::Reader reader(header);
  reader.skip(2);  // the version
  const uint8_t type = reader.u8();
  reader.skip(1);  // flags
  const bool is_big = reader.u8() == kBigEndian;
  reader.skip(3);
  const uint32_t length = is_big ? reader.u16_be() : reader.u16();
  reader.seek(kPduHeaderBytes);
  if (reader.ok() && type != kBind) return fail(Error::unsupported());
  reader.expect(length >= kPduHeaderBytes && length <= bytes_max);
  return reader.finish(length);
}

size_t worker_of(const ClientGuid& client, size_t workers) {
  // The same in all processes: std::hash is not.
  uint64_t sum = 0;
  for (const uint8_t byte : client.bytes) sum = (sum ^ byte) * 0x0000'0100'0000'01b3;
  return (sum ^ sum >> 32) % workers;
}

Result<FirstFrame> decode_first_frame(ByteView message) {
  wire::Reader reader(message);
  const uint32_t protocol_id = reader.u32();
  if (!reader.ok()) return fail(reader.error());
  if (protocol_id == kSmb2ProtocolId) return decode_smb2(reader);
  if (protocol_id != kSmb1ProtocolId) return fail(Error::unsupported());
  // [MS-SMB2] 2.2 and [MS-CIFS] 2.2.3.1 "The SMB Header": Command follows the protocol id.
  const uint8_t command = reader.u8();
  reader.seek(32);
  if (!reader.ok()) return fail(reader.error());
  if (command != kSmb1Negotiate) return fail(Error::unsupported());
  return FirstFrame{};
}

}  // namespace braid::braidd
