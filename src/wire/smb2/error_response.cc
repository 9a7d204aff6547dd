#include "wire/smb2/error_response.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {
namespace {

constexpr uint32_t kSymLinkErrorTag = 0x4C4D5953;
constexpr uint32_t kReparseTagSymlink = 0xA000000C;  // IO_REPARSE_TAG_SYMLINK

}  // namespace

ByteView ErrorResponse::default_data() const {
  for (const ErrorContext& context : error_contexts) {
    if (context.error_id == ErrorId::kDefault) return context.error_context_data;
  }
  return error_data;
}

Result<ErrorResponse> ErrorResponse::decode(Reader& r) {
  ErrorResponse response;
  r.expect_u16(9);
  const uint8_t context_count = r.u8();
  r.skip(1);
  Reader data(r.bytes(r.u32()));
  if (context_count == 0) response.error_data = data.rest();
  for (uint8_t i = 0; i < context_count && data.ok(); ++i) {
    data.align(8);
    const uint32_t length = data.u32();
    ErrorContext context;
    context.error_id = data.as<ErrorId>();
    context.error_context_data = data.bytes(length);
    response.error_contexts.push_back(context);
  }
  if (!data.ok()) r.fail(Error::malformed());
  return r.finish(std::move(response));
}

void ErrorResponse::encode(Writer& w) const {
  w.u16(9);
  assert(error_contexts.size() <= UINT8_MAX);
  w.u8(static_cast<uint8_t>(error_contexts.size()));
  w.u8(0);
  const size_t byte_count_at = w.position();
  w.u32(0);
  const size_t data_at = w.position();
  for (const ErrorContext& context : error_contexts) {
    while ((w.position() - data_at) % 8 != 0) w.u8(0);
    w.u32(narrow_u32(context.error_context_data.size()));
    w.value(context.error_id);
    w.bytes(context.error_context_data);
  }
  if (error_contexts.empty()) w.bytes(error_data);
  const size_t byte_count = w.position() - data_at;
  w.patch_u32(byte_count_at, narrow_u32(byte_count));
  write_filler_if_empty(w, byte_count == 0);
}

void encode_error_data(Writer& w, ByteView data, ErrorDataForm form) {
  ErrorResponse response;
  if (form == ErrorDataForm::kContext) {
    response.error_contexts.push_back({ErrorId::kDefault, data});
  } else {
    response.error_data = data;
  }
  response.encode(w);
}

void encode_buffer_too_small(Writer& w, uint32_t required_length, ErrorDataForm form) {
  Bytes data;
  Writer(data).u32(required_length);
  encode_error_data(w, data, form);
}

Result<SymbolicLinkErrorResponse> SymbolicLinkErrorResponse::decode(Reader& r) {
  SymbolicLinkErrorResponse link;
  r.skip(4);  // SymLinkLength
  r.expect(r.u32() == kSymLinkErrorTag);
  r.expect(r.u32() == kReparseTagSymlink);
  r.skip(2);  // ReparseDataLength
  link.unparsed_path_length = r.u16();
  const uint16_t substitute_offset = r.u16();
  const uint16_t substitute_length = r.u16();
  const uint16_t print_offset = r.u16();
  const uint16_t print_length = r.u16();
  link.flags = r.u32();
  const size_t path_buffer_at = r.position();
  link.substitute_name = variable_utf16(r, path_buffer_at + substitute_offset, substitute_length);
  link.print_name = variable_utf16(r, path_buffer_at + print_offset, print_length);
  return r.finish(std::move(link));
}

void SymbolicLinkErrorResponse::encode(Writer& w) const {
  const size_t substitute_length = utf16le_size(substitute_name);
  const size_t print_length = utf16le_size(print_name);
  const size_t reparse_data_length = 12 + substitute_length + print_length;
  w.u32(narrow_u32(4 + 4 + 4 + reparse_data_length));
  w.u32(kSymLinkErrorTag);
  w.u32(kReparseTagSymlink);
  w.u16(narrow_u16(reparse_data_length));
  w.u16(unparsed_path_length);
  w.u16(0);
  w.u16(narrow_u16(substitute_length));
  w.u16(narrow_u16(substitute_length));
  w.u16(narrow_u16(print_length));
  w.u32(flags);
  write_utf16le(w, substitute_name);
  write_utf16le(w, print_name);
}

void encode_symbolic_link_error(Writer& w, const SymbolicLinkErrorResponse& link,
                                ErrorDataForm form) {
  Bytes data;
  Writer link_writer(data);
  link.encode(link_writer);
  encode_error_data(w, data, form);
}

}  // namespace braid::wire
