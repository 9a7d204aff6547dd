// Fuzzer: the request line of the control protocol. What is accepted survives encoding.
#include <cstdlib>

#include "admin/protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::admin;
  if (size > kRequestBytesMax) return 0;
  const auto request = decode_request({reinterpret_cast<const char*>(data), size});
  if (!request) {
    if (request.error().empty() || request.error().contains('\n')) std::abort();
    (void)encode_error({}, request.error());
    return 0;
  }
  const auto again = decode_request(encode_request(*request));
  if (!again || again->command != request->command || again->session != request->session ||
      again->channel != request->channel || again->client != request->client ||
      again->share != request->share || again->address != request->address) {
    std::abort();
  }
  return 0;
}
