#include "smb2/workers/worker_messages.h"

namespace braid::smb2 {

void encode_text(std::string_view text, wire::Writer& w) {
  w.u32(static_cast<uint32_t>(text.size()));
  w.bytes(as_bytes(text));
}

std::string decode_text(wire::Reader& r) {
  const uint32_t size = r.u32();
  return std::string(as_text(r.bytes(size)));
}

void encode_user(const auth::Identity& user, wire::Writer& w) {
  user.user_sid.encode(w);
  w.u8(static_cast<uint8_t>(user.is_guest | user.is_anonymous << 1));
  encode_text(user.account_name, w);
}

auth::Identity decode_user(wire::Reader& r) {
  auth::Identity user;
  if (auto sid = wire::Sid::decode(r)) {
    user.user_sid = *sid;
  } else {
    r.fail(sid.error());
  }
  const uint8_t flags = r.u8();
  user.is_guest = (flags & 1) != 0;
  user.is_anonymous = (flags & 2) != 0;
  user.account_name = decode_text(r);
  return user;
}

}  // namespace braid::smb2
