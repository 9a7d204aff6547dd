// Entries of [server] interfaces.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "config/interface_rule.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto rule =
      braid::config::parse_interface_rule({reinterpret_cast<const char*>(data), size});
  if (rule && (rule->match.empty() || (rule->speed && *rule->speed == 0))) std::abort();
  return 0;
}
