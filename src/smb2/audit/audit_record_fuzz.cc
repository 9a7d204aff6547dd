// Fuzzer of what escapes the texts of clients: always ASCII without control characters.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "smb2/audit/audit_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string line = std::move(braid::smb2::AuditRecord({}, "open", "x")
                                         .add("path", braid::as_text(braid::ByteView(data, size))))
                               .take();
  for (const char c : line) {
    if (c < 0x20 || c == 0x7F) std::abort();
  }
  return 0;
}
