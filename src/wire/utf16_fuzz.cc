// Names: whatever a client sends comes back unchanged, and folding is idempotent.
#include "wire/utf16.h"

#include <cstdlib>

#include "wire/fold.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  using namespace braid::wire;
  const ByteView bytes(data, size);
  const auto utf8 = utf8_from_utf16le(bytes);
  if (utf8 && utf16le_from_utf8(*utf8) != Bytes(data, data + size)) std::abort();
  const std::string_view text = as_text(bytes);
  const auto utf16 = utf16le_from_utf8(text);
  if (utf16 && utf8_from_utf16le(*utf16) != std::string(text)) std::abort();
  if (utf16.has_value() != is_well_formed(text)) std::abort();
  if (utf16 && utf16le_size(text) != utf16->size()) std::abort();
  const std::string folded = fold(text);
  if (fold(folded) != folded || !equal_fold(text, folded)) std::abort();
  return 0;
}
