// Fields that point into an NTLM message's payload. For this folder only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/ntlm/messages.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire::ntlm {

inline constexpr std::string_view kSignature("NTLMSSP\0", 8);

// The Len, MaxLen and BufferOffset triple that every variable field of a message has.
struct Field {
  uint16_t size = 0;
  uint32_t offset = 0;

  static Field read(Reader& r) {
    Field field;
    field.size = r.u16();
    r.skip(2);  // MaxLen, to be ignored
    field.offset = r.u32();
    return field;
  }
  ByteView in(Reader& r) const { return r.at(offset, size); }
};

// Checks signature and type, and leaves `r` behind them.
void expect_message(Reader& r, uint32_t type);

Version read_version(Reader& r);
void write_version(Writer& w, const Version& version);

// Text of the negotiated character set to UTF-8. OEM code pages are not negotiated, so only their
// common part, ASCII, is taken.
Result<std::string> text_in(ByteView bytes, uint32_t negotiate_flags);

// Builds a message: fixed part through writer(), payload appended in order.
class MessageBuilder {
 public:
  explicit MessageBuilder(uint32_t type);
  Writer& writer() { return writer_; }
  // Reserves a field triple here, to point at `value`, which finish() appends.
  void field(ByteView value);
  void text_field(std::string_view utf8);
  Bytes finish();

 private:
  struct Pending {
    size_t position;
    Bytes value;
  };
  Bytes out_;
  Writer writer_;
  std::vector<Pending> pending_;
};

}  // namespace braid::wire::ntlm
