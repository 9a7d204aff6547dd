#include "smb2/shares/offload_token.h"

#include <algorithm>

#include "base/nt_status.h"

namespace braid::smb2 {

Result<OffloadToken> OffloadToken::decode(const wire::StorageOffloadToken& token) {
  if (token.type != kType) return fail(NtStatus::kInvalidToken);
  wire::Reader r(ByteView(token.id).first(token.id_length));
  OffloadToken out;
  out.session_id = {r.u64()};
  out.file_id = r.file_id();
  out.offset = r.u64();
  out.length = r.u64();
  out.file_size = r.u64();
  out.changed = r.file_time();
  out.expires = r.file_time();
  const bool fits = out.offset <= INT64_MAX && out.length <= INT64_MAX - out.offset;
  if (!r.ok() || r.remaining() != 0 || !fits) return fail(NtStatus::kInvalidToken);
  return out;
}

wire::StorageOffloadToken OffloadToken::encode() const {
  Bytes id;
  wire::Writer w(id);
  w.u64(session_id.value);
  w.file_id(file_id);
  w.u64(offset);
  w.u64(length);
  w.u64(file_size);
  w.file_time(changed);
  w.file_time(expires);
  wire::StorageOffloadToken token{.type = kType, .id_length = static_cast<uint16_t>(id.size())};
  std::ranges::copy(id, token.id.begin());
  return token;
}

}  // namespace braid::smb2
