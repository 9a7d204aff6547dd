// Owning handles for GSSAPI, and its errors. For this folder only.
#pragma once

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace braid::auth {

// One GSSAPI object, released with `Release(minor*, handle*)`.
template <class Handle, auto Release>
class GssHandle {
 public:
  GssHandle() = default;
  ~GssHandle() { reset(); }
  GssHandle(const GssHandle&) = delete;
  GssHandle& operator=(const GssHandle&) = delete;
  Handle get() const { return handle_; }
  Handle* out() { return &handle_; }
  void reset() {
    OM_uint32 minor = 0;
    if (handle_ != nullptr) Release(&minor, &handle_);
    handle_ = nullptr;
  }

 private:
  Handle handle_ = nullptr;
};

inline OM_uint32 release_gss_name(OM_uint32* minor, gss_name_t* name) {
  return gss_release_name(minor, name);
}
inline OM_uint32 release_gss_cred(OM_uint32* minor, gss_cred_id_t* cred) {
  return gss_release_cred(minor, cred);
}
inline OM_uint32 release_gss_context(OM_uint32* minor, gss_ctx_id_t* context) {
  return gss_delete_sec_context(minor, context, GSS_C_NO_BUFFER);
}
using GssName = GssHandle<gss_name_t, release_gss_name>;
using GssCred = GssHandle<gss_cred_id_t, release_gss_cred>;
using GssContext = GssHandle<gss_ctx_id_t, release_gss_context>;

// A buffer GSSAPI allocated.
class GssBuffer {
 public:
  GssBuffer() = default;
  ~GssBuffer() {
    OM_uint32 minor = 0;
    gss_release_buffer(&minor, &buffer_);
  }
  GssBuffer(const GssBuffer&) = delete;
  GssBuffer& operator=(const GssBuffer&) = delete;
  gss_buffer_t out() { return &buffer_; }
  ByteView view() const { return {static_cast<const uint8_t*>(buffer_.value), buffer_.length}; }
  Bytes copy() const { return {view().begin(), view().end()}; }

 private:
  gss_buffer_desc buffer_ = GSS_C_EMPTY_BUFFER;
};

// A view as GSSAPI takes it. The library does not write through it.
gss_buffer_desc gss_view(ByteView bytes);

extern const gss_OID kGssKrb5;
gss_OID_set gss_krb5_set();

// Both texts of an error, for the log.
std::string gss_error_text(OM_uint32 major, OM_uint32 minor);

// The key that SMB takes its own from: of the subkey the acceptor chose if there is one. Empty if
// the library gives none.
crypto::Secret gss_session_key(gss_ctx_id_t context);

Result<Bytes> gss_make_mic(gss_ctx_id_t context, ByteView message);
bool gss_check_mic(gss_ctx_id_t context, ByteView message, ByteView mic);

}  // namespace braid::auth
