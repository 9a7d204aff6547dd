#include "wire/smb2/srv_snapshot_array.h"

#include "wire/smb2/variable_part.h"
#include "wire/utf16.h"

namespace braid::wire {

Result<SrvSnapshotArray> SrvSnapshotArray::decode(Reader& r) {
  SrvSnapshotArray array;
  array.number_of_snapshots = r.u32();
  const uint32_t returned = r.u32();
  array.snapshot_array_size = r.u32();
  Reader tokens(r.bytes(returned * uint64_t{kTokenSize}));
  while (tokens.remaining() > 0) {
    auto token = utf8_from_utf16le(tokens.bytes(kTokenSize - 2));
    tokens.skip(2);  // NUL
    if (!token) return fail(token.error());
    array.snapshots.push_back(*std::move(token));
  }
  return r.finish(std::move(array));
}

void SrvSnapshotArray::encode(Writer& w) const {
  w.u32(number_of_snapshots);
  w.u32(narrow_u32(snapshots.size()));
  w.u32(snapshot_array_size);
  for (const std::string& token : snapshots) {
    write_utf16le(w, token);
    w.u16(0);
  }
  if (!snapshots.empty()) w.u16(0);
}

}  // namespace braid::wire
