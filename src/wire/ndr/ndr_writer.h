// Writing stub data in the NDR transfer syntax.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "wire/dtyp/sid.h"
#include "wire/ndr/ndr_reader.h"
#include "wire/writer.h"

namespace braid::wire {

// The other direction of NdrReader. Appends to `out`; alignment counts from where `out` ended when
// the writer was made.
class NdrWriter {
 public:
  explicit NdrWriter(Bytes& out) : w_(out) {}

  void u8(uint8_t value) { w_.u8(value); }
  void u16(uint16_t value) { w_.align(2), w_.u16(value); }
  void u32(uint32_t value) { w_.align(4), w_.u32(value); }
  void u64(uint64_t value) { w_.align(8), w_.u64(value); }
  // A pointer with a referent of its own, or null.
  void pointer(bool present);
  void context_handle(const NdrContextHandle& handle);
  void guid(const Guid& guid);

  // Conformant and varying string with its terminator; the text is UTF-8.
  void wide_string(std::string_view text);
  // Pointer and string in place.
  void unique_wide_string(std::string_view text);
  // RPC_UNICODE_STRING with a pointer to its characters, and later those. Not terminated.
  void unicode_header(std::string_view text);
  void unicode_body(std::string_view text);
  // The same with room for a terminator counted in maximum_length (LSA's larger strings).
  void unicode_header_large(std::string_view text);
  void unicode_body_large(std::string_view text);
  // RPC_SID.
  void sid(const Sid& sid);
  void bytes(ByteView view) { w_.bytes(view); }
  void align(size_t boundary) { w_.align(boundary); }
  // For counts known only once the elements are written.
  size_t position() const { return w_.position(); }
  void patch_u32(size_t position, uint32_t value) { w_.patch_u32(position, value); }

 private:
  Writer w_;
  uint32_t next_referent_ = 0x00020000;
};

}  // namespace braid::wire
