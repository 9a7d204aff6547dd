// The body of responses that failed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

enum class ErrorId : uint32_t { kDefault = 0x00000000, kShareRedirect = 0x72645253 };

// [MS-SMB2] 2.2.2.1 "SMB2 ERROR Context Response".
struct ErrorContext {
  ErrorId error_id = ErrorId::kDefault;
  ByteView error_context_data;  // into the message when decoded
};

// [MS-SMB2] 2.2.2 "SMB2 ERROR Response". With 3.1.1 error data travels in contexts, before that
// bare; error_data is the bare form and must be empty if there are contexts.
struct ErrorResponse {
  std::vector<ErrorContext> error_contexts;
  ByteView error_data;  // into the message when decoded

  // The data of the first kDefault context, or the bare data.
  ByteView default_data() const;

  static Result<ErrorResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

enum class ErrorDataForm : uint8_t { kBare, kContext };  // kContext from 3.1.1 on

// A whole error body with `data` as its only error data.
void encode_error_data(Writer& w, ByteView data, ErrorDataForm form);
// The body for STATUS_BUFFER_TOO_SMALL, [MS-SMB2] 2.2.2.2 "ErrorData format".
void encode_buffer_too_small(Writer& w, uint32_t required_length, ErrorDataForm form);

// [MS-SMB2] 2.2.2.2.1 "Symbolic Link Error Response": the error data of STATUS_STOPPED_ON_SYMLINK.
struct SymbolicLinkErrorResponse {
  static constexpr uint32_t kFlagRelative = 0x00000001;  // SYMLINK_FLAG_RELATIVE

  uint16_t unparsed_path_length = 0;  // bytes of UTF-16 at the end of the name that was opened
  uint32_t flags = 0;
  std::string substitute_name;  // UTF-8
  std::string print_name;       // UTF-8

  static Result<SymbolicLinkErrorResponse> decode(Reader& r);
  void encode(Writer& w) const;
};
void encode_symbolic_link_error(Writer& w, const SymbolicLinkErrorResponse& link,
                                ErrorDataForm form);

}  // namespace braid::wire
