// What one process of a relay tells the other, as anything: it is refused, or what is made of it
// says the same again.
#include <algorithm>
#include <cstdlib>

#include "transport/relay/messages.h"

using braid::ByteView;
using braid::transport::relay::Notice;
using braid::transport::relay::Order;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView message(data, size);
  if (const auto order = Order::decode(message)) {
    if (!std::ranges::equal(order->encode(), message)) std::abort();
  }
  if (const auto notice = Notice::decode(message)) {
    const auto again = Notice::decode(notice->encode());
    if (!again || again->local != notice->local || again->peer != notice->peer ||
        again->heard != notice->heard) {
      std::abort();
    }
  }
  return 0;
}
