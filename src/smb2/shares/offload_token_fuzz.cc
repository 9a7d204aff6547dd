// Tokens of copies without the client: any bytes may come back as one.
#include "smb2/shares/offload_token.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  wire::Reader reader(ByteView(data, size));
  const auto token = wire::StorageOffloadToken::decode(reader);
  if (!token) return 0;
  const auto known = smb2::OffloadToken::decode(*token);
  if (!known) return 0;
  const auto again = smb2::OffloadToken::decode(known->encode());
  if (!again || *again != *known) std::abort();
  return 0;
}
