#include "wire/ntlm/payload.h"

#include <algorithm>
#include <utility>

#include "wire/utf16.h"

namespace braid::wire::ntlm {

void expect_message(Reader& r, uint32_t type) {
  const ByteView signature = r.bytes(kSignature.size());
  if (r.ok()) r.expect(as_text(signature) == kSignature);
  r.expect(r.u32() == type);
}

Version read_version(Reader& r) {
  Version version;
  version.major = r.u8();
  version.minor = r.u8();
  version.build = r.u16();
  r.skip(3);
  version.ntlm_revision = r.u8();
  return version;
}

void write_version(Writer& w, const Version& version) {
  w.u8(version.major);
  w.u8(version.minor);
  w.u16(version.build);
  w.zeros(3);
  w.u8(version.ntlm_revision);
}

Result<std::string> text_in(ByteView bytes, uint32_t negotiate_flags) {
  if (negotiate_flags & flags::kUnicode) return utf8_from_utf16le(bytes);
  if (std::ranges::any_of(bytes, [](uint8_t byte) { return byte >= 0x80; })) {
    return fail(Error::malformed());
  }
  return std::string(as_text(bytes));
}

MessageBuilder::MessageBuilder(uint32_t type) : writer_(out_) {
  writer_.bytes(as_bytes(kSignature));
  writer_.u32(type);
}

void MessageBuilder::field(ByteView value) {
  pending_.push_back({writer_.position(), Bytes(value.begin(), value.end())});
  const auto size = static_cast<uint16_t>(value.size());
  writer_.u16(size);
  writer_.u16(size);
  writer_.u32(0);
}

void MessageBuilder::text_field(std::string_view utf8) {
  Bytes text;
  Writer w(text);
  write_utf16le(w, utf8);
  field(text);
}

Bytes MessageBuilder::finish() {
  for (const Pending& pending : pending_) {
    writer_.patch_u32(pending.position + 4, static_cast<uint32_t>(writer_.position()));
    writer_.bytes(pending.value);
  }
  return std::move(out_);
}

}  // namespace braid::wire::ntlm
