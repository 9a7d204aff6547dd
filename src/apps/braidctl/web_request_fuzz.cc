// Fuzzer of what is read of an HTTP request.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "apps/braidctl/web_request.h"
#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::braidctl;
  const std::string_view text = braid::as_text(braid::ByteView(data, size));
  if (form_field(text, "session").size() > size) std::abort();
  if (token_in(text).size() > size) std::abort();
  static_cast<void>(is_own_host(text));
  const auto target = absolute_target(text);
  if (target && target->path.size() + target->host.size() > size) std::abort();
  return 0;
}
