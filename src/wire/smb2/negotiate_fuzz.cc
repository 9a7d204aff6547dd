// NEGOTIATE bodies of both directions, without a header to get right first.
#include <cstdlib>
#include <optional>

#include "wire/smb2/header.h"
#include "wire/smb2/negotiate.h"
#include "wire/smb2/validate_negotiate_info.h"

namespace {

using namespace braid;
using namespace braid::wire;

template <class T>
std::optional<Bytes> reencode(ByteView message) {
  Reader r(message, Header::kSize);
  const auto body = T::decode(r);
  if (!body) return std::nullopt;
  Bytes out(Header::kSize);
  Writer w(out, 0);
  body->encode(w);
  return out;
}

template <class T>
void check(ByteView message) {
  const auto once = reencode<T>(message);
  if (once && reencode<T>(*once) != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes message(Header::kSize);
  message.insert(message.end(), data, data + size);
  check<NegotiateRequest>(message);
  check<NegotiateResponse>(message);
  Reader r(ByteView(data, size));
  (void)ValidateNegotiateInfoRequest::decode(r);
  return 0;
}
