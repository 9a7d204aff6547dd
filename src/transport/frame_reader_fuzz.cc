// The stream is cut where the first bytes of the input say.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "transport/frame_reader.h"

using namespace braid;
using transport::FrameReader;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  ByteView stream(data + 2, size - 2);
  const size_t step = 1 + data[0];
  FrameReader reader;
  if (data[1] & 1) reader.set_limit(transport::kFrameSizeMax);
  size_t messages_size = 0;
  for (;;) {
    const bool announced = reader.has_message();
    auto message = reader.next();
    if (!message) return 0;
    // A message hidden behind a keep-alive is not announced; an announced one is there.
    if (announced && !*message) abort();
    if (*message) {
      messages_size += (*message)->size();
      if (messages_size > size) abort();
      continue;
    }
    if (stream.empty()) return 0;
    FrameReader::Space places;
    const size_t count = reader.space(places);
    size_t fed = 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t n = std::min({places[i].iov_len, stream.size(), step - fed});
      if (n > 0) std::memcpy(places[i].iov_base, stream.data(), n);
      stream = stream.subspan(n);
      fed += n;
    }
    if (fed == 0) abort();
    reader.received(fed);
  }
}
