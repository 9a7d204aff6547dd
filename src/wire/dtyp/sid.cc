#include "wire/dtyp/sid.h"

#include <charconv>

#include <fmt/format.h>

namespace braid::wire {
namespace {

constexpr uint8_t kSidRevision = 1;

// Takes "-" and a number off the front of `text`.
template <class Number>
bool take_number(std::string_view& text, Number& number, int base = 10) {
  if (text.empty() || text.front() != '-') return false;
  text.remove_prefix(1);
  if (base == 10 && (text.starts_with("0x") || text.starts_with("0X"))) {
    text.remove_prefix(2);
    base = 16;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

Result<Sid> Sid::parse(std::string_view text) {
  if (!text.starts_with("S-1-") && !text.starts_with("s-1-")) return fail(Error::malformed());
  text.remove_prefix(3);
  Sid sid;
  if (!take_number(text, sid.authority_) || sid.authority_ > kAuthorityMax) {
    return fail(Error::malformed());
  }
  while (!text.empty()) {
    if (sid.count_ == kSubAuthoritiesMax) return fail(Error::malformed());
    if (!take_number(text, sid.sub_authorities_[sid.count_])) return fail(Error::malformed());
    ++sid.count_;
  }
  return sid;
}

std::string Sid::to_string() const {
  // The section wants hexadecimal once the authority is 2^32 or more.
  std::string text = authority_ >> 32 == 0 ? fmt::format("S-1-{}", authority_)
                                           : fmt::format("S-1-0x{:012x}", authority_);
  for (uint32_t sub : sub_authorities()) text += fmt::format("-{}", sub);
  return text;
}

Result<Sid> Sid::decode(Reader& r) {
  Sid sid;
  r.expect(r.u8() == kSidRevision);
  const uint8_t count = r.u8();
  r.expect(count <= kSubAuthoritiesMax);
  const uint64_t high = r.u16_be();
  sid.authority_ = high << 32 | r.u32_be();
  if (!r.ok()) return fail(r.error());
  sid.count_ = count;
  for (size_t i = 0; i < count; ++i) sid.sub_authorities_[i] = r.u32();
  return r.finish(sid);
}

void Sid::encode(Writer& w) const {
  w.u8(kSidRevision);
  w.u8(count_);
  w.u16_be(static_cast<uint16_t>(authority_ >> 32));
  w.u32_be(static_cast<uint32_t>(authority_));
  for (uint32_t sub : sub_authorities()) w.u32(sub);
}

}  // namespace braid::wire
