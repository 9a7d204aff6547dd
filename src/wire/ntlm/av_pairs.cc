#include "wire/ntlm/av_pairs.h"

#include <algorithm>

#include "wire/reader.h"
#include "wire/utf16.h"
#include "wire/writer.h"

namespace braid::wire::ntlm {

Result<AvPairs> AvPairs::decode(ByteView bytes) {
  AvPairs list;
  Reader r(bytes);
  while (true) {
    const auto id = r.as<AvId>();
    const uint16_t size = r.u16();
    if (!r.ok()) return fail(r.error());
    if (id == AvId::kEol) return list;
    if (list.pairs_.size() == kAvPairsMax) return fail(Error::malformed());
    const ByteView value = r.bytes(size);
    if (!r.ok()) return fail(r.error());
    list.add(id, value);
  }
}

Bytes AvPairs::encode() const {
  Bytes out;
  Writer w(out);
  for (const Pair& pair : pairs_) {
    w.value(pair.id);
    w.u16(static_cast<uint16_t>(pair.value.size()));
    w.bytes(pair.value);
  }
  w.value(AvId::kEol);
  w.u16(0);
  return out;
}

void AvPairs::add(AvId id, ByteView value) {
  // The length field has 16 bits; what we add ourselves is far below.
  value = value.first(std::min(value.size(), size_t{0xffff}));
  pairs_.push_back({id, Bytes(value.begin(), value.end())});
}

void AvPairs::add_text(AvId id, std::string_view utf8) {
  Bytes value;
  Writer w(value);
  write_utf16le(w, utf8);
  add(id, value);
}

void AvPairs::add_u32(AvId id, uint32_t value) {
  Bytes bytes;
  Writer w(bytes);
  w.u32(value);
  add(id, bytes);
}

void AvPairs::add_time(FileTime time) {
  Bytes bytes;
  Writer w(bytes);
  w.file_time(time);
  add(AvId::kTimestamp, bytes);
}

std::optional<ByteView> AvPairs::find(AvId id) const {
  for (const Pair& pair : pairs_) {
    if (pair.id == id) return pair.value;
  }
  return std::nullopt;
}

uint32_t AvPairs::flags() const {
  const auto value = find(AvId::kFlags);
  return value && value->size() == 4 ? Reader(*value).u32() : 0;
}

std::optional<FileTime> AvPairs::timestamp() const {
  const auto value = find(AvId::kTimestamp);
  if (!value || value->size() != 8) return std::nullopt;
  return Reader(*value).file_time();
}

std::optional<std::string> AvPairs::text(AvId id) const {
  const auto value = find(id);
  if (!value) return std::nullopt;
  auto utf8 = utf8_from_utf16le(*value);
  if (!utf8) return std::nullopt;
  return *std::move(utf8);
}

}  // namespace braid::wire::ntlm
