#include "wire/smb2/tree_connect.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {
namespace {

// `body_at` is where the request's StructureSize stands: the extension's offsets count from there.
std::vector<TreeConnectContext> decode_extension(Reader& r, size_t body_at) {
  const uint64_t list_at = body_at + uint64_t{r.u32()};
  const uint16_t count = r.u16();
  r.skip(10);
  std::vector<TreeConnectContext> contexts;
  if (count == 0) return contexts;
  r.expect(list_at >= r.position() && count <= TreeConnectRequest::kContextsMax);
  r.seek(list_at);
  for (uint16_t i = 0; i < count && r.ok(); ++i) {
    r.align(8);
    TreeConnectContext context;
    context.context_type = r.u16();
    const uint16_t length = r.u16();
    r.skip(4);
    context.data = r.bytes(length);
    contexts.push_back(context);
  }
  return contexts;
}

}  // namespace

Result<TreeConnectRequest> TreeConnectRequest::decode(Reader& r) {
  TreeConnectRequest request;
  const size_t body_at = r.position();
  r.expect_u16(9);
  request.flags = r.u16();
  const uint16_t offset = r.u16();
  const uint16_t length = r.u16();
  request.path = variable_utf16(r, offset, length);
  if ((request.flags & kFlagExtensionPresent) != 0) {
    request.contexts = decode_extension(r, body_at);
  }
  return r.finish(std::move(request));
}

void TreeConnectRequest::encode(Writer& w) const {
  const size_t body_at = w.position();
  const bool extended = (flags & kFlagExtensionPresent) != 0;
  w.u16(9);
  w.u16(flags);
  w.u16(narrow_u16(w.position() + 4 + (extended ? 16 : 0)));
  w.u16(narrow_u16(utf16le_size(path)));
  const size_t extension_at = w.position();
  if (extended) {
    w.u32(0);
    w.u16(narrow_u16(contexts.size()));
    w.zeros(10);
  }
  write_utf16le(w, path);
  write_filler_if_empty(w, path.empty() && !extended);
  if (!extended || contexts.empty()) return;
  w.align(8);
  w.patch_u32(extension_at, narrow_u32(w.position() - body_at));
  for (const TreeConnectContext& context : contexts) {
    w.align(8);
    w.u16(context.context_type);
    w.u16(narrow_u16(context.data.size()));
    w.u32(0);
    w.bytes(context.data);
  }
}

Result<TreeConnectResponse> TreeConnectResponse::decode(Reader& r) {
  TreeConnectResponse response;
  r.expect_u16(16);
  response.share_type = r.as<ShareType>();
  r.skip(1);
  response.share_flags = r.u32();
  response.capabilities = r.u32();
  response.maximal_access = r.u32();
  return r.finish(response);
}

void TreeConnectResponse::encode(Writer& w) const {
  w.u16(16);
  w.value(share_type);
  w.u8(0);
  w.u32(share_flags);
  w.u32(capabilities);
  w.u32(maximal_access);
}

}  // namespace braid::wire
