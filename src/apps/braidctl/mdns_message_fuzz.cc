// Fuzzer of what strangers say to braidctl announce by Multicast DNS.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "apps/braidctl/mdns_message.h"
#include "apps/braidctl/mdns_responder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::braidctl;
  const auto message = parse_mdns(braid::ByteView(data, size));
  if (!message) return 0;
  // What is written again is what was read, as far as it fits in: it has no compression.
  const braid::Bytes again = mdns_datagram(*message);
  if (again.size() <= kMdnsMessageMax) {
    const auto back = parse_mdns(again);
    if (!back || mdns_datagram(*back) != again) std::abort();
  }
  // A responder that has said who it is, and hears this twice.
  MdnsResponder responder({.name = "FILES", .model = "Xserve", .time_machine_shares = {"tm"}},
                          [](uint32_t) { return 0u; });
  const uint8_t ours[] = {192, 0, 2, 1};
  MdnsResponder::Instant now{};
  responder.set_addresses({braid::IpAddress(ours)}, now);
  for (int i = 0; i < 10; ++i) {
    responder.take(now);
    now += std::chrono::milliseconds(250);
  }
  const uint8_t theirs[] = {192, 0, 2, 9};
  for (const uint16_t port : {uint16_t{5'353}, uint16_t{40'000}}) {
    responder.hear(*message, {.address = braid::IpAddress(theirs), .port = port}, now);
    for (const auto& packet : responder.take(now + std::chrono::seconds(1))) {
      if (!parse_mdns(packet.datagram)) std::abort();
    }
  }
  return 0;
}
