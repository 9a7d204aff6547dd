// The memory of a ring with anything in it, as the other side may leave it: the reader takes what
// there is or finds the ring broken, and so does the writer.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "transport/relay/ring.h"

namespace {

using namespace braid;
using transport::relay::RingHead;

constexpr size_t kCapacity = 512;
constexpr size_t kMessageMax = 100;

struct alignas(64) Memory {
  uint8_t bytes[transport::relay::ring_size(kCapacity)];
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Memory memory{};
  if (size < 16) return 0;
  auto& head = *reinterpret_cast<RingHead*>(memory.bytes);
  uint64_t counters[2];
  std::memcpy(counters, data, sizeof counters);
  head.written = counters[0];
  head.read = counters[1];
  std::memcpy(memory.bytes + sizeof(RingHead), data + 16, std::min(size - 16, kCapacity));

  transport::relay::RingReader reader(memory.bytes, kMessageMax);
  size_t taken = 0;
  for (;;) {
    const auto message = reader.take();
    if (!message || !*message) break;
    if ((*message)->size() > kMessageMax) std::abort();
    taken += transport::relay::size_in_ring((*message)->size());
    if (taken > kCapacity) std::abort();
  }
  (void)reader.sleep();

  head.read = counters[1];
  transport::relay::RingWriter writer(memory.bytes);
  size_t put = 0;
  while (writer.put(ByteView(data, std::min(size, kMessageMax))).value_or(false)) {
    if (++put > kCapacity / 8) std::abort();
  }
  (void)writer.sleep(kMessageMax);
  return 0;
}
