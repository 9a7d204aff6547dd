#include "smb2/security/ntacl.h"

#include <cstring>

namespace braid::smb2 {
namespace {

using wire::SecurityDescriptor;

constexpr uint32_t kReferent = 0x00020000;  // any value but 0; the one NDR writers start with
constexpr size_t kDescriptionMax = 255;
constexpr size_t kOldHashSize = 16;
// Where a descriptor's header has its four offsets.
constexpr size_t kOffsetsAt = 4;
constexpr size_t kOffsets = 4;

std::string read_text(wire::Reader& r) {
  std::string text;
  for (;;) {
    const uint8_t c = r.u8();
    if (!r.ok() || c == 0) return text;
    r.expect(text.size() < kDescriptionMax);
    text.push_back(static_cast<char>(c));
  }
}

// Moves the offsets of the descriptor in `bytes` by `distance`; those that are 0 stay.
template <class Move>
void move_offsets(MutableByteView bytes, Move move) {
  for (size_t i = 0; i < kOffsets; ++i) {
    uint8_t* const at = bytes.data() + kOffsetsAt + i * sizeof(uint32_t);
    uint32_t offset = 0;
    std::memcpy(&offset, at, sizeof offset);
    if (offset != 0) offset = move(offset);
    std::memcpy(at, &offset, sizeof offset);
  }
}

Result<SecurityDescriptor> read_descriptor(wire::Reader& r) {
  r.align(4);
  const auto base = static_cast<uint32_t>(r.position());
  const ByteView view = r.rest();
  if (view.size() < SecurityDescriptor::kHeaderSize) return fail(Error::truncated());
  Bytes bytes(view.begin(), view.end());
  bool sane = true;
  move_offsets(bytes, [&](uint32_t offset) -> uint32_t {
    if (offset < base) sane = false;
    return offset - base;
  });
  if (!sane) return fail(Error::malformed());
  return SecurityDescriptor::decode(bytes);
}

}  // namespace

Result<NtAcl> NtAcl::decode(ByteView bytes) {
  if (bytes.size() > kSizeMax) return fail(Error::malformed());
  wire::Reader r(bytes);
  NtAcl acl;
  acl.version = r.u16();
  r.expect(acl.version >= 1 && acl.version <= kVersion);
  r.expect_u16(acl.version);
  r.expect(r.u32() != 0);
  if (acl.version >= 2) r.expect(r.u32() != 0);
  if (acl.version == 2) r.skip(kOldHashSize);
  if (acl.version >= 3) {
    acl.hash_type = r.u16();
    acl.hash = r.array<kHashSize>();
  }
  if (acl.version == kVersion) {
    acl.description = read_text(r);
    r.align(4);
    acl.time = r.file_time();
    acl.system_acl_hash = r.array<kHashSize>();
  }
  if (!r.ok()) return fail(r.error());
  BRAID_TRY(acl.descriptor, read_descriptor(r));
  return acl;
}

Result<Bytes> NtAcl::encode() const {
  Bytes out;
  wire::Writer w(out);
  w.u16(kVersion);
  w.u16(kVersion);
  w.u32(kReferent);
  w.u32(kReferent + 4);
  w.u16(hash_type);
  w.bytes(hash);
  w.bytes(as_bytes(std::string_view(description).substr(0, kDescriptionMax)));
  w.u8(0);
  w.align(4);
  w.file_time(time);
  w.bytes(system_acl_hash.value_or(Hash{}));
  w.align(4);
  const auto base = static_cast<uint32_t>(w.position());
  BRAID_CHECK(descriptor.encode(w));
  move_offsets(MutableByteView(out).subspan(base),
               [base](uint32_t offset) { return offset + base; });
  return out;
}

}  // namespace braid::smb2
