#include "wire/spnego/der.h"

namespace braid::wire::der {

Element read(Reader& r) {
  Element element;
  const size_t start = r.position();
  element.tag = r.u8();
  // Tags of several octets begin with 0x1f in the low bits; nothing in SPNEGO has one.
  r.expect((element.tag & 0x1f) != 0x1f);
  uint64_t size = r.u8();
  if (size >= 0x80) {
    const uint64_t octets = size & 0x7f;
    // 0x80 is the indefinite form, which DER does not have.
    r.expect(octets >= 1 && octets <= 4);
    size = 0;
    for (uint64_t i = 0; i < octets && r.ok(); ++i) size = size << 8 | r.u8();
  }
  element.content = r.bytes(size);
  if (r.ok()) element.whole = r.whole().subspan(start, r.position() - start);
  return element;
}

Element read(Reader& r, uint8_t tag) {
  const Element element = read(r);
  r.expect(element.tag == tag);
  return element;
}

Result<Element> unwrap(ByteView content, uint8_t tag) {
  Reader r(content);
  const Element element = read(r, tag);
  r.expect(r.remaining() == 0);
  return r.finish(element);
}

Bytes element(uint8_t tag, std::initializer_list<ByteView> contents) {
  size_t size = 0;
  for (ByteView content : contents) size += content.size();
  Bytes out;
  out.reserve(size + 6);
  out.push_back(tag);
  if (size < 0x80) {
    out.push_back(static_cast<uint8_t>(size));
  } else {
    const int octets = size > 0xffffff ? 4 : size > 0xffff ? 3 : size > 0xff ? 2 : 1;
    out.push_back(static_cast<uint8_t>(0x80 | octets));
    for (int i = octets - 1; i >= 0; --i) out.push_back(static_cast<uint8_t>(size >> (8 * i)));
  }
  for (ByteView content : contents) out.insert(out.end(), content.begin(), content.end());
  return out;
}

}  // namespace braid::wire::der
