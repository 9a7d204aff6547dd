#include "crypto/sha256.h"

#include <nettle/sha2.h>

namespace braid::crypto {

Digest32 sha256(ByteView data) {
  sha256_ctx ctx;
  sha256_init(&ctx);
  sha256_update(&ctx, data.size(), data.data());
  Digest32 digest;
  sha256_digest(&ctx, digest.size(), digest.data());
  return digest;
}

}  // namespace braid::crypto
