// Fuzzer of what strangers say to braidctl announce.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "apps/braidctl/wsd_message.h"
#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::braidctl;
  const auto request = parse_wsd(braid::as_text(braid::ByteView(data, size)));
  if (!request) return 0;
  // What is told back can be read as what it was.
  const std::string answer =
      wsd_matches({.id = "urn:uuid:1", .name = "n", .workgroup = "w"}, "http://192.0.2.1:5357/1",
                  {.message_id = "urn:uuid:2"}, *request);
  if (answer.find(request->message_id) == std::string::npos) std::abort();
  return 0;
}
