#include "store/ctdb/drain_notice.h"

namespace braid::store::ctdb {

Result<DrainNotice> DrainNotice::decode(wire::Reader& r) {
  const uint32_t magic = r.u32();
  DrainNotice notice;
  notice.node = r.u32();
  if (r.ok() && magic != kMagic) return fail(Error::unsupported());
  return r.finish(notice);
}

void DrainNotice::encode(wire::Writer& w) const {
  w.u32(kMagic);
  w.u32(node);
}

}  // namespace braid::store::ctdb
