#include "crypto/ntlm_primitives.h"

#include <nettle/arcfour.h>
#include <nettle/hmac.h>
#include <nettle/md4.h>
#include <nettle/md5.h>

namespace braid::crypto {

Digest16 md4(ByteView data) {
  md4_ctx ctx;
  md4_init(&ctx);
  md4_update(&ctx, data.size(), data.data());
  Digest16 digest;
  md4_digest(&ctx, digest.size(), digest.data());
  wipe({reinterpret_cast<uint8_t*>(&ctx), sizeof ctx});
  return digest;
}

Digest16 md5(std::span<const ByteView> parts) {
  md5_ctx ctx;
  md5_init(&ctx);
  for (ByteView part : parts) md5_update(&ctx, part.size(), part.data());
  Digest16 digest;
  md5_digest(&ctx, digest.size(), digest.data());
  wipe({reinterpret_cast<uint8_t*>(&ctx), sizeof ctx});
  return digest;
}

Digest16 hmac_md5(ByteView key, std::span<const ByteView> parts) {
  hmac_md5_ctx ctx;
  hmac_md5_set_key(&ctx, key.size(), key.data());
  for (ByteView part : parts) hmac_md5_update(&ctx, part.size(), part.data());
  Digest16 digest;
  hmac_md5_digest(&ctx, digest.size(), digest.data());
  wipe({reinterpret_cast<uint8_t*>(&ctx), sizeof ctx});
  return digest;
}

Rc4::Rc4(ByteView key) { arcfour_set_key(&ctx_, key.size(), key.data()); }

Rc4::~Rc4() { wipe({reinterpret_cast<uint8_t*>(&ctx_), sizeof ctx_}); }

void Rc4::apply(MutableByteView data) {
  arcfour_crypt(&ctx_, data.size(), data.data(), data.data());
}

}  // namespace braid::crypto
