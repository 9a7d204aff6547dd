// Everything the front reads from a client that nobody knows yet.
#include <cstdlib>

#include "apps/braidd/first_frame.h"
#include "apps/braidd/limits.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  using namespace braid::braidd;
  const ByteView input(data, size);
  const FrontLimits limits;
  // Of RPC, whose first message is looked at no further.
  const auto pdu = decode_bind_header(input.first(std::min(size, kPduHeaderBytes)),
                                      limits.first_frame_bytes_max);
  if (pdu &&
      (size < kPduHeaderBytes || *pdu < kPduHeaderBytes || *pdu > limits.first_frame_bytes_max)) {
    std::abort();
  }
  const ByteView header = input.first(std::min(size, kTransportHeaderBytes));
  const auto length = decode_transport_header(header, limits.first_frame_bytes_max);
  if (!length) return 0;
  if (*length == 0 || *length > limits.first_frame_bytes_max) std::abort();
  const ByteView rest = input.subspan(kTransportHeaderBytes);
  const auto frame = decode_first_frame(rest.first(std::min<size_t>(rest.size(), *length)));
  if (frame && frame->client_guid && frame->client_guid->is_zero()) std::abort();
  return 0;
}
