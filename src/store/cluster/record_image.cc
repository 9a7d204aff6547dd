#include "store/cluster/record_image.h"

#include "wire/writer.h"

namespace braid::store::cluster {
namespace {

// A number and a size.
constexpr size_t kPartHeading = 8;
// So many blocks fit into a version's numbers for ever, and none that is made up may end them.
constexpr uint64_t kVersionMax = uint64_t{1} << 43;

}  // namespace

Result<RecordImage> RecordImage::decode(wire::Reader& r) {
  RecordImage image;
  if (r.u8() != kVersion) r.fail(Error::unsupported());
  image.version = r.u64();
  image.value = r.bytes(r.u32());
  const uint32_t count = r.u32();
  r.expect(image.version < kVersionMax);
  r.expect(count <= r.remaining() / kPartHeading && (count == 0 || !image.value.empty()));
  if (!r.ok()) return fail(r.error());
  image.parts.reserve(count);
  uint32_t next = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t number = r.u32();
    const ByteView value = r.bytes(r.u32());
    r.expect(number >= next && number < kPartsMax && !value.empty());
    if (!r.ok()) return fail(r.error());
    next = number + 1;
    image.parts.push_back({.part = number, .value = value});
  }
  r.expect(r.remaining() == 0);
  return r.finish(std::move(image));
}

Bytes image_of(const RecordStore::Held& record, bool is_there) {
  Bytes bytes;
  wire::Writer w(bytes);
  w.u8(RecordImage::kVersion);
  w.u64(record.next_version());
  const ByteView value = is_there ? record.value() : ByteView();
  w.u32(static_cast<uint32_t>(value.size()));
  w.bytes(value);
  const size_t count_at = bytes.size();
  w.u32(0);
  if (!is_there) return bytes;
  uint32_t count = 0;
  record.visit_parts(0, [&](uint32_t first, uint32_t, ByteView part) {
    if (part.empty()) return;
    w.u32(first);
    w.u32(static_cast<uint32_t>(part.size()));
    w.bytes(part);
    ++count;
  });
  w.patch_u32(count_at, count);
  return bytes;
}

}  // namespace braid::store::cluster
